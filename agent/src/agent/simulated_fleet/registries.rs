//! The registries of the fleet, and what they answer at which time.

use std::time::Duration;

use super::{FAILS, IS_BACK, second};
use crate::agent::cost::Cost;
use crate::cause::Cause;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;

/// Each has one host and as many targets as any other.
pub struct Registry {
    pub name: &'static str,
    pub what: &'static str,
    pub event: Event,
    /// It counts manifests that are read, and says so.
    pub counts: bool,
}

/// What happens to it for a while.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    None,
    /// 503 without a word on when to come back.
    Away,
    /// 429, and every node is told the same time.
    Limited,
    /// Each answer takes twenty seconds.
    Slow,
    /// Nobody listens.
    Refuses,
}

pub const REGISTRIES: [Registry; 6] = [
    Registry { name: "well.example", what: "always well", event: Event::None, counts: false },
    Registry { name: "counts.example", what: "well, counts pulls", event: Event::None, counts: true },
    Registry { name: "away.example", what: "503, and back", event: Event::Away, counts: false },
    Registry { name: "limited.example", what: "429 until one time for all", event: Event::Limited, counts: false },
    Registry { name: "slow.example", what: "20 s for an answer", event: Event::Slow, counts: false },
    Registry { name: "refuses.example", what: "refuses connections", event: Event::Refuses, counts: false },
];

/// One answer: how long it takes, and what the probe comes to.
pub struct Answer {
    pub takes: Duration,
    pub failure: Option<Failure>,
    pub cost: Cost,
}

impl Registry {
    pub fn answers(&self, usual: Cost) -> Answer {
        let at_once = Duration::from_millis(50);
        let now = second();
        let refused = |cause, cost| {
            let failure = Failure::new(Stage::Ping, cause, "");
            Answer { takes: at_once, failure: Some(failure), cost }
        };
        let one = Cost { requests: 1, tokens: 0, connections: 1 };
        match self.event {
            _ if !(FAILS..IS_BACK).contains(&now) => Answer { takes: at_once, failure: None, cost: usual },
            Event::None => Answer { takes: at_once, failure: None, cost: usual },
            Event::Away => refused(Cause::RegistryError, one),
            Event::Limited => {
                let answer = refused(Cause::Throttled, one);
                let until = Duration::from_secs(IS_BACK - now);
                Answer { failure: answer.failure.map(|failure| failure.again_after(Some(until))), ..answer }
            }
            Event::Slow => Answer { takes: Duration::from_secs(20), failure: None, cost: usual },
            Event::Refuses => refused(Cause::TcpRefused, Cost { requests: 0, tokens: 0, connections: 1 }),
        }
    }
}
