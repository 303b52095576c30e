//! The scenario's servers, run by the lab inside the namespace on the names and ports that it states.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pullprobe_lab::Lab;
use pullprobe_lab::ca::Authority;
use pullprobe_lab::dns::{At, NameServer};
use pullprobe_lab::listener::Listener;
use pullprobe_lab::proxy::Proxy;
use pullprobe_lab::registry::{Config, Fault, Registry, Request as Received, Stored, timeline};

use super::observation::{Request, mark_downgrades};
use super::scenario::Scenario;
use super::server::{Kind, Server};

/// Where the scenario's name server is, if it has one.
pub const NAME_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));

/// Running servers; they end when dropped.
pub struct Servers {
    /// Issues what the node's system trusts.
    pub public: Lab,
    /// Issues what the node trusts only where `hosts.toml` or the like says so.
    pub private: Lab,
    /// Each with its faults as they are in the beginning.
    registries: Vec<(Registry, Vec<Fault>)>,
    /// What placeholders of the scenario stand for.
    placeholders: Vec<(&'static str, String)>,
    _listeners: Vec<Listener>,
    _name_server: Option<NameServer>,
    _proxy: Option<Proxy>,
}

impl Servers {
    pub async fn start(scenario: &Scenario) -> Self {
        let public = Lab::new().unwrap();
        let authority = Arc::new(Authority::new("private").unwrap());
        let private = Lab { authority, peers: public.peers.clone() };
        let proxy = scenario.proxy.clone().map(|config| Proxy::start(config).unwrap());
        let mut placeholders: Vec<_> = proxy.iter().map(|proxy| ("{proxy}", proxy.url())).collect();
        placeholders.extend(proxy.iter().map(|proxy| ("{proxy_address}", proxy.url().replace("http://", ""))));
        let mut registries = Vec::new();
        let mut listeners = Vec::new();
        for server in &scenario.servers {
            // Faults of one server may name another, whichever starts first.
            public.peers.set(&server.name, &server.endpoint);
            match &server.kind {
                Kind::Listener(behaviour) => {
                    let address = SocketAddr::new(server.address, server.port);
                    listeners.push(Listener::start_at(*behaviour, address).await.unwrap());
                }
                Kind::Registry(config) => {
                    let lab = if server.private { &private } else { &public };
                    let (registry, stored) = start_registry(server, config, lab);
                    if let Some(stored) = stored {
                        let child = stored.manifests.first().map(|child| child.digest.clone());
                        placeholders.push(("{digest}", stored.digest));
                        placeholders.push(("{child}", child.unwrap_or_default()));
                    }
                    registries.push((registry, config.faults.clone()));
                }
            }
        }
        Self {
            public,
            private,
            registries,
            placeholders,
            _listeners: listeners,
            _name_server: name_server(scenario),
            _proxy: proxy,
        }
    }

    /// A text of the scenario with its placeholders filled in; where servers differ, the first one counts.
    pub fn fill_in(&self, text: &str) -> String {
        self.placeholders.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value))
    }

    /// What the unit of the scenario's containerd sets.
    pub fn environment(&self, scenario: &Scenario) -> Vec<(String, String)> {
        scenario.environment.iter().map(|(key, value)| (key.clone(), self.fill_in(value))).collect()
    }

    /// Every request since the last call, in order over all servers.
    pub fn take_requests(&self) -> Vec<Request> {
        let received = self.take_received();
        let requests = received.iter().map(|(endpoint, request)| Request::new(endpoint, request));
        let mut requests: Vec<Request> = requests.collect();
        mark_downgrades(&mut requests);
        requests
    }

    /// The same as they arrived, secrets included, each with the endpoint that it was sent to.
    pub fn take_received(&self) -> Vec<(String, Received)> {
        let all: Vec<&Registry> = self.registries.iter().map(|(registry, _)| registry).collect();
        let received = timeline(&all).into_iter().map(|(endpoint, request)| (endpoint.to_owned(), request)).collect();
        for registry in all {
            registry.clear_requests();
        }
        received
    }

    /// Lets faults that end after some requests begin anew.
    pub fn begin_anew(&self) {
        for (registry, faults) in &self.registries {
            registry.set_faults(faults.clone());
        }
    }
}

/// The registry, and what its first content was stored as.
fn start_registry(server: &Server, config: &Config, lab: &Lab) -> (Registry, Option<Stored>) {
    let mut config = config.clone();
    config.address = Some(server.address);
    let first = config.push.first().cloned();
    let registry = lab.registry(config);
    let registry = registry.unwrap_or_else(|error| panic!("{}: {error}", server.name));
    // Storing the same again changes nothing and tells the digests.
    let stored = first.map(|push| registry.push(&push.repository, &push.tag, &push.content));
    (registry, stored)
}

/// Knows the names of all servers besides what the scenario says of it.
fn name_server(scenario: &Scenario) -> Option<NameServer> {
    let mut config = scenario.dns.clone()?;
    for server in &scenario.servers {
        if let (IpAddr::V4(address), false) = (server.address, config.records.contains_key(&server.host)) {
            config.records.entry(server.host.clone()).or_default().a.push(address);
        }
    }
    Some(NameServer::start(config, At::Address(SocketAddr::new(NAME_SERVER, 53))).unwrap())
}
