//! The list of hosts that comes of a certs.d directory, or of nothing at all.

use super::{Draft, address, unusable};
use crate::cause::Cause;
use crate::mirrors::certs_d::{Host, HostDirectory};
use crate::model::host::{Capabilities, HostTls, Origin};
use crate::model::outcome::Failure;
use crate::model::rewrites::Rewrites;
use crate::node::containerd::Containerd;
use crate::version::Version;

impl Version {
    /// The registry itself is asked over plain http, unverified, when it is this node's.
    fn takes_localhost_for_http(self) -> bool {
        match (self.major, self.minor) {
            (1, 6) => self.patch >= 9,
            series => series > (1, 6),
        }
    }

    /// ... unless its port says otherwise: none and 443 mean https.
    fn looks_at_localhost_port(self) -> bool {
        match (self.major, self.minor) {
            (1, 6) => self.patch >= 25,
            (1, 7) => self.patch >= 8,
            (major, _) => major >= 2,
        }
    }

    /// Whether an `http://` host of this port with TLS settings is asked over https first.
    fn upgrades_port(self, port: &str) -> bool {
        if !self.upgrades_http_with_tls() {
            return false;
        }
        match (self.major, self.minor, self.patch) {
            (1, 7, 7) => true,
            (1, 6, _) | (1, 7, ..24) => !port.is_empty() && port != "80",
            _ => port != "80",
        }
    }

    /// `dial_timeout` counts as a TLS setting.
    fn takes_dial_timeout_for_tls(self) -> bool {
        (self.major, self.minor) == (2, 0)
    }
}

/// The directory's hosts, then its server or else the registry itself.
pub fn hosts(containerd: &Containerd, directory: Option<&HostDirectory>, domain: &str) -> Result<Vec<Draft>, Failure> {
    let version = containerd.version;
    let Some(directory) = directory else {
        let all = Capabilities { referrers: version.knows_referrers(), ..Capabilities::ALL };
        let upstream = upstream(HostTls::default(), Draft::new(all, Origin::ImplicitUpstream), domain, version);
        return Ok(vec![upgrade(upstream, false, version)]);
    };
    let mut drafts = Vec::new();
    for (host, last) in directory.hosts.iter().map(|host| (host, false)).chain([(&directory.server, true)]) {
        let tls = host.tls.clone().map_err(|fault| {
            let place = fault.place.as_ref().unwrap_or(&host.spec.place);
            let detail = format!("{} (named by {place})", fault.go_message);
            Failure { inconclusive: fault.unread, ..unusable(Cause::CaUnusable, detail, &fault.go_message) }
        })?;
        let tls_is_set =
            host.spec.tls.is_set() || (host.spec.dial_timeout.is_some() && version.takes_dial_timeout_for_tls());
        let draft = draft(host, tls, last, domain, version);
        drafts.push(upgrade(draft, tls_is_set, version));
    }
    Ok(drafts)
}

fn draft(host: &Host, tls: HostTls, last: bool, domain: &str, version: Version) -> Draft {
    let spec = &host.spec;
    let origin = Origin::File(spec.place.clone());
    let mut draft = Draft::new(spec.capabilities, origin);
    draft.headers.clone_from(&spec.headers);
    draft.dial_timeout = spec.connect_limit();
    draft.rewrites.clone_from(&spec.rewrites);
    match &spec.url {
        Some(url) => {
            draft.scheme.clone_from(&url.scheme);
            draft.authority.clone_from(&url.authority);
            draft.path.clone_from(&url.path);
            draft.tls = tls;
            draft
        }
        None if last => {
            draft.origin = Origin::ImplicitUpstream;
            draft.capabilities = Capabilities { referrers: version.knows_referrers(), ..Capabilities::ALL };
            upstream(tls, draft, domain, version)
        }
        None => {
            draft.path = spec.shown();
            draft
        }
    }
}

/// The registry itself, with what the directory says of the last host.
fn upstream(mut tls: HostTls, draft: Draft, domain: &str, version: Version) -> Draft {
    let mut scheme = "https";
    if address::is_localhost(domain) && version.takes_localhost_for_http() {
        let port = address::port(domain);
        let https = version.looks_at_localhost_port() && (port.is_empty() || port == "443");
        scheme = if https { "https" } else { "http" };
        if port != "80" || !version.looks_at_localhost_port() {
            tls.skip_verify = Some(true);
        }
    }
    let authority = address::default_host(domain).to_owned();
    Draft { scheme: scheme.into(), authority, path: "/v2".into(), tls, ..draft }
}

/// http with TLS settings: https is tried first, http after it.
fn upgrade(mut draft: Draft, tls_is_set: bool, version: Version) -> Draft {
    let tls_is_set = tls_is_set || draft.tls.is_set();
    if draft.scheme == "http" && tls_is_set && version.upgrades_port(address::port(&draft.authority)) {
        draft.scheme = "https".into();
        draft.http_fallback = true;
    }
    draft
}

impl Draft {
    fn new(capabilities: Capabilities, origin: Origin) -> Self {
        Self {
            scheme: String::new(),
            authority: String::new(),
            path: String::new(),
            capabilities,
            tls: HostTls::default(),
            headers: Vec::new(),
            dial_timeout: None,
            http_fallback: false,
            rewrites: Rewrites::default(),
            origin,
        }
    }
}
