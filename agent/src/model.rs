//! The vocabulary of the house: what is pulled, from where, what was seen and what it means. No I/O.

pub mod cause;
pub mod containerd;
pub mod credential;
pub mod facts;
pub mod finding;
pub mod host;
pub mod namespace;
pub mod outcome;
pub mod platform;
pub mod proxy;
pub mod ratelimit;
pub mod reference;
pub mod report;
#[cfg(test)]
pub mod sample;
pub mod snapshot;
pub mod stage;
pub mod tally;
pub mod target;
pub mod trust;
pub mod verdict;
