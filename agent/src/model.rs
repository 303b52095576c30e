//! The vocabulary of the house: what is pulled, from where, what was seen and what it means. No I/O.

pub mod credential;
pub mod dependency;
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
pub mod verdict;
