//! Registries, name servers, listeners, proxies and an API server of Kubernetes on loopback whose faults are data.
//!
//! A [`Lab`] holds what its parts share: a throw-away certificate authority and the addresses by
//! which they name each other. Everything binds port 0 (or port 53 of a
//! random loopback address), is described by structs that also deserialise from TOML, and ends
//! when its value is dropped.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use pullprobe_lab::Lab;
//! use pullprobe_lab::registry::{Config, Content, Fault, Kind};
//!
//! let lab = Lab::new()?;
//! let registry = lab.registry(Config::default())?;
//! registry.push("demo/app", "1.0", &Content::platforms(&["linux/amd64", "linux/arm64/v8"]));
//! registry.add_fault(Fault::on(Kind::Manifest).method("HEAD").status(503));
//! println!("{}", registry.endpoint());
//! # Ok(()) }
//! ```
//!
//! It does not judge: what a client ought to conclude from a fault is the business of the tests.

pub mod api_server;
pub mod ca;
pub mod chance;
pub mod demo;
pub mod dns;
pub mod kubernetes;
pub mod listener;
pub mod node;
pub mod proxy;
pub mod registry;
pub mod tls;

mod pattern;
mod socket;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ca::Authority;

/// What the image and the unit set for C's library in the environment of the agent: what it takes is measured as it is
/// released.
pub const RELEASED_WITH: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072:glibc.malloc.tcache_count=20",
);

/// What the parts of one test share.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Issues every certificate of this lab.
    pub authority: Arc<Authority>,
    /// Where the parts are, by name.
    pub peers: Peers,
}

impl Lab {
    /// A lab with a new certificate authority and no parts.
    pub fn new() -> io::Result<Self> {
        let authority = Arc::new(Authority::new("pullprobe lab")?);
        Ok(Self { authority, peers: Peers::default() })
    }

    /// Starts a registry and makes it known to the others under its `name`.
    pub fn registry(&self, config: registry::Config) -> io::Result<registry::Registry> {
        registry::Registry::start(config, self)
    }
}

/// The addresses of the lab's parts: `${name}` in the text of a fault stands for one of them.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Mutex<BTreeMap<String, String>>>);

impl Peers {
    /// Makes `${name}` stand for `value`, usually `scheme://host:port`.
    pub fn set(&self, name: &str, value: &str) {
        self.lock().insert(name.to_owned(), value.to_owned());
    }

    /// `text` with every known `${name}` replaced; unknown ones stay, so that they show in a test.
    pub fn expand(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let known = self.lock();
        known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_expand_known_names_only() {
        let peers = Peers::default();
        peers.set("cdn", "http://127.0.0.1:8080");
        assert_eq!(peers.expand("${cdn}/x ${other}"), "http://127.0.0.1:8080/x ${other}");
    }
}
