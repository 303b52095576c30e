//! What each nameserver said, where a lookup failed or took most of a slow walk.

use super::markup::{Tone, millis};
use crate::cause::Cause;
use crate::model::facts::NameserverFacts;
use crate::model::report::Stages;
use crate::model::stage::Stage;

/// One nameserver: its address and what it said. Both are plain text, which the page escapes.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub tone: Tone,
    pub server: String,
    pub said: String,
}

/// In the order of resolv.conf. Empty where the lookup gives no reason to ask.
pub fn nameservers(stages: &Stages) -> Vec<Line> {
    let is_slow = stages.slow().is_some_and(|(stage, _)| stage == Stage::Dns);
    let facts = stages.dns.facts().filter(|_| is_slow || stages.dns.failure().is_some());
    facts.map(|facts| facts.nameservers.iter().map(line).collect()).unwrap_or_default()
}

fn line(seen: &NameserverFacts) -> Line {
    let failing = failing_types(seen);
    let tone = match seen.cause {
        Some(_) => Tone::Bad,
        None if failing.is_empty() => Tone::Good,
        None => Tone::Doubt,
    };
    Line { tone, server: seen.server.to_string(), said: said(seen, &failing) }
}

/// `SERVFAIL over udp in 4 ms: dns_servfail`, `NOERROR over udp in 4 ms; AAAA: dns_timeout`.
fn said(seen: &NameserverFacts, failing: &[(&str, Cause)]) -> String {
    let answer = seen.rcode.as_deref().unwrap_or("no answer");
    let answered = format!("{answer} over {} in {}", seen.transport.as_str(), millis(seen.duration));
    let first = seen.cause.map_or_else(|| answered.clone(), |cause| format!("{answered}: {}", cause.as_str()));
    let types = failing.iter().map(|(kind, cause)| format!("{kind}: {}", cause.as_str()));
    std::iter::once(first).chain(types).collect::<Vec<_>>().join("; ")
}

/// The record types that fail for a reason of their own. That a name has none of a type is no failure.
fn failing_types(seen: &NameserverFacts) -> Vec<(&'static str, Cause)> {
    [("A", seen.a_cause), ("AAAA", seen.aaaa_cause)]
        .into_iter()
        .filter_map(|(kind, cause)| Some((kind, cause?)))
        .filter(|(_, cause)| *cause != Cause::DnsNoAddress && Some(*cause) != seen.cause)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::model::facts::{DnsFacts, NameSource, Transport};
    use crate::model::outcome::{Failure, Outcome, Step};

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn server(place: u8, rcode: Option<&str>, cause: Option<Cause>, took: Duration) -> NameserverFacts {
        NameserverFacts {
            server: SocketAddr::from(([192, 0, 2, place], 53)),
            transport: Transport::Udp,
            rcode: rcode.map(Into::into),
            a: usize::from(cause.is_none()),
            aaaa: 0,
            addresses: Vec::new(),
            duration: took,
            cause,
            a_cause: cause,
            aaaa_cause: cause,
        }
    }

    fn facts(nameservers: Vec<NameserverFacts>) -> DnsFacts {
        DnsFacts {
            source: NameSource::Dns,
            answered: String::new().into(),
            addresses: Vec::new(),
            reckoned: false,
            nameservers,
        }
    }

    fn stages(failure: Option<Failure>, took: Duration, nameservers: Vec<NameserverFacts>) -> Stages {
        let facts = facts(nameservers);
        let outcome = match failure {
            Some(failure) => Outcome::Failed(failure, Some(facts)),
            None => Outcome::Passed(facts),
        };
        Stages { dns: Step::new(outcome, took), ..Stages::default() }
    }

    fn shown(stages: &Stages) -> Vec<(Tone, String)> {
        nameservers(stages).into_iter().map(|line| (line.tone, format!("{} {}", line.server, line.said))).collect()
    }

    #[test]
    fn a_failed_lookup_shows_each_nameservers_answer_transport_and_time() {
        let over_tcp = NameserverFacts {
            transport: Transport::Tcp,
            ..server(2, Some("REFUSED"), Some(Cause::DnsRefused), 12 * MILLISECOND)
        };
        let servers = vec![
            server(1, Some("SERVFAIL"), Some(Cause::DnsServfail), 4 * MILLISECOND),
            over_tcp,
            server(3, None, Some(Cause::DnsTimeout), 3_000 * MILLISECOND),
        ];
        let failure = Failure::new(Stage::Dns, Cause::DnsServfail, "said");
        let expected = [
            (Tone::Bad, "192.0.2.1:53 SERVFAIL over udp in 4 ms: dns_servfail".to_owned()),
            (Tone::Bad, "192.0.2.2:53 REFUSED over tcp in 12 ms: dns_refused".to_owned()),
            (Tone::Bad, "192.0.2.3:53 no answer over udp in 3.0 s: dns_timeout".to_owned()),
        ];
        assert_eq!(shown(&stages(Some(failure), MILLISECOND, servers)), expected);
    }

    #[test]
    fn a_slow_lookup_shows_which_record_type_is_lost_and_not_which_does_not_exist() {
        let lost = NameserverFacts {
            aaaa_cause: Some(Cause::DnsTimeout),
            ..server(1, Some("NOERROR"), None, 2_000 * MILLISECOND)
        };
        let without = NameserverFacts {
            aaaa_cause: Some(Cause::DnsNoAddress),
            ..server(2, Some("NOERROR"), None, 4 * MILLISECOND)
        };
        let expected = [
            (Tone::Doubt, "192.0.2.1:53 NOERROR over udp in 2.0 s; AAAA: dns_timeout".to_owned()),
            (Tone::Good, "192.0.2.2:53 NOERROR over udp in 4 ms".to_owned()),
        ];
        assert_eq!(shown(&stages(None, 10_000 * MILLISECOND, vec![lost, without])), expected);
    }

    #[test]
    fn a_quick_lookup_shows_none_of_them() {
        let servers = vec![
            server(1, Some("NOERROR"), None, MILLISECOND),
            server(2, None, Some(Cause::DnsTimeout), 3_000 * MILLISECOND),
        ];
        assert_eq!(shown(&stages(None, 4 * MILLISECOND, servers)), []);
        assert_eq!(shown(&Stages::default()), []);
    }
}
