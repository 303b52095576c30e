//! The types that several rooms share: hosts, stages, failures, reports. No I/O.

pub mod credential;
pub mod dependency;
pub mod detail;
pub mod expiry;
pub mod facts;
pub mod finding;
pub mod host;
pub mod limit;
pub mod namespace;
pub mod nearest;
pub mod outcome;
pub mod proxy;
pub mod ratelimit;
pub mod reach;
pub mod registry;
pub mod report;
pub mod rewrites;
#[cfg(test)]
pub mod sample;
pub mod space;
pub mod stage;
pub mod tally;
pub mod trust;
pub mod urgency;
pub mod verdict;
