//! How far Kubernetes was told, for report and page.

use jiff::{SignedDuration, Timestamp};

use super::CONDITION;
use crate::model::finding::{Finding, Severity};
use crate::redact::clean::Clean;

/// Until then an API that does not answer is no finding.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    pub why: Clean,
    /// The API server says that the agent's account may not do this: no waiting helps.
    pub is_missing_right: bool,
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

    pub fn failed(&mut self, now: Timestamp, why: &str, is_missing_right: bool) {
        // A clock that was set back must not put the finding off until it has caught up.
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        self.trouble = Some(Trouble { since, why: Clean::clipped(why, 512), is_missing_right });
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
    if !trouble.is_missing_right && now.duration_since(trouble.since) < PATIENCE {
        return None;
    }
    let since = trouble.since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = format!("{what} since {since}: {}", trouble.why);
    let fix = if trouble.is_missing_right {
        format!(
            "{value} in the chart's values gives the agent the missing right: {right}. `signals.{setting}: false` does without"
        )
    } else {
        "pullprobe tries again by itself, and probing goes on; `docs/node-signals.md` says what is needed".to_owned()
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
        delivery.condition.as_mut().unwrap().failed(at(0), "forbidden", true);
        delivery.events.as_mut().unwrap().failed(at(0), "forbidden", true);
        let findings = delivery.findings(at(0));
        let fixes: Vec<&str> = findings.iter().map(|finding| finding.fix.as_str()).collect();
        assert!(fixes[0].contains("rbac.nodeCondition: true") && fixes[0].contains("`patch` on `nodes/status`"));
        assert!(fixes[1].contains("rbac.events: true") && fixes[1].contains("on `events`"), "{fixes:?}");
    }

    #[test]
    fn an_api_that_is_away_is_a_finding_after_a_minute_and_none_when_it_is_back() {
        let mut delivery = Delivery { condition: Some(Channel::default()), events: None };
        delivery.condition.as_mut().unwrap().failed(at(0), "refused", false);
        delivery.condition.as_mut().unwrap().failed(at(59), "refused", false);
        assert_eq!(delivery.findings(at(59)), []);
        let findings = delivery.findings(at(60));
        assert!(findings[0].message.contains("not reported since 2026-11-29T10:00:00Z: refused"), "{findings:?}");
        delivery.condition.as_mut().unwrap().failed(at(-7_200), "the clock was set back", false);
        assert_eq!(delivery.findings(at(-7_140)).len(), 1);
        delivery.condition.as_mut().unwrap().succeeded(at(61));
        assert_eq!(delivery.findings(at(600)), []);
    }
}
