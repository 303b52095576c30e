//! How far a registry may send the agent. A redirect or a realm may name the node itself, its cloud's metadata
//! service or the agent's own port. containerd goes there when somebody pulls; who asks on a schedule does not,
//! unless the registry is there itself or the settings allow it.
//!
//! It is decided by the addresses that would be connected to, between looking up and connecting: whatever a name
//! is, and whatever it leads to at the next look.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use super::{Destination, Network, Way};
use crate::model::address::Address;
use crate::model::cause::Cause;
use crate::model::host::{Endpoint, RegistryHost};
use crate::model::outcome::Failure;
use crate::model::reach::{Place, place};
use crate::model::stage::Stage;

const FIX: &str = "Pull it once on the node to know, or ask with `pullprobe check`, which follows as containerd does. If this \
                   registry may send the agent there, set `probe.follow_private: true`.";

/// Where the agent goes when it is sent. The default goes everywhere, as containerd does.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// `None`: everywhere. Else not to such places; and which ports are the agent's own.
    guarded: Option<Vec<u16>>,
}

impl Reach {
    pub const fn guarded(own_ports: Vec<u16>) -> Self {
        Self { guarded: Some(own_ports) }
    }

    fn place(&self, address: IpAddr, port: u16) -> Option<Place> {
        let own_ports = self.guarded.as_deref()?;
        if own_ports.contains(&port) && is_own(address, port) {
            return Some(Place::Agent);
        }
        place(address)
    }
}

/// A host of the plan that sends to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    endpoint: Endpoint,
    /// Where it was connected to. `None`: not directly.
    address: Option<SocketAddr>,
}

impl Sender {
    fn is_at(&self, wanted: Place) -> bool {
        self.address.is_some_and(|address| place(address.ip()) == Some(wanted))
    }
}

impl Network {
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The way to where a host of the plan sends.
    pub async fn led(&self, by: &RegistryHost, endpoint: &Endpoint, http_fallback: bool) -> Arc<Way> {
        let led_by = Some(self.sender(by).await);
        self.way(&Destination { endpoint: endpoint.clone(), http_fallback, led_by, ..Destination::of(by) }).await
    }

    /// Its own way was climbed before it could send anybody on.
    pub(super) async fn sender(&self, host: &RegistryHost) -> Sender {
        let way = self.way(&Destination::of(host)).await;
        let address = way.tcp.facts().and_then(|facts| facts.chosen);
        Sender { endpoint: host.endpoint.clone(), address }
    }

    /// Why none of these addresses is connected to. `None`: they may be.
    pub(super) fn kept_back(&self, to: &Destination<'_>, addresses: &[Address], port: u16) -> Option<Failure> {
        let led_by = to.led_by.as_ref()?;
        let barred = |address: &Address| {
            let place = self.reach.place(address.ip, port)?;
            (!led_by.is_at(place)).then_some((*address, place))
        };
        let (address, place) = addresses.iter().find_map(barred)?;
        let at = address.with_port(port);
        let detail = format!(
            "{} sends to {}, which is at {at}: that is {}, where pullprobe does not go on its schedule",
            led_by.endpoint,
            to.endpoint,
            place.as_str()
        );
        let failure = Failure::new(Stage::Tcp, Cause::RedirectInvalid, detail).at(to.endpoint.host_port());
        Some(Failure { doubtful: true, ..failure.fixed_by(FIX) })
    }
}

/// Whether a failure is that the agent did not go where it was sent.
pub fn is_kept_back(failure: &Failure) -> bool {
    failure.doubtful && failure.fix() == FIX
}

/// Whether a connection to an address ends at this machine: the kernel then takes the same one to come from.
fn is_own(address: IpAddr, port: u16) -> bool {
    let any: IpAddr = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, port))?;
        socket.local_addr()
    });
    place(address) == Some(Place::Loopback) || from.is_ok_and(|from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;
    use jiff::Timestamp;
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::host::{HostTls, Scheme};
    use crate::model::outcome::{Outcome, Skip};
    use crate::node::proxy::ProxyRules;
    use crate::node::resolv::Names;
    use crate::node::root::HostRoot;
    use crate::probe::network::Timeouts;
    use crate::probe::tls::NodeTrust;

    /// A node whose hosts file says that `inside.example` is the node itself.
    fn network(reach: Reach) -> Network {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/hosts"), "127.0.0.1 inside.example\n").unwrap();
        let names = Arc::new(Names::load(&HostRoot::open(directory.path()).unwrap()));
        let (trust, proxies) = (Arc::<NodeTrust>::default(), Arc::<ProxyRules>::default());
        let version = "2.1.9".parse().unwrap();
        Network::new(names, trust, proxies, Timeouts::default(), version, Timestamp::now()).within(reach)
    }

    /// Whether a host that was connected to at `sender` gets the agent to a service on the node, by this name.
    async fn is_led(reach: Reach, sender: Option<&str>, name: &str) -> bool {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = service.local_addr().unwrap().port();
        let reach = if reach.guarded == Some(vec![0]) { Reach::guarded(vec![port]) } else { reach };
        let endpoint = Endpoint::new(Scheme::Http, format!("{name}:{port}"));
        let led_by = Sender {
            endpoint: Endpoint::new(Scheme::Https, "r.example"),
            address: sender.map(|address| address.parse().unwrap()),
        };
        let tls = HostTls::default();
        let to = Destination { endpoint, tls: &tls, dial_timeout: None, http_fallback: false, led_by: Some(led_by) };
        let way = network(reach).way(&to).await;
        let connected = service.accept().now_or_never().is_some();
        assert_eq!(way.client.is_ok(), connected, "{way:?}");
        if let Err(failure) = &way.client {
            assert!(is_kept_back(failure) && failure.detail.contains("https://r.example sends to"), "{failure:?}");
            assert!(matches!(way.tcp.outcome, Outcome::Skipped(Skip::NotFollowed)), "{way:?}");
        }
        connected
    }

    #[tokio::test]
    async fn a_registry_elsewhere_leads_nobody_to_the_node_whatever_the_name() {
        let guarded = || Reach::guarded(Vec::new());
        for name in ["inside.example", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            for elsewhere in [Some("192.0.2.1:443"), Some("169.254.0.1:443"), None] {
                assert!(!is_led(guarded(), elsewhere, name).await, "{elsewhere:?} leads to {name}");
            }
        }
    }

    #[tokio::test]
    async fn a_registry_on_the_node_leads_to_the_node_and_so_does_any_for_who_asks_once() {
        assert!(is_led(Reach::guarded(Vec::new()), Some("127.0.0.9:5000"), "inside.example").await);
        assert!(is_led(Reach::default(), Some("192.0.2.1:443"), "inside.example").await);
        assert!(is_led(Reach::default(), None, "127.0.0.1").await);
    }

    #[tokio::test]
    async fn nobody_is_led_to_the_agent_itself() {
        // Port 0 stands for the one of the service.
        assert!(!is_led(Reach::guarded(vec![0]), Some("127.0.0.9:5000"), "inside.example").await);
    }
}
