//! How far Kubernetes was told, for report and page.

use jiff::{SignedDuration, Timestamp};

use super::CONDITION;
use crate::model::finding::{Finding, Severity};
use crate::redact::clean::Clean;

/// Until then an API that does not answer is no finding.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// What it takes that the API is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An API server that answers: it is waited for.
    Answer,
    /// The API server says that the agent's account may not do this: no waiting helps.
    Right,
    /// A way to the API, which this process never has.
    Token,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    pub why: Clean,
    pub missing: Missing,
}

/// One kind of signal. Neither: nothing was to be told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    pub last_success: Option<Timestamp>,
    pub trouble: Option<Trouble>,
}

impl Channel {
    pub fn succeeded(&mut self, now: Timestamp) {
        *self = Self { last_success: Some(now), trouble: None };
    }

    pub fn failed(&mut self, now: Timestamp, why: &str, missing: Missing) {
        // A clock that was set back must not put the finding off until it has caught up.
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        self.trouble = Some(Trouble { since, why: Clean::clipped(why, 512), missing });
    }
}

/// `None`: that kind is not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    pub condition: Option<Channel>,
    pub events: Option<Channel>,
}

impl Delivery {
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let condition = self.condition.as_ref().and_then(|channel| {
            let what = format!("the node condition {CONDITION} is not reported");
            finding(channel, now, &what, "`rbac.nodeCondition: true`", "`patch` on `nodes/status`", "node_condition")
        });
        let events = self.events.as_ref().and_then(|channel| {
            let right = "`create` and `patch` on `events`";
            finding(channel, now, "events are not written", "`rbac.events: true`", right, "events")
        });
        condition.into_iter().chain(events).collect()
    }
}

fn finding(channel: &Channel, now: Timestamp, what: &str, value: &str, right: &str, setting: &str) -> Option<Finding> {
    let trouble = channel.trouble.as_ref()?;
    if trouble.missing == Missing::Answer && now.duration_since(trouble.since) < PATIENCE {
        return None;
    }
    let since = trouble.since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = match trouble.missing {
        Missing::Token => format!("{what}, although `signals.{setting}` is on: {}", trouble.why),
        Missing::Answer | Missing::Right => format!("{what} since {since}: {}", trouble.why),
    };
    let fix = match trouble.missing {
        Missing::Answer => {
            "pullprobe tries again by itself, and probing goes on; `docs/node-signals.md` says what is needed"
                .to_owned()
        }
        Missing::Right => format!(
            "{value} in the chart's values gives the agent the missing right: {right}. `signals.{setting}: false` does without"
        ),
        Missing::Token => format!(
            "{value} in the chart's values gives the agent's pod a token with the right: {right}. Outside a pod, \
             `signals.{setting}: false` does without"
        ),
    };
    Some(Finding::new(Severity::Warning, "signals_not_told", message, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        "2026-11-29T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_missing_right_is_a_finding_at_once_and_names_right_and_value() {
        let mut delivery = Delivery { condition: Some(Channel::default()), events: Some(Channel::default()) };
        assert_eq!(delivery.findings(at(0)), []);
        delivery.condition.as_mut().unwrap().failed(at(0), "forbidden", Missing::Right);
        delivery.events.as_mut().unwrap().failed(at(0), "forbidden", Missing::Right);
        let findings = delivery.findings(at(0));
        let fixes: Vec<&str> = findings.iter().map(|finding| finding.fix.as_str()).collect();
        assert!(fixes[0].contains("rbac.nodeCondition: true") && fixes[0].contains("`patch` on `nodes/status`"));
        assert!(fixes[1].contains("rbac.events: true") && fixes[1].contains("on `events`"), "{fixes:?}");
    }

    /// Waiting brings no token, so nobody waits to say so.
    #[test]
    fn without_a_token_it_is_a_finding_at_once_and_the_value_that_brings_one_is_named() {
        let mut delivery = Delivery { condition: Some(Channel::default()), events: Some(Channel::default()) };
        delivery.condition.as_mut().unwrap().failed(at(0), "nothing is mounted", Missing::Token);
        delivery.events.as_mut().unwrap().failed(at(0), "nothing is mounted", Missing::Token);
        let findings = delivery.findings(at(0));
        let told = |index: usize, words: [&str; 4]| {
            let finding: &Finding = &findings[index];
            let text = format!("{} {}", finding.message, finding.fix);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        told(0, ["`signals.node_condition` is on: nothing is mounted", "rbac.nodeCondition: true", "token", "`patch`"]);
        told(1, ["`signals.events` is on: nothing is mounted", "rbac.events: true", "token", "`create`"]);
    }

    #[test]
    fn an_api_that_is_away_is_a_finding_after_a_minute_and_none_when_it_is_back() {
        let mut delivery = Delivery { condition: Some(Channel::default()), events: None };
        delivery.condition.as_mut().unwrap().failed(at(0), "refused", Missing::Answer);
        delivery.condition.as_mut().unwrap().failed(at(59), "refused", Missing::Answer);
        assert_eq!(delivery.findings(at(59)), []);
        let findings = delivery.findings(at(60));
        assert!(findings[0].message.contains("not reported since 2026-11-29T10:00:00Z: refused"), "{findings:?}");
        delivery.condition.as_mut().unwrap().failed(at(-7_200), "the clock was set back", Missing::Answer);
        assert_eq!(delivery.findings(at(-7_140)).len(), 1);
        delivery.condition.as_mut().unwrap().succeeded(at(61));
        assert_eq!(delivery.findings(at(600)), []);
    }
}
