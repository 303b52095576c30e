//! Every host and port that pulls from this node need, once each, with the reason: the allow-list of a firewall.

use std::collections::{BTreeMap, BTreeSet};

use crate::cause::Cause;
use crate::model::dependency::Purpose;
use crate::model::report::EndpointReport;
use crate::model::stage::Stage;

/// Why a pull needs a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    Upstream,
    Mirror,
    /// It gives the tokens.
    Token,
    ManifestRedirect,
    BlobRedirect,
    /// The way to others leads through it.
    Proxy,
    /// It resolves the names; by UDP, and by TCP what is too long for that.
    Nameserver,
}

impl Use {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "registry",
            Self::Mirror => "mirror",
            Self::Token => "token realm",
            Self::ManifestRedirect => "manifest redirect",
            Self::BlobRedirect => "blob redirect",
            Self::Proxy => "proxy",
            Self::Nameserver => "nameserver",
        }
    }

    /// As the `role` of an endpoint, which has the first four.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Mirror => "mirror",
            Self::Token => "token",
            Self::ManifestRedirect | Self::BlobRedirect => "redirect",
            Self::Proxy => "proxy",
            Self::Nameserver => "nameserver",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededHost {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    pub uses: BTreeSet<Use>,
    /// The images and registries that were asked about.
    pub needed_by: BTreeSet<String>,
    /// Whether a request could be sent there. `None`: not tried.
    pub reachable: Option<bool>,
    /// Why not.
    pub failure: Option<(Stage, Cause)>,
    /// Which proxy leads there. `None`: the node goes there itself.
    pub proxy: Option<String>,
    /// Whether an earlier answer lacks it. `None`: there is none to compare with.
    pub new: Option<bool>,
}

/// What a rule of a firewall names: a host, a port, and whether that is a nameserver's, of UDP.
pub type Destination = (String, u16, bool);

impl NeededHost {
    pub fn place(&self) -> Destination {
        (self.host.clone(), self.port, self.is_nameserver())
    }

    /// `host:port`, an IPv6 literal in brackets.
    pub fn host_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub fn is_nameserver(&self) -> bool {
        self.uses.contains(&Use::Nameserver)
    }
}

/// One way of needing a place.
struct Entry {
    host: String,
    port: u16,
    what: Use,
    reachable: Option<bool>,
    failure: Option<(Stage, Cause)>,
    proxy: Option<String>,
}

/// Sorted by host and port. Each report with the target that it was made for.
pub fn needed_hosts<'a>(reports: impl IntoIterator<Item = (&'a str, &'a EndpointReport)>) -> Vec<NeededHost> {
    let mut hosts: BTreeMap<Destination, NeededHost> = BTreeMap::new();
    for (target, report) in reports {
        for entry in entries(report) {
            let key = (entry.host.clone(), entry.port, entry.what == Use::Nameserver);
            let host = hosts.entry(key).or_insert_with(|| NeededHost {
                host: entry.host,
                port: entry.port,
                uses: BTreeSet::new(),
                needed_by: BTreeSet::new(),
                reachable: None,
                failure: None,
                proxy: None,
                new: None,
            });
            host.uses.insert(entry.what);
            host.needed_by.insert(target.to_owned());
            // What fails one of several pulls is what has to be seen.
            if host.reachable != Some(false) && entry.reachable.is_some() {
                (host.reachable, host.failure) = (entry.reachable, entry.failure);
            }
            host.proxy = host.proxy.take().or(entry.proxy);
        }
    }
    hosts.into_values().collect()
}

fn entries(report: &EndpointReport) -> Vec<Entry> {
    let failure = report.stages.route_failure().map(|failure| (failure.stage, failure.cause));
    let proxy = report.stages.proxy.facts().and_then(|facts| facts.proxy.clone());
    let reachable = if failure.is_some() { Some(false) } else { report.stages.reached().then_some(true) };
    let own = |what| Entry {
        host: report.endpoint.host().to_ascii_lowercase(),
        port: report.endpoint.port(),
        what,
        reachable,
        failure,
        proxy: proxy.clone().map(Into::into),
    };
    let mut entries: Vec<Entry> = uses(report).into_iter().map(own).collect();
    entries.extend(proxy.as_deref().and_then(|url| through(report, url)));
    entries.extend(nameservers(report));
    entries
}

fn uses(report: &EndpointReport) -> Vec<Use> {
    let of_purpose = |purpose: &Purpose| match purpose {
        Purpose::Token => Use::Token,
        Purpose::Manifest => Use::ManifestRedirect,
        Purpose::Blob => Use::BlobRedirect,
    };
    match &report.need {
        Some(need) => need.purposes.iter().map(of_purpose).collect(),
        None if report.role == crate::model::host::Role::Mirror => vec![Use::Mirror],
        None => vec![Use::Upstream],
    }
}

/// The proxy, by its URL.
fn through(report: &EndpointReport, url: &str) -> Option<Entry> {
    let (host, port) = url.split_once("://")?.1.rsplit_once(':')?;
    let step = &report.stages.proxy;
    let dead = step.failure().filter(|failure| failure.cause == Cause::ProxyUnreachable);
    // What it refuses to do, a proxy refuses itself.
    let answered = step.passed() || step.failure().is_some_and(|failure| failure.cause != Cause::ProxyUnreachable);
    Some(Entry {
        host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
        port: port.parse().ok()?,
        what: Use::Proxy,
        reachable: if dead.is_some() { Some(false) } else { answered.then_some(true) },
        failure: dead.map(|failure| (failure.stage, failure.cause)),
        proxy: None,
    })
}

/// Only nameservers outside of the node: traffic to one on loopback passes no firewall.
fn nameservers(report: &EndpointReport) -> Vec<Entry> {
    let facts = report.stages.dns.facts();
    let asked = facts.into_iter().flat_map(|facts| &facts.nameservers).filter(|one| !one.server.ip().is_loopback());
    asked
        .map(|one| {
            // One that answers, whatever it answers, is reached.
            let dead = one.cause.filter(|_| one.rcode.is_none());
            Entry {
                host: one.server.ip().to_string(),
                port: one.server.port(),
                what: Use::Nameserver,
                reachable: Some(dead.is_none()),
                failure: dead.map(|cause| (Stage::Dns, cause)),
                proxy: None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dependency::Dependency;
    use crate::model::facts::ProxyFacts;
    use crate::model::host::{Endpoint, Role, Scheme};
    use crate::model::outcome::{Failure, Outcome, Skip, Step};
    use crate::model::sample::presenting;

    fn store(host: &str, via: &str, purpose: Purpose) -> EndpointReport {
        let need = Dependency::new(purpose, Endpoint::new(Scheme::Https, via));
        EndpointReport { role: need.role(), need: Some(need), ..presenting(host, "CN=A", true) }
    }

    fn names(hosts: &[NeededHost]) -> Vec<String> {
        hosts.iter().filter(|host| !host.is_nameserver()).map(NeededHost::host_port).collect()
    }

    #[test]
    fn each_place_is_listed_once_with_all_that_it_is_needed_for() {
        let registry = presenting("R.example", "CN=A", true);
        let token = store("cdn.example", "R.example", Purpose::Token);
        let blobs = store("cdn.example", "R.example", Purpose::Blob);
        let hosts = needed_hosts([("b", &registry), ("a", &token), ("b", &blobs), ("b", &blobs)]);
        assert_eq!(names(&hosts), ["cdn.example:443", "r.example:443"]);
        let cdn = hosts.iter().find(|host| host.host == "cdn.example").unwrap();
        assert_eq!(cdn.uses, [Use::Token, Use::BlobRedirect].into());
        assert_eq!(cdn.needed_by, ["a".to_owned(), "b".to_owned()].into());
        assert_eq!((cdn.reachable, cdn.proxy.as_deref()), (Some(true), None));
        let nameservers: Vec<_> = hosts.iter().filter(|host| host.is_nameserver()).collect();
        assert_eq!(nameservers.iter().map(|one| one.reachable).collect::<Vec<_>>(), [Some(true), Some(false)]);
    }

    #[test]
    fn a_place_that_fails_for_one_is_not_reachable_and_a_login_is_not_its_fault() {
        let good = presenting("r.example", "CN=A", true);
        let mut bad = good.clone();
        bad.stages.tls =
            Step::new(Outcome::Failed(Failure::new(Stage::Tls, Cause::TlsExpired, ""), None), good.duration);
        let hosts = needed_hosts([("a", &good), ("b", &bad), ("c", &good)]);
        let found = hosts.iter().find(|host| !host.is_nameserver()).unwrap();
        assert_eq!((found.reachable, found.failure), (Some(false), Some((Stage::Tls, Cause::TlsExpired))));
        let mut refused = good.clone();
        let failure = Failure::new(Stage::Tcp, Cause::TcpRefused, "of the token service");
        refused.stages.token = Step::new(Outcome::Failed(failure, None), good.duration);
        assert_eq!(
            needed_hosts([("a", &refused)]).iter().find(|host| !host.is_nameserver()).unwrap().reachable,
            Some(true)
        );
    }

    #[test]
    fn what_a_proxy_leads_to_is_listed_beside_the_proxy() {
        let mut report = presenting("r.example", "CN=A", true);
        assert_eq!(report.role, Role::Upstream);
        let facts =
            ProxyFacts { proxy: Some("http://[::1]:3128".into()), rule: "HTTPS_PROXY".into(), connect_status: None };
        report.stages.dns = Step::skipped(Skip::LeftToProxy);
        let failure = Failure::new(Stage::Proxy, Cause::ProxyUnreachable, "");
        report.stages.proxy = Step::new(Outcome::Failed(failure, Some(facts)), report.duration);
        let hosts = needed_hosts([("a", &report)]);
        assert_eq!(names(&hosts), ["[::1]:3128", "r.example:443"]);
        assert_eq!((hosts[0].reachable, hosts[0].uses.clone()), (Some(false), [Use::Proxy].into()));
        assert_eq!(hosts[1].proxy.as_deref(), Some("http://[::1]:3128"));
        // One that refuses is there, be it a tunnel or a plain request that it refuses.
        let facts = report.stages.proxy.facts().cloned();
        let failure = Failure::new(Stage::Proxy, Cause::ProxyDenied, "");
        report.stages.proxy = Step::new(Outcome::Failed(failure, facts), report.duration);
        let hosts = needed_hosts([("a", &report)]);
        assert_eq!([hosts[0].reachable, hosts[1].reachable], [Some(true), Some(false)]);
    }
}
