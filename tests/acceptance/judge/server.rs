//! One server of a scenario: where it is, and the lab's own description of how it behaves.

use std::net::{IpAddr, Ipv4Addr};

use pullprobe_lab::listener::Behaviour;
use pullprobe_lab::registry::{Config, Scheme};
use serde::Deserialize;
use serde::de::Error as _;
use url::Url;

use super::observation::canonical;

/// A server as the lab runs it, with what the lab leaves to the network around it.
#[derive(Clone, Debug)]
pub struct Server {
    /// By which the faults of other servers name it: `${name}`.
    pub name: String,
    /// `scheme://host[:port]`, as the node's files and images name it.
    pub endpoint: String,
    pub host: String,
    pub address: IpAddr,
    pub port: u16,
    /// Its certificates come from an authority that the node's system does not trust.
    pub private: bool,
    pub kind: Kind,
}

/// What is at a server's address.
#[derive(Clone, Debug)]
pub enum Kind {
    Registry(Box<Config>),
    /// No registry but a fault of the transport.
    Listener(Behaviour),
}

/// The keys of a server's table that are the judge's; all others are the lab's.
#[derive(Deserialize)]
struct Own {
    at: String,
    /// What connections meet there in place of a registry.
    behaviour: Option<Behaviour>,
    #[serde(default)]
    private: bool,
    /// What it speaks where that is not what its scheme says.
    speaks: Option<Scheme>,
}

const OWN_KEYS: [&str; 4] = ["at", "behaviour", "private", "speaks"];
/// What a registry holds that does not say otherwise: the image that scenarios ask for.
const USUAL_CONTENT: &str = "
[[push]]
repository = 'team/app'
tag = '1'
content = {index = {manifests = [{platform = 'linux/amd64'}, {platform = 'linux/arm64'}]}}
";

impl Server {
    /// Whether its host is a name that someone must resolve.
    pub fn has_name(&self) -> bool {
        literal(&self.host).is_none() && self.host != "localhost"
    }

    /// The server of this `name`; `number` gives it an address that no other has.
    pub fn from_table(name: &str, number: u8, table: &toml::Table) -> Result<Self, toml::de::Error> {
        let (own, lab): (toml::Table, toml::Table) =
            table.clone().into_iter().partition(|(key, _)| OWN_KEYS.contains(&key.as_str()));
        let own: Own = own.try_into()?;
        let at = Url::parse(&own.at).map_err(|error| toml::de::Error::custom(format!("at: {error}")))?;
        let host = at.host_str().unwrap_or_default().to_owned();
        let mut address = address(&host, number);
        let kind = if let Some(behaviour) = own.behaviour {
            Kind::Listener(behaviour)
        } else {
            let config = lab_config(&at, own.speaks, lab)?;
            // A scenario may put a name on another address, say a loopback one.
            address = config.address.unwrap_or(address);
            Kind::Registry(Box::new(config))
        };
        let port = at.port_or_known_default().unwrap_or_default();
        let endpoint = canonical(at.as_str().trim_end_matches('/'));
        let (name, private) = (name.to_owned(), own.private);
        Ok(Self { name, endpoint, host, address, port, private, kind })
    }
}

/// A documentation address of its own, unless the name says another.
fn address(host: &str, number: u8) -> IpAddr {
    match literal(host) {
        Some(address) => address,
        None if host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        None => Ipv4Addr::new(192, 0, 2, number).into(),
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn lab_config(at: &Url, speaks: Option<Scheme>, mut table: toml::Table) -> Result<Config, toml::de::Error> {
    let scheme = if at.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    if speaks.unwrap_or(scheme) == Scheme::Https && !table.contains_key("tls") {
        table.insert("tls".to_owned(), toml::Table::new().into());
    }
    if !table.contains_key("push") {
        let usual: toml::Table = toml::from_str(USUAL_CONTENT)?;
        table.extend(usual);
    }
    let mut config: Config = table.try_into()?;
    at.host_str().unwrap_or_default().clone_into(&mut config.host);
    config.port = at.port_or_known_default().unwrap_or_default();
    config.scheme = Some(scheme);
    Ok(config)
}
