//! Who may read the page and the full report: they name pods, and repeat what peers said.

use std::net::SocketAddr;

use axum::http::{HeaderMap, StatusCode};

use super::names::Names;
use crate::settings::ReportReaders;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub address: SocketAddr,
    /// The end that is the agent's.
    pub own: SocketAddr,
    /// Showed a certificate that was verified.
    pub certified: bool,
}

impl Caller {
    pub fn new(address: SocketAddr, own: SocketAddr) -> Self {
        Self { address, own, certified: false }
    }

    /// Nobody else's packets have such an address. `kubectl port-forward` comes by it, too.
    pub fn by_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// By loopback, or from the very address that it went to: kubelet's probes do.
    pub fn is_of_node(&self) -> bool {
        self.by_loopback() || self.address.ip().to_canonical() == self.own.ip().to_canonical()
    }
}

/// The rule, and what it needs to know of the node.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    pub rule: ReportReaders,
    /// Under which page and report may be asked for, where loopback is what protects them.
    pub names: Names,
}

/// Why somebody may not read: what is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub text: String,
}

impl Readers {
    /// `Err`: what to tell whoever asks for page or report. `known`: by a password or certificate. `node` is the node's name.
    pub fn admit(&self, caller: &Caller, known: bool, headers: &HeaderMap, node: &str) -> Result<(), Refused> {
        match self.rule {
            ReportReaders::Off => Err(refused(StatusCode::NOT_FOUND, OFF.to_owned())),
            ReportReaders::Authenticated if !known => Err(refused(StatusCode::FORBIDDEN, AUTHENTICATED.to_owned())),
            ReportReaders::Loopback if !caller.by_loopback() => {
                Err(refused(StatusCode::FORBIDDEN, elsewhere(caller.own.port(), node)))
            }
            ReportReaders::Loopback if !self.names.allow(headers) => {
                Err(refused(StatusCode::MISDIRECTED_REQUEST, FOREIGN_NAME.to_owned()))
            }
            ReportReaders::Open | ReportReaders::Authenticated | ReportReaders::Loopback => Ok(()),
        }
    }
}

fn refused(status: StatusCode, text: String) -> Refused {
    Refused { status, text }
}

const OFF: &str =
    "page and report are switched off (web.report: off); there are /metrics, /api/v1/summary, /livez, /readyz\n";
const AUTHENTICATED: &str =
    "page and report need a password or a client certificate of web.config_file (web.report: authenticated)\n";
const FOREIGN_NAME: &str =
    "this is not a name of this node: ask by an address, by localhost, or by a name of the setting web.hosts\n";

fn elsewhere(port: u16, node: &str) -> String {
    format!(
        "Page and report of {node} are for readers on the node itself (web.report: loopback).\n\
         Run `kubectl port-forward --namespace NAMESPACE POD {port}` with the agent's pod on that node, and open http://localhost:{port}/.\n\
         To let others read them, set web.report to open, or to authenticated with web.config_file.\n\
         /metrics and /api/v1/summary are for everybody.\n"
    )
}

#[cfg(test)]
mod tests {
    use axum::http::header::HOST;

    use super::*;

    fn status(rule: ReportReaders, peer: &str, host: &str) -> Option<u16> {
        let readers = Readers { rule, names: Names::of("worker-3", &[]) };
        let caller = Caller::new(format!("{peer}:40000").parse().unwrap(), "192.0.2.7:10048".parse().unwrap());
        let headers: HeaderMap = [(HOST, host.parse().unwrap())].into_iter().collect();
        readers.admit(&caller, false, &headers, "worker-3").err().map(|refused| refused.status.as_u16())
    }

    #[test]
    fn page_and_report_are_for_whom_the_setting_names() {
        use ReportReaders::{Authenticated, Loopback, Off, Open};
        for near in ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert_eq!(status(Loopback, near, "localhost:10048"), None, "{near}");
            assert_eq!(status(Loopback, near, "evil.example"), Some(421), "{near}");
            assert_eq!(status(Off, near, "localhost"), Some(404));
            assert_eq!(status(Authenticated, near, "localhost"), Some(403));
        }
        // The node's own address is no loopback: the API server of a single node comes from it.
        for far in ["192.0.2.7", "198.51.100.9", "[2001:db8::1]", "[::ffff:192.0.2.7]", "[fe80::1]", "0.0.0.0"] {
            assert_eq!(status(Loopback, far, "localhost:10048"), Some(403), "{far}");
            assert_eq!(status(Open, far, "evil.example"), None, "only where loopback protects has the name a part");
            assert_eq!(status(Off, far, "localhost"), Some(404));
        }
    }

    #[test]
    fn from_the_node_is_who_comes_by_loopback_or_from_the_address_that_was_asked() {
        let from = |peer: &str, own: &str| Caller::new(peer.parse().unwrap(), own.parse().unwrap()).is_of_node();
        assert!(from("127.0.0.1:1", "127.0.0.1:10048") && from("[::1]:1", "[::1]:10048"));
        assert!(from("192.0.2.7:1", "192.0.2.7:10048") && from("[::ffff:192.0.2.7]:1", "192.0.2.7:10048"));
        assert!(!from("192.0.2.8:1", "192.0.2.7:10048") && !from("[2001:db8::8]:1", "[2001:db8::7]:10048"));
    }

    #[test]
    fn who_is_refused_is_told_how_to_get_there() {
        let text = elsewhere(10048, "worker-3");
        for word in ["worker-3", "kubectl port-forward", "http://localhost:10048/", "web.report", "web.config_file"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
