//! A registry of the distribution API (`/v2/`) on loopback, plain or TLS, whose content,
//! authentication, limits and faults are data, and which records every request.

mod alter;
mod auth;
mod body;
mod fault;
mod image;
mod layer;
mod limit;
mod record;
mod reply;
mod route;
mod serve;
mod store;
mod token;
mod words;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

pub use auth::{Auth, Basic, Bearer, Refusal, TokenField};
pub use fault::{DigestHeader, Fault, Then, When};
pub use image::{Content, Entry, Image, ImageConfig, Index, Platform, Schema1, Types};
pub use limit::{Announce, RateLimit, RetryAfter};
pub use record::{Authorization, Request};
pub use route::Kind;
pub use store::{Stored, sha256};
pub use words::Words;

use crate::socket::{self, Task, lock};
use crate::tls::Tls;
use crate::{Lab, Peers};
use fault::Faults;
use limit::Meter;
use record::Log;
use store::Store;

/// Everything that makes one registry; the default is a plain, open, healthy, empty one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By which other parts name it: `${name}` is its endpoint. Empty = not named.
    pub name: String,
    /// The host name in its endpoint; empty = its address.
    pub host: String,
    /// Where it listens; `None` = 127.0.0.1.
    pub address: Option<IpAddr>,
    /// 0 = any free port.
    pub port: u16,
    /// `None` = plain HTTP.
    pub tls: Option<Tls>,
    /// The scheme in its endpoint where it differs from what it speaks: plain HTTP under `https`
    /// and TLS under `http` are faults too.
    pub scheme: Option<Scheme>,
    /// Where `/v2/` lives below the root, as `/path/to`; all else is 404. Empty = at the root.
    pub prefix: String,
    /// Where its token service is; empty = `/token`.
    pub token_path: String,
    /// Paths below which everything is served once more, as `/downloads`: a redirect may lead there.
    pub aliases: Vec<String>,
    /// Whom it lets pull.
    pub auth: Auth,
    /// `None` = it counts nothing.
    pub rate_limit: Option<RateLimit>,
    /// Rules; the first that applies to a request decides.
    pub faults: Vec<Fault>,
    /// What it holds from the start.
    pub push: Vec<Push>,
}

/// The scheme of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// Content under a repository and tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// As `library/nginx`.
    pub repository: String,
    /// Empty = by digest only.
    #[serde(default)]
    pub tag: String,
    /// What is stored.
    pub content: Content,
}

/// A running registry; it ends when dropped.
#[derive(Debug)]
pub struct Registry {
    shared: Arc<Shared>,
    address: SocketAddr,
    _task: Task,
}

/// What the connections of one registry share.
#[derive(Debug)]
pub(crate) struct Shared {
    config: Config,
    endpoint: String,
    peers: Peers,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    meter: Option<Mutex<Meter>>,
    log: Log,
    connections: AtomicUsize,
    handshakes: AtomicUsize,
}

impl Registry {
    /// Starts to listen; certificates and the addresses of other parts come from `lab`.
    ///
    /// Must be called within a tokio runtime.
    pub fn start(config: Config, lab: &Lab) -> io::Result<Self> {
        let ip = config.address.unwrap_or(socket::loopback().ip());
        let listener = socket::listen(SocketAddr::new(ip, config.port))?;
        let address = listener.local_addr()?;
        let host = if config.host.is_empty() { ip_host(ip) } else { config.host.clone() };
        let tls = match &config.tls {
            None => None,
            Some(tls) => {
                let literal = ip.to_string();
                let host_name = if config.host.is_empty() { &literal } else { &config.host };
                let names = [host_name.as_str(), literal.as_str(), "localhost"];
                Some(tls.server_config(&lab.authority, &names)?)
            }
        };
        let https = config.scheme.map_or(tls.is_some(), |scheme| scheme == Scheme::Https);
        let endpoint = format!("{}://{host}:{}", if https { "https" } else { "http" }, address.port());
        if !config.name.is_empty() {
            lab.peers.set(&config.name, &endpoint);
        }
        let shared = Arc::new(Shared::new(config, endpoint, lab.peers.clone()));
        let task = Task::spawn(serve::run(listener, tls, Arc::clone(&shared)));
        Ok(Self { shared, address, _task: task })
    }

    /// `scheme://host:port` as a client is to be told it.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// `host:port` of the endpoint: the registry's part of an image reference.
    pub fn authority(&self) -> &str {
        self.shared.endpoint.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stores `content` and, unless `tag` is empty, lets `tag` point to it.
    pub fn push(&self, repository: &str, tag: &str, content: &Content) -> Stored {
        lock(&self.shared.store).push(repository, tag, content)
    }

    /// The bytes of a manifest or blob, as the registry serves them.
    pub fn content(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let store = lock(&self.shared.store);
        let manifest = store.manifest(repository, digest).map(|manifest| &manifest.body);
        manifest.or_else(|| store.blob(repository, digest)).map(|body| body.to_vec())
    }

    /// Forgets the manifest or blob of this digest in every repository.
    pub fn forget(&self, digest: &str) {
        lock(&self.shared.store).forget(digest);
    }

    /// Adds a rule after the others.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.shared.faults).add(fault);
    }

    /// Replaces all rules; counting starts anew.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        *lock(&self.shared.faults) = Faults::new(faults);
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// How many requests the registry counted as a pull; without a limit it counts nothing.
    pub fn counted_pulls(&self) -> u64 {
        self.shared.meter.as_ref().map_or(0, |meter| lock(meter).counted())
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// TLS handshakes finished so far.
    pub fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::Relaxed)
    }
}

/// The requests of several registries in the order in which they arrived, each with the endpoint
/// that received it.
pub fn timeline<'a>(registries: &[&'a Registry]) -> Vec<(&'a str, Request)> {
    let mut all: Vec<_> = registries
        .iter()
        .flat_map(|registry| registry.requests().into_iter().map(|request| (registry.endpoint(), request)))
        .collect();
    all.sort_by_key(|(_, request)| request.sequence);
    all
}

impl Shared {
    fn new(config: Config, endpoint: String, peers: Peers) -> Self {
        let mut store = Store::default();
        for push in &config.push {
            store.push(&push.repository, &push.tag, &push.content);
        }
        Self {
            faults: Mutex::new(Faults::new(config.faults.clone())),
            meter: config.rate_limit.clone().map(|limit| Mutex::new(Meter::new(limit))),
            store: Mutex::new(store),
            log: Log::default(),
            connections: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            config,
            endpoint,
            peers,
        }
    }
}

fn ip_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
