//! Remembers the hosts that pulls need: since when, and which issuer signed their certificates.
//!
//! It lasts as long as the agent runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::lru::LruMap;
use super::targets::Targets;
use crate::model::dependency::Purpose;
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Endpoint, EndpointKey};
use crate::model::report::EndpointReport;
use crate::observation::{HOST_NEW, TLS_INTERCEPTION_SUSPECTED, reach};

/// How long a new host or issuer is reported.
const NEWS: SignedDuration = SignedDuration::from_hours(24);
/// How long a finding stays after a pull was last sent there. Images are probed every few minutes.
const KEPT_BACK: SignedDuration = SignedDuration::from_hours(1);
/// The most hosts that are remembered: a registry may name another one each time.
const HOSTS_LIMIT: usize = 1_000;

#[derive(Clone, Debug)]
pub struct Memory {
    /// By `host:port`: a firewall knows no registry names.
    hosts: LruMap<String, FirstNeed>,
    issuers: BTreeMap<EndpointKey, Issuer>,
    /// Hosts that no successful pull needed. They are reported once and not probed on a schedule.
    named: LruMap<EndpointKey, ()>,
    /// Hosts of this kind where the agent refuses to connect.
    kept_back: LruMap<EndpointKey, Finding>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            hosts: LruMap::at_most(HOSTS_LIMIT),
            issuers: BTreeMap::new(),
            named: LruMap::at_most(HOSTS_LIMIT),
            kept_back: LruMap::at_most(HOSTS_LIMIT),
        }
    }
}

#[derive(Clone, Debug)]
struct FirstNeed {
    at: Timestamp,
    /// Whether the first round was over when it appeared, so that it is reported as new.
    new: bool,
    /// Who needs it, for what.
    why: String,
}

#[derive(Clone, Debug)]
struct Issuer {
    name: String,
    /// The issuer before this one, and when it was replaced.
    before: Option<(String, Timestamp)>,
}

impl Memory {
    /// `learning`: the first round is not over, and every host is one that was not seen before.
    pub fn note(&mut self, report: &EndpointReport, learning: bool) {
        self.note_host(report, learning);
        self.note_issuer(report);
    }

    fn note_host(&mut self, report: &EndpointReport, learning: bool) {
        let at = report.started_at;
        self.hosts.see(place(&report.endpoint), at, || FirstNeed { at, new: !learning, why: why(report) });
    }

    /// Records a host that a pull was sent to, when no pull succeeded there. Returns whether it is the first time.
    pub fn name(&mut self, report: &EndpointReport, learning: bool) -> bool {
        let key = (report.namespace.clone(), report.endpoint.clone());
        if let Some(finding) = reach::kept_back(report) {
            self.kept_back.insert(key.clone(), report.started_at, finding);
        } else {
            self.kept_back.remove(&key);
        }
        self.note_host(report, learning);
        self.named.see(key, report.started_at, || ())
    }

    fn note_issuer(&mut self, report: &EndpointReport) {
        let Some(leaf) = report.stages.tls.facts().and_then(|facts| facts.chain.first()) else { return };
        let key = (report.namespace.clone(), report.endpoint.clone());
        let Some(known) = self.issuers.get_mut(&key) else {
            self.issuers.insert(key, Issuer { name: leaf.issuer.clone().into(), before: None });
            return;
        };
        if known.name == leaf.issuer {
            return;
        }
        let name = std::mem::replace(&mut known.name, leaf.issuer.clone().into());
        // Public authorities change their issuers with every renewal, and log what they issue. Whoever
        // opens connections issues too, and logs nothing.
        let is_back = known.before.as_ref().is_some_and(|(before, _)| *before == leaf.issuer);
        known.before = (!leaf.logged && !is_back).then_some((name, report.started_at));
    }

    /// Stops reporting hosts whose targets are gone. It still remembers that they were needed once.
    pub fn retain(&mut self, targets: &Targets) {
        self.issuers.retain(|key, _| targets.has(key));
        self.named.retain(|(namespace, _), ()| targets.namespaces.contains_key(namespace));
        self.kept_back.retain(|(namespace, _), _| targets.namespaces.contains_key(namespace));
        let named = self.named.keys().map(|(_, endpoint)| place(endpoint));
        let needed: BTreeSet<String> = targets.keys().map(|(_, endpoint)| place(&endpoint)).chain(named).collect();
        self.hosts.retain(|place, first| {
            first.new &= needed.contains(place);
            true
        });
    }

    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let is_news = |at: Timestamp| now.duration_since(at) < NEWS;
        let new = self.hosts.iter().filter(|(_, first, _)| first.new && is_news(first.at));
        let new = new.map(|(place, first, _)| host_new(place, first));
        let changed = self.issuers.iter().filter_map(|(key, issuer)| {
            let (before, at) = issuer.before.as_ref().filter(|(_, at)| is_news(*at))?;
            Some(issuer_changed(key, &issuer.name, before, *at))
        });
        let kept_back = self.kept_back.iter().filter(|(_, _, last)| now.duration_since(*last) < KEPT_BACK);
        changed.chain(new).chain(kept_back.map(|(_, finding, _)| finding.clone())).collect()
    }
}

fn place(endpoint: &Endpoint) -> String {
    endpoint.host_port().to_ascii_lowercase()
}

fn why(report: &EndpointReport) -> String {
    let of_purpose = |purpose: &Purpose| match purpose {
        Purpose::Token => "gives the tokens for",
        Purpose::Manifest => "gets the manifests of",
        Purpose::Blob => "gets the blobs of",
    };
    let what = match &report.need {
        None => format!("is the {} of", report.role.as_str()),
        Some(need) => need.purposes.iter().map(of_purpose).collect::<Vec<_>>().join(" and "),
    };
    format!("{what} {}", report.namespace)
}

fn host_new(place: &str, first: &FirstNeed) -> Finding {
    let message = format!(
        "{place} {}, and no pull needed it before: it was first needed at {:.0} since this agent started.",
        first.why, first.at
    );
    let fix = "If this node may only reach what is listed, add it to the list: `pullprobe hosts` prints all of it.";
    Finding::new(Severity::Info, HOST_NEW, message, fix)
}

fn issuer_changed((namespace, endpoint): &EndpointKey, now: &str, before: &str, at: Timestamp) -> Finding {
    let message = format!(
        "Since {at:.0} {endpoint} (of {namespace}) shows a certificate that `{now}` issued and no public log knows; \
         before, `{before}` issued it. A proxy or firewall on the way may open the connection."
    );
    let fix = format!(
        "If its owner changed the issuer, nothing is to be done. If not, exempt {} from TLS inspection, or let \
         containerd trust the inspecting authority (`ca` in hosts.toml).",
        endpoint.host_port()
    );
    Finding::new(Severity::Warning, TLS_INTERCEPTION_SUSPECTED, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dependency::Dependency;
    use crate::model::host::{Capabilities, Role, Scheme};
    use crate::model::namespace::{Namespace, PlannedHost};
    use crate::model::sample;

    fn codes(memory: &Memory, hours: i64) -> Vec<&'static str> {
        let now = sample::now() + SignedDuration::from_hours(hours);
        memory.findings(now).iter().map(|finding| finding.code).collect()
    }

    fn issued_by(name: &str, logged: bool) -> EndpointReport {
        sample::presenting("r.example", name, logged)
    }

    #[test]
    fn a_host_that_comes_up_after_the_first_round_is_news_for_a_day_and_only_once() {
        let mut memory = Memory::default();
        memory.note(&issued_by("CN=A", false), true);
        assert!(codes(&memory, 0).is_empty());
        let mut store = issued_by("CN=A", false);
        store.endpoint = Endpoint::new(Scheme::Https, "cdn.example");
        store.role = Role::Redirect;
        store.need = Some(Dependency::new(Purpose::Blob, Endpoint::new(Scheme::Https, "r.example")));
        memory.note(&store, false);
        memory.note(&store, false);
        assert_eq!((codes(&memory, 23), codes(&memory, 25)), (vec![HOST_NEW], vec![]));
        let message = memory.findings(sample::now())[0].message.clone();
        assert!(message.starts_with("cdn.example:443 gets the blobs of r.example"), "{message}");
    }

    #[test]
    fn a_host_that_nothing_needs_any_more_is_no_news_and_none_when_it_is_back() {
        let mut memory = Memory::default();
        let report = issued_by("CN=A", false);
        let host = PlannedHost {
            endpoint: report.endpoint.clone(),
            role: report.role,
            capabilities: Capabilities::ALL,
            dial_timeout: None,
        };
        let namespace = Namespace { hosts: vec![host], ..Namespace::default() };
        let targets = Targets { namespaces: [(report.namespace.clone(), namespace)].into(), ..Targets::default() };
        memory.note(&report, false);
        memory.retain(&targets);
        assert_eq!(codes(&memory, 0), [HOST_NEW]);
        memory.retain(&Targets::default());
        assert!(codes(&memory, 0).is_empty());
        memory.note(&report, false);
        memory.retain(&targets);
        assert!(codes(&memory, 0).is_empty());
    }

    #[test]
    fn a_leaf_of_another_issuer_is_suspect_unless_a_public_log_knows_it_or_the_first_one_is_back() {
        let mut memory = Memory::default();
        memory.note(&issued_by("CN=Public 1", true), true);
        memory.note(&issued_by("CN=Public 2", true), false);
        assert!(codes(&memory, 0).is_empty());
        memory.note(&issued_by("CN=Inspector", false), false);
        memory.note(&issued_by("CN=Inspector", false), false);
        assert_eq!((codes(&memory, 23), codes(&memory, 25)), (vec![TLS_INTERCEPTION_SUSPECTED], vec![]));
        let message = memory.findings(sample::now())[0].message.clone();
        assert!(message.contains("`CN=Inspector`") && message.contains("`CN=Public 2`"), "{message}");
        memory.note(&issued_by("CN=Public 2", true), false);
        assert!(codes(&memory, 0).is_empty());
    }

    #[test]
    fn the_memory_is_bounded_whatever_a_registry_names() {
        let mut memory = Memory::default();
        for number in 0..2 * HOSTS_LIMIT {
            let mut report = issued_by("CN=A", false);
            report.endpoint = Endpoint::new(Scheme::Https, format!("{number}.example"));
            memory.note(&report, false);
        }
        assert_eq!(memory.hosts.keys().count(), HOSTS_LIMIT);
        let mut report = issued_by("CN=A", false);
        report.endpoint = Endpoint::new(Scheme::Https, "new.example");
        report.started_at += SignedDuration::from_hours(24);
        memory.note(&report, false);
        let is_new = |place: &String| place == "new.example:443";
        assert!(memory.hosts.keys().any(is_new), "what is needed now is news, whatever was named before");
        memory.retain(&Targets::default());
        assert!(memory.issuers.is_empty());
    }
}
