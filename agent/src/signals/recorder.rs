//! Which events go to the API and when: the same one again is counted, not written anew, and no trouble of a node floods a cluster.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::event::{Event, Key};

/// What goes on is counted again no sooner.
const REPEAT: SignedDuration = SignedDuration::from_mins(10);
/// So many at once, and one more for each pause: of one node, whatever happens on it.
const BURST: u32 = 25;
const PAUSE: SignedDuration = SignedDuration::from_secs(12);
/// Events that are remembered. The API server itself forgets them after an hour.
const KNOWN: usize = 512;
/// Those of them that wait for the API.
const QUEUED: usize = 256;

#[derive(Debug)]
struct Known {
    event: Event,
    count: u32,
    first: Timestamp,
    last: Timestamp,
    is_queued: bool,
    /// How often the API did not take it, since it is queued.
    failures: usize,
    /// The API has it.
    is_created: bool,
}

/// One event for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub event: Event,
    pub count: u32,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The API has it with a lower count.
    pub is_created: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// The API has it, so many times.
    Taken { count: u32 },
    /// It will not take it: nothing is gained by asking again.
    Refused,
    /// It could not be asked, or failed.
    Later,
}

#[derive(Debug)]
pub struct Recorder {
    known: BTreeMap<Key, Known>,
    queue: VecDeque<Key>,
    /// How many may go out now, and as of when that was counted.
    allowed: u32,
    counted: Timestamp,
}

impl Recorder {
    pub fn new(now: Timestamp) -> Self {
        Self { known: BTreeMap::new(), queue: VecDeque::new(), allowed: BURST, counted: now }
    }

    /// It happens, or goes on.
    pub fn raise(&mut self, event: Event, now: Timestamp) {
        let key = event.key();
        if let Some(known) = self.known.get_mut(&key) {
            known.event.message = event.message;
            let age = now.duration_since(known.last);
            if known.is_queued || (age < REPEAT && age > -REPEAT) {
                return;
            }
            (known.count, known.last) = (known.count.saturating_add(1), now);
            known.is_queued = true;
        } else {
            self.make_room();
            let known =
                Known { event, count: 1, first: now, last: now, is_queued: true, failures: 0, is_created: false };
            self.known.insert(key.clone(), known);
        }
        self.queue.push_back(key);
        if self.queue.len() > QUEUED
            && let Some(oldest) = self.queue.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether any waits to be told.
    #[cfg(test)]
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next one, if one may go out now. It is the next one again until [`Self::done`]. What failed gives way to what did not: the
    /// trouble may be about that one alone.
    pub fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        self.refill(now);
        if self.allowed == 0 {
            return None;
        }
        let queued = self.queue.iter().filter_map(|key| self.known.get(key));
        let known = queued.min_by_key(|known| known.failures)?;
        let Known { event, count, first, last, is_created, .. } = known;
        Some(Outgoing { event: event.clone(), count: *count, first: *first, last: *last, is_created: *is_created })
    }

    pub fn done(&mut self, key: &Key, result: Result) {
        if result == Result::Later {
            self.known.get_mut(key).into_iter().for_each(|known| known.failures += 1);
            return;
        }
        self.allowed = self.allowed.saturating_sub(1);
        self.queue.retain(|queued| queued != key);
        let Some(known) = self.known.get_mut(key) else { return };
        (known.is_queued, known.failures) = (false, 0);
        if let Result::Taken { count } = result {
            (known.count, known.is_created) = (count, true);
        }
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = now.duration_since(self.counted).as_secs();
        if passed < 0 {
            self.counted = now;
        }
        let more = u32::try_from(passed.max(0) / PAUSE.as_secs()).unwrap_or(BURST);
        if more > 0 {
            self.allowed = self.allowed.saturating_add(more).min(BURST);
            self.counted = now;
        }
    }

    /// Forgets the event that was raised longest ago and that the API was told of, where there are too many.
    fn make_room(&mut self) {
        if self.known.len() < KNOWN {
            return;
        }
        let told = self.known.iter().filter(|(_, known)| !known.is_queued);
        let oldest = told.min_by_key(|(_, known)| known.last).map(|(key, _)| key.clone());
        oldest.iter().for_each(|key| drop(self.known.remove(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Object, Severity};

    fn at(seconds: i64) -> Timestamp {
        "2026-11-29T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    fn event(what: &str) -> Event {
        Event::new(Object::Node, Severity::Warning, "RegistryUnreachable", what, what)
    }

    /// Tells what may go out now, as an API that takes it all.
    fn tell(recorder: &mut Recorder, now: Timestamp) -> Vec<Outgoing> {
        let mut told = Vec::new();
        while let Some(next) = recorder.next(now) {
            recorder.done(&next.event.key(), Result::Taken { count: next.count });
            told.push(next);
        }
        told
    }

    #[test]
    fn what_goes_on_is_counted_every_ten_minutes_and_written_once() {
        let mut recorder = Recorder::new(at(0));
        let mut told = Vec::new();
        for minute in 0..=30 {
            recorder.raise(event("a"), at(minute * 60));
            told.extend(tell(&mut recorder, at(minute * 60)));
        }
        let counts: Vec<(u32, bool)> = told.iter().map(|it| (it.count, it.is_created)).collect();
        assert_eq!(counts, [(1, false), (2, true), (3, true), (4, true)]);
        assert!(told.iter().all(|it| it.first == at(0)) && told[3].last == at(1_800));
    }

    #[test]
    fn no_node_writes_more_than_its_share() {
        let mut recorder = Recorder::new(at(0));
        for number in 0..100 {
            recorder.raise(event(&number.to_string()), at(0));
        }
        assert_eq!(tell(&mut recorder, at(0)).len(), 25);
        assert_eq!(tell(&mut recorder, at(11)).len(), 0);
        assert_eq!(tell(&mut recorder, at(60)).len(), 5);
        assert!(recorder.is_waiting());
        assert_eq!(tell(&mut recorder, at(86_400)).len(), 25, "no longer pause saves more than one burst");
    }

    #[test]
    fn what_the_api_could_not_be_asked_waits_and_what_it_refused_does_not() {
        let mut recorder = Recorder::new(at(0));
        recorder.raise(event("a"), at(0));
        for _ in 0..40 {
            let next = recorder.next(at(0)).unwrap();
            recorder.done(&next.event.key(), Result::Later);
        }
        recorder.raise(event("a"), at(700));
        assert_eq!(recorder.next(at(700)).unwrap().count, 1, "it has not been told yet");
        recorder.done(&event("a").key(), Result::Refused);
        assert!(!recorder.is_waiting());
        recorder.raise(event("a"), at(701));
        assert_eq!(recorder.next(at(701)).map(|next| (next.count, next.is_created)), Some((2, false)));
    }

    /// As where a webhook for one namespace is down, and the API server takes nothing without it.
    #[test]
    fn what_fails_again_and_again_holds_nothing_else_up() {
        let mut recorder = Recorder::new(at(0));
        let mut told = Vec::new();
        for second in 0..60 {
            match second {
                0 => ["a", "bad", "b", "worse", "c"].map(|what| recorder.raise(event(what), at(0))).len(),
                40 => ["d"].map(|what| recorder.raise(event(what), at(40))).len(),
                _ => 0,
            };
            let next = recorder.next(at(second)).unwrap().event;
            let is_taken = !["bad", "worse"].contains(&next.what.as_str());
            recorder.done(&next.key(), if is_taken { Result::Taken { count: 1 } } else { Result::Later });
            told.push(next.what);
        }
        assert_eq!(told[..7], ["a", "bad", "b", "worse", "c", "bad", "worse"], "each in its turn");
        assert_eq!(told[40], "d", "what is new is tried at once");
        recorder.done(&event("bad").key(), Result::Taken { count: 1 });
        recorder.done(&event("worse").key(), Result::Taken { count: 1 });
        assert!(!recorder.is_waiting());
    }

    #[test]
    fn a_count_of_an_earlier_agent_goes_on() {
        let mut recorder = Recorder::new(at(0));
        recorder.raise(event("a"), at(0));
        recorder.done(&event("a").key(), Result::Taken { count: 7 });
        recorder.raise(event("a"), at(600));
        assert_eq!(recorder.next(at(600)).map(|next| (next.count, next.is_created)), Some((8, true)));
    }

    #[test]
    fn memory_is_bounded_while_the_api_is_away_and_while_it_is_not() {
        let mut recorder = Recorder::new(at(0));
        for number in 0..2_000 {
            recorder.raise(event(&number.to_string()), at(0));
        }
        assert_eq!((recorder.queue.len(), recorder.known.len()), (QUEUED, QUEUED));
        assert_eq!(recorder.next(at(0)).unwrap().event.what, "1744", "the newest are kept");
        for number in 0..5_000 {
            let now = at(number * 60);
            recorder.raise(event(&format!("x{number}")), now);
            tell(&mut recorder, now);
        }
        assert!(recorder.known.len() <= KNOWN, "{}", recorder.known.len());
    }
}
