//! The world of one test: servers with their faults, the names that lead to them, and a node's files.
//!
//! Every world has a /16 of loopback to itself, so that its servers have the ports that registries
//! have, its name server has port 53, and tests run side by side.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod docker_registry;
pub mod network;
mod own_root;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullprobe_lab::Lab;
use pullprobe_lab::ca::Authority;
use pullprobe_lab::dns::{self, At, NameServer};
use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::node::{CERTS_D, ConfigVersion, Node};
use pullprobe_lab::proxy::{self, Proxy};
use pullprobe_lab::registry::{self, Registry, Scheme};
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::binary::pullprobe;
use docker_registry::DockerRegistry;

/// What is there before the agent is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Whose semantics; empty = 2.1.
    pub containerd: String,
    /// Empty = linux/amd64.
    pub platform: String,
    /// What the agent may spend of a registry's quota; `None` = its default.
    pub counted_pulls: Option<u32>,
    /// Of single stages, as `tcp = "1s"`; the others are far longer than anything takes on loopback.
    pub timeouts: BTreeMap<String, String>,
    /// Registries of the lab, each under its host's name and the port of its scheme.
    pub registries: Vec<registry::Config>,
    /// Debian's docker-registry.
    pub docker_registries: Vec<docker_registry::Config>,
    /// Names whose address behaves badly below TLS.
    pub listeners: Vec<Dead>,
    /// Faults of the name server; it knows every host above.
    pub dns: Vec<dns::Fault>,
    /// hosts.toml by registry.
    pub hosts: BTreeMap<String, String>,
    /// Any other file of the node.
    pub files: BTreeMap<String, String>,
    /// Symbolic links of the node, by path.
    pub links: BTreeMap<String, String>,
    /// Files that the node has not, though it usually would.
    pub missing: Vec<String>,
    /// Likewise, to be run.
    pub programs: BTreeMap<String, String>,
    /// The section `credentials` of the agent's settings, `${node}` standing for the node's root here.
    pub credential_settings: BTreeMap<String, String>,
    /// kubelet's config.json: what it has for each key.
    pub credentials: BTreeMap<String, Login>,
    /// The program sees the node as its own root, not as a directory.
    pub own_root: bool,
    /// Real servers, addresses and a firewall: only in a network namespace of its own.
    pub network: network::Given,
}

/// An address that fails below TLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    pub host: String,
    /// Where it is not the host's first one.
    pub address: Option<IpAddr>,
    pub behaviour: Behaviour,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// What the registry of [`World::of_one_image`] has.
const IMAGE: &str = "registry.example/demo/app:1.0";

/// Nodes wait up to seconds before their first probe, each for as long as its name says: this one's
/// wait is over at once.
const PROMPT: &str = "worker-71";

/// All of it, running; it ends when dropped.
pub struct World {
    pub node: Node,
    pub lab: Lab,
    given: Given,
    addresses: Addresses,
    registries: Vec<Registry>,
    names: NameServer,
    docker_registries: Vec<DockerRegistry>,
    listeners: Vec<Listener>,
    network: Option<network::Network>,
    /// Last: the others end on it.
    runtime: Runtime,
}

impl World {
    /// `registry.example` with [`IMAGE`] of one platform, which the agent's settings name. `more`: further keys of that
    /// registry, in TOML.
    pub fn of_one_image(more: &str) -> Self {
        let given = format!(
            "[[registries]]
            host = 'registry.example'
            tls = {{}}
            push = [{{repository = 'demo/app', tag = '1.0', content = {{index = {{manifests = [{{platform = 'linux/amd64'}}]}}}}}}]
            {more}"
        );
        let world = Self::start(toml::from_str(&given).unwrap());
        world.settings(&[IMAGE]);
        world
    }

    pub fn start(given: Given) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        given.network.bring_up();
        let (addresses, names) = Addresses::claim(&given.dns);
        let lab = Lab::new().unwrap();
        let mut world = Self {
            node: Node::temporary().unwrap(),
            lab,
            addresses,
            registries: Vec::new(),
            names,
            docker_registries: Vec::new(),
            listeners: Vec::new(),
            network: None,
            given,
            runtime: {
                drop(entered);
                runtime
            },
        };
        for (name, addresses) in &world.given.network.names {
            addresses.iter().for_each(|address| world.names.add(name, *address));
        }
        for config in world.given.registries.clone() {
            world.registry(config);
        }
        world.start_docker_registries();
        world.start_listeners();
        world.network = Some(world.given.network.start(&world.lab));
        world.write_node();
        world
    }

    /// One more registry of the lab.
    pub fn registry(&mut self, mut config: registry::Config) -> &Registry {
        let address = config.address.unwrap_or_else(|| self.address_of(&config.host));
        let https = config.scheme.map_or(config.tls.is_some(), |scheme| scheme == Scheme::Https);
        config.address = Some(address);
        if config.port == 0 {
            config.port = if https { 443 } else { 80 };
        }
        let _entered = self.runtime.enter();
        self.registries.push(self.lab.registry(config).unwrap());
        self.registries.last().unwrap()
    }

    /// The registry of the lab that has this host name.
    pub fn at(&self, host: &str) -> &Registry {
        let has_name =
            |registry: &&Registry| registry.authority().rsplit_once(':').is_some_and(|(name, _)| name == host);
        self.registries.iter().find(has_name).unwrap_or_else(|| panic!("no registry {host}"))
    }

    /// `text` with the digest of what docker-registry was given first in place of `${pushed}`.
    pub fn expand(&self, text: &str) -> String {
        let pushed = self.docker_registries.first().and_then(|registry| registry.pushed.first());
        pushed.map_or_else(|| text.to_owned(), |digest| text.replace("${pushed}", digest))
    }

    /// How many queries the name server got.
    pub fn queries(&self) -> usize {
        self.names.queries().len()
    }

    /// The address of a name of this world; a new name gets one.
    pub fn address_of(&mut self, host: &str) -> IpAddr {
        if let Some(addresses) = self.given.network.names.get(host) {
            return addresses[0];
        }
        let (address, new) = self.addresses.of(host);
        if new {
            self.names.add(host, address);
        }
        address
    }

    /// A proxy that knows every registry of this world, and containerd's environment that names it.
    pub fn proxy(&self, user: &str, password: &str, exempt: &str) -> Proxy {
        self.names.add("proxy.example", Ipv4Addr::LOCALHOST.into());
        let credential = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let names =
            self.registries.iter().map(|registry| (host_of(registry).to_owned(), registry.address().ip().to_string()));
        let config = proxy::Config { credential: Some(credential), hosts: names.collect(), ..proxy::Config::default() };
        let _entered = self.runtime.enter();
        let proxy = Proxy::start(config).unwrap();
        let url = format!("http://{user}:{password}@proxy.example:{}", proxy.address().port());
        let unit = format!("[Service]\nEnvironment=\"HTTPS_PROXY={url}\" \"NO_PROXY={exempt}\"\n");
        self.node
            .write("/usr/lib/systemd/system/containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n")
            .unwrap();
        self.node.write("/etc/systemd/system/containerd.service.d/http-proxy.conf", unit).unwrap();
        proxy
    }

    /// What the registries of the lab counted as pulls.
    pub fn counted_pulls(&self) -> u64 {
        self.registries.iter().map(Registry::counted_pulls).sum()
    }

    /// The program with a verb, told where this node is and how to read it.
    pub fn command(&self, verb: &str) -> Command {
        let mut command =
            if self.given.own_root { own_root::pullprobe(self.node.root()) } else { pullprobe::<&str>([]) };
        command.args([verb, "--config"]).arg(self.node.path("/pullprobe.yaml"));
        if !self.given.own_root {
            command.arg("--host-root").arg(self.node.root());
        }
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        command.arg("--containerd-version").arg(or(&self.given.containerd, "2.1"));
        command.arg("--platform").arg(or(&self.given.platform, "linux/amd64"));
        if let Some(pulls) = self.given.counted_pulls {
            command.arg("--counted-pulls").arg(pulls.to_string());
        }
        command
    }

    /// The agent's settings: these images, and nothing that it would find by itself.
    pub fn settings(&self, images: &[&str]) {
        let timeout = |stage: &str| self.given.timeouts.get(stage).map_or("15s", String::as_str);
        // Without a book of what was spent before, `run` spends nothing for an hour.
        // The program may write to the whole directory that it is in, so that is one of its own.
        std::fs::create_dir_all(self.node.path("/state")).unwrap();
        let book = serde_json::Value::from(self.node.path("/state/counted-pulls").to_string_lossy());
        let image = |image: &&str| serde_json::json!({"image": image, "interval": "5s"}).to_string();
        let root = self.node.root().to_string_lossy();
        let credentials = serde_json::json!(self.given.credential_settings).to_string().replace("${node}", &root);
        let images = images.iter().map(image).collect::<Vec<_>>().join(", ");
        let text = format!(
            "node: {{name: {PROMPT}}}\n\
             targets:\n  images: [{images}]\n  discover: {{certs_d: false, sandbox_image: false}}\n\
             probe:\n  interval: 5s\n  spread_start: false\n  timeouts: {{dns: {}, tcp: {}, tls: {}, http: {}}}\n  counted_pulls_file: {book}\n\
             credentials: {credentials}\n\
             web: {{listen: [\"127.0.0.1:0\"]}}\nmetrics: {{detail: full}}\n",
            timeout("dns"),
            timeout("tcp"),
            timeout("tls"),
            timeout("http"),
        );
        self.node.write("/pullprobe.yaml", text).unwrap();
    }

    fn start_docker_registries(&mut self) {
        for config in self.given.docker_registries.clone() {
            let address = SocketAddr::new(self.address_of(&config.host), 443);
            let registry = self.runtime.block_on(DockerRegistry::start(&config, address, &self.lab));
            self.docker_registries.push(registry);
        }
    }

    fn start_listeners(&mut self) {
        for dead in self.given.listeners.clone() {
            let address = dead.address.unwrap_or_else(|| self.address_of(&dead.host));
            let address = SocketAddr::new(address, 443);
            let listener = self.runtime.block_on(Listener::start_at(dead.behaviour, address));
            self.listeners.push(listener.unwrap());
        }
    }

    /// What resolv.conf lists where nothing else is given.
    fn nameservers(&self) -> Vec<IpAddr> {
        match self.given.network.nameservers.as_slice() {
            [] => vec![self.names.ip()],
            given => given.iter().map(|server| server.at).collect(),
        }
    }

    /// Certificates that the node's files may hold, as `${root}`.
    fn name_certificates(&self) {
        let client = self.lab.authority.client("node").unwrap();
        let other = Authority::new("other").unwrap();
        let texts = [
            ("root", self.lab.authority.root_pem()),
            ("intermediate", self.lab.authority.intermediate_pem()),
            ("expired_root", self.lab.authority.expired_root_pem()),
            ("other_root", other.root_pem()),
            ("client", client.cert_pem() + &client.key_pem()),
            ("other_client", other.client("node").map(|leaf| leaf.cert_pem() + &leaf.key_pem()).unwrap()),
            ("lab_nameserver", self.names.ip().to_string()),
            ("in_two_days", http_date(SystemTime::now() + Duration::from_hours(48))),
        ];
        texts.iter().for_each(|(name, text)| self.lab.peers.set(name, text));
    }

    fn write_node(&self) {
        self.name_certificates();
        let node = &self.node;
        let version = match self.given.containerd.as_bytes() {
            [b'1', ..] => ConfigVersion::V2,
            _ => ConfigVersion::V3,
        };
        node.use_certs_d(version).unwrap();
        std::fs::create_dir_all(node.path(CERTS_D)).unwrap();
        node.hosts_file(&[]).unwrap();
        node.nsswitch("files dns").unwrap();
        node.resolv_conf(&self.nameservers(), "options timeout:1 attempts:1\n").unwrap();
        node.trust(&self.lab.authority.root_pem()).unwrap();
        for (registry, text) in &self.given.hosts {
            node.hosts_toml(registry, text).unwrap();
        }
        for path in self.given.missing.iter().chain(self.given.links.keys()) {
            let path = node.path(path);
            assert!(!path.exists() || std::fs::remove_file(&path).is_ok(), "{}", path.display());
        }
        for (path, text) in &self.given.files {
            node.write(path, self.lab.peers.expand(text)).unwrap();
        }
        for (path, target) in &self.given.links {
            node.link(path, target).unwrap();
        }
        for (path, text) in &self.given.programs {
            node.write(path, text).unwrap();
            std::fs::set_permissions(node.path(path), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let logins = self.given.credentials.iter();
        let logins: Vec<_> =
            logins.map(|(key, login)| (key.as_str(), login.user.as_str(), login.password.as_str())).collect();
        if !logins.is_empty() {
            node.kubelet_credentials(&logins).unwrap();
        }
        self.settings(&[]);
    }
}

/// As a `Date` header says it.
fn http_date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn host_of(registry: &Registry) -> &str {
    registry.authority().rsplit_once(':').map_or("", |(host, _)| host)
}

/// A /16 of loopback: the name server has the address that claims it, every host one of the others.
struct Addresses {
    network: (u8, u8),
    hosts: Vec<String>,
}

impl Addresses {
    fn claim(faults: &[dns::Fault]) -> (Self, NameServer) {
        /// Different in test binaries that run at the same time, and from test to test.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..1000 {
            let number = std::process::id().wrapping_mul(64).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let [.., high, low] = number.to_be_bytes();
            let network = (1 + high % 250, low);
            let address = SocketAddr::new(Ipv4Addr::new(127, network.0, network.1, 253).into(), 53);
            let config = dns::Config { faults: faults.to_vec(), ..dns::Config::default() };
            if let Ok(names) = NameServer::start(config, At::Address(address)) {
                return (Self { network, hosts: Vec::new() }, names);
            }
        }
        panic!("no name server can listen on port 53 of loopback: these tests are run as root");
    }

    /// The address of a host, and whether it is a new one.
    fn of(&mut self, host: &str) -> (IpAddr, bool) {
        let known = self.hosts.iter().position(|known| known == host);
        let place = known.unwrap_or(self.hosts.len());
        if known.is_none() {
            self.hosts.push(host.to_owned());
        }
        let last = u8::try_from(place + 1).unwrap();
        (Ipv4Addr::new(127, self.network.0, self.network.1, last).into(), known.is_none())
    }
}
