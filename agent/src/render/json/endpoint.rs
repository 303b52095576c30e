//! One endpoint of the report, a field a stage.

use schemars::JsonSchema;
use serde::Serialize;

use super::history::{Change, History};
use super::{BackingOff, seconds};
use crate::cause::Cause;
use crate::model::facts::{
    CertificateFacts, ChallengeFacts, DnsFacts, NameserverFacts, PingFacts, ProxyFacts, TcpFacts, TlsFacts, TokenFacts,
};
use crate::model::outcome::{Outcome, Step};
use crate::model::report::EndpointReport;
use crate::state::back_off::BackOff;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Endpoint {
    /// The registry's name in image references.
    pub namespace: String,
    /// `scheme://host[:port]`.
    pub endpoint: String,
    /// `mirror` or `upstream`: containerd's configuration names it. `token` or `redirect`: a registry sends pulls there.
    pub role: String,
    /// What pulls need this host for, if other hosts send them there: `token`, `manifest`, `blob`. Empty for the plan's own.
    pub needed_for: Vec<String>,
    /// Every stage passed: up to an authorised request, or up to TLS where other hosts send pulls to it.
    pub ok: bool,
    /// Where it failed.
    pub stage: Option<String>,
    pub cause: Option<String>,
    /// Whose fault it is: `image`, `credentials`, `config`, `node`, `network` or `registry`.
    pub owner: Option<String>,
    pub stages: Stages,
    /// The registry's clock minus the node's. Null: it sent no `Date`.
    pub clock_skew_seconds: Option<f64>,
    /// When this was found out. RFC 3339, UTC.
    pub probed_at: String,
    /// Not probed before this time. Null: probed at its usual interval, or never again (`check`).
    pub next_probe_at: Option<String>,
    /// Null: it is probed at its usual interval.
    pub backing_off: Option<BackingOff>,
    /// Of `run`: since when it fails, whatever the causes. RFC 3339, UTC. Null: it does not fail.
    pub failing_since: Option<String>,
    /// Of `run`: how many times it failed in the last 24 hours, this time included. At least so many where
    /// `history_left_out` is not 0. Null: nobody kept count.
    pub failures_24h: Option<usize>,
    /// Of `run`: the answers of the last 24 hours, newest first; the last one is what was so when they began.
    pub history: Vec<Change>,
    /// How many older changes of the last 24 hours are not kept.
    pub history_left_out: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Stages {
    pub dns: Stage<Dns>,
    pub tcp: Stage<Tcp>,
    pub proxy: Stage<Proxy>,
    pub tls: Stage<Tls>,
    pub ping: Stage<Ping>,
    pub token: Stage<Token>,
}

/// What every stage says, beside its own evidence. A stage that fails early has less evidence.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Stage<F> {
    /// `passed`, `failed` or `skipped`.
    pub status: String,
    /// `not_reached`, `not_needed`, `left_to_proxy`, `over_budget`, `out_of_time`, `not_spoken`, `not_followed` or `own_fault`.
    pub skipped_because: Option<String>,
    pub cause: Option<String>,
    pub detail: Option<String>,
    pub duration_seconds: Option<f64>,
    #[serde(flatten)]
    pub facts: Option<F>,
}

impl<F> Stage<F> {
    fn of<'a, M>(step: &'a Step<M>) -> Self
    where
        F: From<&'a M>,
    {
        let (status, skipped_because, failure) = match &step.outcome {
            Outcome::Passed(_) => ("passed", None, None),
            Outcome::Failed(failure, _) => ("failed", None, Some(failure)),
            Outcome::Skipped(why) => ("skipped", Some(why.as_str().to_owned()), None),
        };
        Self {
            status: status.to_owned(),
            skipped_because,
            cause: failure.map(|failure| failure.cause.as_str().to_owned()),
            detail: failure.map(|failure| failure.detail.clone()).map(Into::into),
            duration_seconds: step.duration.map(seconds),
            facts: step.facts().map(F::from),
        }
    }
}

/// More addresses of a name are counted.
const ADDRESSES: usize = 64;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Dns {
    /// `dns`, `hosts-file` or `literal`.
    pub source: String,
    /// The name that answered (a search suffix may have been added), or `file:line` of a hosts file.
    pub answered: String,
    /// At most 64.
    pub addresses: Vec<String>,
    /// How many more there are.
    pub addresses_left_out: usize,
    /// pullprobe did not wait for the end: the result of the lookup and its duration are calculated from what
    /// each nameserver answers.
    pub reckoned: bool,
    pub nameservers: Vec<Nameserver>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Nameserver {
    pub server: String,
    /// `udp` or `tcp`.
    pub transport: String,
    pub rcode: Option<String>,
    /// How many A and AAAA records.
    pub a: usize,
    pub aaaa: usize,
    /// At most 64.
    pub addresses: Vec<String>,
    pub duration_seconds: f64,
    /// Why this server alone would fail the lookup.
    pub cause: Option<String>,
    /// Why there is no A record: `dns_no_address` where the name has none.
    pub a_cause: Option<String>,
    /// Likewise no AAAA record.
    pub aaaa_cause: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Tcp {
    pub addresses: Vec<Address>,
    /// The address that containerd would use.
    pub chosen: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Address {
    pub address: String,
    pub ok: bool,
    pub cause: Option<String>,
    pub duration_seconds: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Proxy {
    /// Without user information. Null: reached directly.
    pub proxy: Option<String>,
    /// Which rule decided.
    pub rule: String,
    pub connect_status: Option<u16>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Tls {
    pub version: Option<String>,
    pub cipher: Option<String>,
    pub alpn: Option<String>,
    /// Files with trusted roots.
    pub trust: Vec<String>,
    /// Whether the chain verifies, also where `skip_verify` makes containerd not look.
    pub verified: bool,
    /// Why it does not, where `skip_verify` hides it.
    pub ignored: Option<String>,
    pub chain: Vec<Certificate>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// RFC 3339, UTC.
    pub not_before: String,
    pub not_after: String,
    pub names: Vec<String>,
    pub sha256: String,
    /// Whether it carries timestamps of public logs, as what public authorities issue does.
    pub logged: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Ping {
    pub http_status: u16,
    pub challenges: Vec<Challenge>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Challenge {
    pub scheme: String,
    pub realm: Option<String>,
    pub service: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Token {
    /// `host:port` of the token service.
    pub host: String,
    pub anonymous: bool,
    pub expires_in_seconds: Option<u64>,
}

impl From<&EndpointReport> for Endpoint {
    fn from(report: &EndpointReport) -> Self {
        let failure = report.failure();
        let stages = &report.stages;
        Self {
            namespace: report.namespace.clone(),
            endpoint: report.endpoint.to_string(),
            role: report.role.as_str().to_owned(),
            needed_for: (report.need.iter().flat_map(|need| &need.purposes))
                .map(|purpose| purpose.as_str().to_owned())
                .collect(),
            ok: report.ok(),
            stage: failure.map(|failure| failure.stage.as_str().to_owned()),
            cause: failure.map(|failure| failure.cause.as_str().to_owned()),
            owner: failure.map(|failure| failure.cause.owner().as_str().to_owned()),
            stages: Stages {
                dns: Stage::of(&stages.dns),
                tcp: Stage::of(&stages.tcp),
                proxy: Stage::of(&stages.proxy),
                tls: Stage::of(&stages.tls),
                ping: Stage::of(&stages.ping),
                token: Stage::of(&stages.token),
            },
            clock_skew_seconds: report.clock_skew.map(|skew| (skew * 1e3).round() / 1e3),
            probed_at: report.started_at.to_string(),
            next_probe_at: None,
            backing_off: None,
            failing_since: None,
            failures_24h: None,
            history: Vec::new(),
            history_left_out: 0,
        }
    }
}

impl From<&DnsFacts> for Dns {
    fn from(facts: &DnsFacts) -> Self {
        Self {
            source: facts.source.as_str().to_owned(),
            answered: facts.answered.clone().into(),
            addresses: facts.addresses.iter().take(ADDRESSES).map(ToString::to_string).collect(),
            addresses_left_out: facts.addresses.len().saturating_sub(ADDRESSES),
            reckoned: facts.reckoned,
            nameservers: facts.nameservers.iter().map(Nameserver::from).collect(),
        }
    }
}

impl From<&NameserverFacts> for Nameserver {
    fn from(facts: &NameserverFacts) -> Self {
        let name = |cause: Option<Cause>| cause.map(|cause| cause.as_str().to_owned());
        Self {
            server: facts.server.to_string(),
            transport: facts.transport.as_str().to_owned(),
            rcode: facts.rcode.clone().map(Into::into),
            a: facts.a,
            aaaa: facts.aaaa,
            addresses: facts.addresses.iter().take(ADDRESSES).map(ToString::to_string).collect(),
            duration_seconds: seconds(facts.duration),
            cause: name(facts.cause),
            a_cause: name(facts.a_cause),
            aaaa_cause: name(facts.aaaa_cause),
        }
    }
}

impl From<&TcpFacts> for Tcp {
    fn from(facts: &TcpFacts) -> Self {
        let address = |facts: &crate::model::facts::AddressFacts| Address {
            address: facts.address.to_string(),
            ok: facts.cause.is_none(),
            cause: facts.cause.map(|cause| cause.as_str().to_owned()),
            duration_seconds: seconds(facts.duration),
        };
        Self {
            addresses: facts.addresses.iter().map(address).collect(),
            chosen: facts.chosen.map(|chosen| chosen.to_string()),
        }
    }
}

impl From<&ProxyFacts> for Proxy {
    fn from(facts: &ProxyFacts) -> Self {
        Self {
            proxy: facts.proxy.clone().map(Into::into),
            rule: facts.rule.clone().into(),
            connect_status: facts.connect_status,
        }
    }
}

impl From<&TlsFacts> for Tls {
    fn from(facts: &TlsFacts) -> Self {
        Self {
            version: facts.version.clone().map(Into::into),
            cipher: facts.cipher.clone().map(Into::into),
            alpn: facts.alpn.clone().map(Into::into),
            trust: facts.trust.clone().into_iter().map(Into::into).collect(),
            verified: facts.verified,
            ignored: facts.ignored.map(|cause| cause.as_str().to_owned()),
            chain: facts.chain.iter().map(Certificate::from).collect(),
        }
    }
}

impl From<&CertificateFacts> for Certificate {
    fn from(facts: &CertificateFacts) -> Self {
        let time = |second: i64| jiff::Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default();
        Self {
            subject: facts.subject.clone().into(),
            issuer: facts.issuer.clone().into(),
            not_before: time(facts.not_before),
            not_after: time(facts.not_after),
            names: facts.names.clone().into_iter().map(Into::into).collect(),
            sha256: facts.sha256.clone(),
            logged: facts.logged,
        }
    }
}

impl From<&PingFacts> for Ping {
    fn from(facts: &PingFacts) -> Self {
        Self { http_status: facts.http_status, challenges: facts.challenges.iter().map(Challenge::from).collect() }
    }
}

impl From<&ChallengeFacts> for Challenge {
    fn from(facts: &ChallengeFacts) -> Self {
        Self {
            scheme: facts.scheme.clone().into(),
            realm: facts.realm.clone().map(Into::into),
            service: facts.service.clone().map(Into::into),
        }
    }
}

impl From<&TokenFacts> for Token {
    fn from(facts: &TokenFacts) -> Self {
        Self {
            host: facts.host.clone().into(),
            anonymous: facts.anonymous,
            expires_in_seconds: facts.expires_in.map(|d| d.as_secs()),
        }
    }
}

impl Endpoint {
    pub(super) fn put_off(&mut self, back_off: Option<&BackOff>) {
        self.next_probe_at = back_off.map(|back_off| back_off.next_probe_at.to_string());
        self.backing_off = back_off.map(BackingOff::from);
    }

    pub(super) fn remember(&mut self, history: History) {
        let History { failing_since, failures, changes, left_out } = history;
        (self.failing_since, self.failures_24h) = (failing_since, failures);
        (self.history, self.history_left_out) = (changes, left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn of_very_many_addresses_the_first_are_shown_and_the_others_counted() {
        let snapshot = sample::rich();
        let facts = snapshot.endpoints.values().find_map(|report| report.stages.dns.facts()).unwrap();
        let addresses = (0..100).map(|last| std::net::IpAddr::from([192, 0, 2, last]).into()).collect();
        let shown = Dns::from(&DnsFacts { addresses, ..facts.clone() });
        assert_eq!((shown.addresses.len(), shown.addresses_left_out), (ADDRESSES, 36));
        assert_eq!(shown.addresses[ADDRESSES - 1], "192.0.2.63");
    }
}
