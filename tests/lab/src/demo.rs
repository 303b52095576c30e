//! A small world to try the agent in: registries that work, registries that do not, and a node's
//! files that lead to them.
//!
//! Everything is real traffic on loopback; the demo says nothing about what the agent should find.

mod cluster;
mod files;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::Lab;
use crate::api_server::ApiServer;
use crate::ca::CertKind;
use crate::dns::{self, At, NameServer};
use crate::listener::{Behaviour, Listener};
use crate::registry::{Auth, Basic, Bearer, Config, Content, RateLimit, Registry};
use crate::tls::Tls;

/// Platforms of images that nearly every machine can run.
const COMMON: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];

/// The images that the demo's settings ask for.
pub const IMAGES: [&str; 8] = [
    "registry.demo/app:1.0",
    "registry.demo/app:no-such-tag",
    "registry.demo/s390x-only:1.0",
    "mirrored.demo/app:1.0",
    "limited.demo/app:1.0",
    "private.demo/app:1.0",
    "basic.demo/app:1.0",
    "dead.demo/app:1.0",
];

/// A running demo; everything in it ends when it is dropped, the files stay.
#[derive(Debug)]
pub struct Demo {
    lab: Lab,
    /// `None` = port 53 could not be had, and the node's hosts file has the names.
    names: Option<NameServer>,
    /// Healthy, three repositories.
    registry: Registry,
    /// Mirror of `mirrored.demo`, its certificate has expired.
    mirror: Registry,
    /// Where `mirrored.demo` falls back to.
    upstream: Registry,
    /// Three pulls of a hundred are left.
    limited: Registry,
    /// Tokens, and none for the anonymous.
    private: Registry,
    /// User name and password.
    basic: Registry,
    /// Nobody listens there.
    dead: Listener,
    /// With a pod that waits for an image of `private`.
    cluster: Option<ApiServer>,
}

impl Demo {
    /// Starts everything, then writes `DIR/node` and `DIR/pullprobe.yaml`.
    pub async fn start(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let lab = Lab::new()?;
        let mut demo = Self {
            names: name_server()?,
            registry: healthy(&lab)?,
            mirror: lab.registry(host("mirror.demo", CertKind::Expired))?,
            upstream: lab.registry(host("upstream.demo", CertKind::Good))?,
            limited: limited(&lab)?,
            private: private(&lab)?,
            basic: basic(&lab)?,
            dead: Listener::start(Behaviour::Refuse).await?,
            cluster: None,
            lab,
        };
        for registry in demo.registries() {
            registry.push("app", "1.0", &Content::platforms(&COMMON));
        }
        if let Some(names) = &demo.names {
            for name in demo.host_names() {
                names.add(name, loopback());
            }
        }
        files::write(&demo, &dir)?;
        demo.cluster = Some(cluster::start(&dir)?);
        Ok(demo)
    }

    /// The name server's address, if there is one.
    pub fn name_server(&self) -> Option<IpAddr> {
        self.names.as_ref().map(NameServer::ip)
    }

    fn registries(&self) -> [&Registry; 6] {
        [&self.registry, &self.mirror, &self.upstream, &self.limited, &self.private, &self.basic]
    }

    /// The names of everything, without ports.
    fn host_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .registries()
            .iter()
            .filter_map(|registry| registry.authority().rsplit_once(':'))
            .map(|(name, _)| name)
            .collect();
        names.push("dead.demo");
        names
    }
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// `None` where the system keeps port 53 to the administrator.
fn name_server() -> io::Result<Option<NameServer>> {
    match NameServer::start(dns::Config::default(), At::Port53) {
        Ok(server) => Ok(Some(server)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

fn host(name: &str, cert: CertKind) -> Config {
    Config { host: name.to_owned(), tls: Some(Tls { cert, ..Tls::default() }), ..Config::default() }
}

fn healthy(lab: &Lab) -> io::Result<Registry> {
    let registry = lab.registry(host("registry.demo", CertKind::Good))?;
    registry.push("pause", "1.0", &Content::platforms(&COMMON));
    registry.push("s390x-only", "1.0", &Content::platforms(&["linux/s390x"]));
    Ok(registry)
}

fn limited(lab: &Lab) -> io::Result<Registry> {
    let rate_limit = RateLimit { remaining: 3, ..RateLimit::default() };
    lab.registry(Config { rate_limit: Some(rate_limit), ..host("limited.demo", CertKind::Good) })
}

fn private(lab: &Lab) -> io::Result<Registry> {
    let bearer = Bearer {
        service: "private.demo".to_owned(),
        users: users(),
        private: vec!["*".to_owned()],
        ..Bearer::default()
    };
    lab.registry(Config { auth: Auth::Bearer(bearer), ..host("private.demo", CertKind::Good) })
}

fn basic(lab: &Lab) -> io::Result<Registry> {
    let basic = Basic { realm: "basic.demo".to_owned(), users: users(), ..Basic::default() };
    lab.registry(Config { auth: Auth::Basic(basic), ..host("basic.demo", CertKind::Good) })
}

/// The one user; a reader may add the credential to the node's `config.json` and watch.
fn users() -> std::collections::BTreeMap<String, String> {
    [("demo".to_owned(), "demo".to_owned())].into()
}
