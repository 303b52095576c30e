//! The vocabulary of the house: what is pulled, from where, what was seen and what it means. No I/O.

pub mod address;
pub mod back_off;
pub mod build;
pub mod cause;
pub mod containerd;
pub mod credential;
pub mod expiry;
pub mod facts;
pub mod finding;
pub mod host;
pub mod memory;
pub mod namespace;
pub mod nearest;
pub mod need;
pub mod needed;
pub mod observation;
pub mod outcome;
pub mod platform;
pub mod proxy;
pub mod ratelimit;
pub mod reference;
pub mod registry;
pub mod report;
pub mod rewrites;
#[cfg(test)]
pub mod sample;
pub mod shown;
pub mod slow;
pub mod snapshot;
pub mod space;
pub mod stage;
pub mod tally;
pub mod target;
pub mod trust;
pub mod verdict;
pub mod ways;
