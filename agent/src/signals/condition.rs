//! The condition as it is reported: at once when it changes, and otherwise as a heartbeat.

use jiff::{SignedDuration, Timestamp};

use super::damping::Status;
use super::event::MESSAGE_LIMIT;
use crate::redact::clip::clip_to;

/// As kubelet reports a node's status that did not change.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(5);

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub status: Status,
    pub reason: &'static str,
    pub message: String,
    pub heartbeat: Timestamp,
    /// When the status changed last.
    pub since: Timestamp,
}

#[derive(Debug, Default)]
pub struct Reporting {
    current: Option<Condition>,
    /// The last report that the API took.
    sent: Option<Condition>,
    /// Whether the API was asked what it has.
    has_begun: bool,
    /// What it had before this agent. `None`: no such condition, or it was not asked yet.
    before: Option<(Status, Timestamp)>,
}

impl Reporting {
    /// Whether the API was asked what it has.
    pub const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The API has this from an agent that was here before.
    pub fn begin(&mut self, found: Option<(Status, Timestamp)>) {
        (self.has_begun, self.before) = (true, found);
        if let (Some(current), Some((status, since))) = (&mut self.current, found)
            && current.status == status
        {
            current.since = since;
        }
    }

    pub fn before(&self) -> Option<Status> {
        self.before.map(|(status, _)| status)
    }

    pub fn decide(&mut self, status: Status, reason: &'static str, message: &str, now: Timestamp) {
        let known = self.current.as_ref().map(|current| (current.status, current.since)).or(self.before);
        let since = known.filter(|(before, _)| *before == status).map_or(now, |(_, since)| since);
        let message = clip_to(message, MESSAGE_LIMIT);
        self.current = Some(Condition { status, reason, message, heartbeat: now, since });
    }

    /// What is to be reported now.
    pub fn due(&self, now: Timestamp) -> Option<Condition> {
        let current = self.current.as_ref().filter(|_| self.has_begun())?;
        let is_known = self.sent.as_ref().is_some_and(|sent| {
            let age = now.duration_since(sent.heartbeat);
            // A clock that was set back must not silence the heartbeat.
            let is_fresh = age < HEARTBEAT && age > -HEARTBEAT;
            (sent.status, sent.reason) == (current.status, current.reason) && is_fresh
        });
        (!is_known).then(|| Condition { heartbeat: now, ..current.clone() })
    }

    pub fn sent(&mut self, condition: Condition) {
        self.sent = Some(condition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        "2026-11-29T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    /// Reports what is due; whether something was.
    fn report(reporting: &mut Reporting, now: Timestamp) -> Option<Condition> {
        let due = reporting.due(now);
        due.iter().for_each(|condition| reporting.sent(condition.clone()));
        due
    }

    #[test]
    fn what_does_not_change_is_a_heartbeat_every_five_minutes_without_a_transition() {
        let mut reporting = Reporting::default();
        reporting.begin(None);
        assert_eq!(reporting.due(at(0)), None, "nothing is decided");
        let mut heartbeats = Vec::new();
        for minute in 0..=15 {
            reporting.decide(Status::True, "Good", &format!("at {minute}"), at(minute));
            if let Some(condition) = report(&mut reporting, at(minute)) {
                assert_eq!((condition.since, condition.heartbeat), (at(0), at(minute)));
                heartbeats.push(minute);
            }
        }
        assert_eq!(heartbeats, [0, 5, 10, 15]);
    }

    #[test]
    fn a_change_is_reported_at_once_and_again_until_the_api_takes_it() {
        let mut reporting = Reporting::default();
        reporting.begin(None);
        reporting.decide(Status::True, "Good", "", at(0));
        report(&mut reporting, at(0));
        reporting.decide(Status::False, "Bad", "", at(1));
        assert_eq!(reporting.due(at(1)).unwrap().since, at(1));
        reporting.decide(Status::False, "Bad", "", at(2));
        let due = report(&mut reporting, at(2)).unwrap();
        assert_eq!((due.since, due.heartbeat), (at(1), at(2)), "it was not taken: the transition stays when it was");
        reporting.decide(Status::False, "Worse", "", at(3));
        assert_eq!(report(&mut reporting, at(3)).unwrap().since, at(1), "another reason is no transition");
        assert_eq!(reporting.due(at(4)), None);
        assert!(reporting.due(at(-60)).is_some(), "the clock was set back");
    }

    #[test]
    fn a_new_agent_goes_on_with_the_transition_of_the_last_one() {
        let mut early = Reporting::default();
        early.decide(Status::True, "Good", "", at(10));
        assert_eq!(early.due(at(10)), None, "what the API has is not known");
        early.begin(Some((Status::True, at(0))));
        assert_eq!(early.due(at(10)).unwrap().since, at(0));
        let mut late = Reporting::default();
        late.begin(Some((Status::True, at(0))));
        late.decide(Status::True, "Good", "", at(10));
        assert_eq!(late.due(at(10)).unwrap().since, at(0));
        late.decide(Status::False, "Bad", "", at(11));
        assert_eq!(late.due(at(11)).unwrap().since, at(11));
    }

    #[test]
    fn a_message_has_a_limit() {
        let mut reporting = Reporting::default();
        reporting.begin(None);
        reporting.decide(Status::False, "Bad", &"é".repeat(4_000), at(0));
        assert!(reporting.due(at(0)).unwrap().message.len() <= MESSAGE_LIMIT);
    }
}
