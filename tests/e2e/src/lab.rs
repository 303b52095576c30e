//! The lab around the node: registries, dead addresses and the name server of `lab.toml`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pullprobe_lab::dns::{self, At, NameServer};
use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::registry::{self, Registry, Scheme};
use serde::Deserialize;

use crate::{Result, repository};

/// Where the lab is.
pub const NETWORK: &str = "198.51.100.0/24";
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// Each under its host's name, at the port of its scheme.
    registries: Vec<registry::Config>,
    listeners: Vec<Dead>,
    dns: Vec<dns::Fault>,
    /// hosts.toml by registry.
    hosts: BTreeMap<String, String>,
}

/// A name whose address fails below TLS.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dead {
    host: String,
    behaviour: Behaviour,
}

/// All of it, running; it ends when dropped.
pub struct Lab {
    lab: pullprobe_lab::Lab,
    hosts: BTreeMap<String, String>,
    _registries: Vec<Registry>,
    _listeners: Vec<Listener>,
    _names: NameServer,
}

impl Lab {
    pub async fn start() -> Result<Self> {
        let path = repository("tests/e2e/lab.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let description: Description = toml::from_str(&text)?;
        let lab = pullprobe_lab::Lab::new()?;
        let config = dns::Config { faults: description.dns, ..dns::Config::default() };
        let names = NameServer::start(config, At::Address(SocketAddr::new(NAME_SERVER.into(), 53)))?;
        let mut addresses = (NAME_SERVER.octets()[3] + 1..).map(|last| IpAddr::from([198, 51, 100, last]));
        let mut address_of = |host: &str| -> Result<IpAddr> {
            let address = addresses.next().ok_or("the lab has too many hosts")?;
            names.add(host, address);
            Ok(address)
        };
        let mut registries = Vec::new();
        for mut config in description.registries {
            let https = config.scheme.map_or(config.tls.is_some(), |scheme| scheme == Scheme::Https);
            config.address = Some(address_of(&config.host)?);
            config.port = if https { 443 } else { 80 };
            registries.push(lab.registry(config)?);
        }
        let mut listeners = Vec::new();
        for dead in description.listeners {
            let address = SocketAddr::new(address_of(&dead.host)?, 443);
            listeners.push(Listener::start_at(dead.behaviour, address).await?);
        }
        Ok(Self { lab, hosts: description.hosts, _registries: registries, _listeners: listeners, _names: names })
    }

    /// What the node trusts.
    pub fn root_pem(&self) -> String {
        self.lab.authority.root_pem()
    }

    /// hosts.toml by registry.
    pub fn hosts(&self) -> &BTreeMap<String, String> {
        &self.hosts
    }
}
