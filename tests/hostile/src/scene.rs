//! What an attack is played on: a node, the servers beside it, and what is asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullprobe_lab::ca::Authority;
use pullprobe_lab::node::{ConfigVersion, Node};

use crate::dns::NameServer;
use crate::peer::{Peer, Spec};
use crate::shelf::TAG;

/// Whoever is shown this was given a secret.
pub const SECRET: &str = "hunter2-of-the-node";
const USER: &str = "robot";

/// A registry's name where an address will not do.
pub const NAME: &str = "registry.example";

/// It ends with its value.
pub struct Scene {
    pub node: Node,
    pub authority: Arc<Authority>,
    pub peers: Vec<Peer>,
    pub name_servers: Vec<NameServer>,
    pub targets: Vec<String>,
    /// Further ones of `check`, `lint` and `run`.
    pub arguments: Vec<String>,
    /// Further lines of the settings of `run`.
    pub settings: String,
    /// Further ones of `web`.
    pub web: String,
    pub stdin: Vec<u8>,
    logins: Vec<(String, String)>,
}

impl Scene {
    pub fn new(authority: &Arc<Authority>) -> io::Result<Self> {
        let node = Node::temporary()?;
        node.trust(&authority.root_pem())?;
        Ok(Self {
            node,
            authority: Arc::clone(authority),
            peers: Vec::new(),
            name_servers: Vec::new(),
            targets: Vec::new(),
            arguments: Vec::new(),
            settings: String::new(),
            web: String::new(),
            stdin: Vec::new(),
            logins: Vec::new(),
        })
    }

    /// Adds a registry whose image is asked for.
    pub fn peer(&mut self, spec: Spec) -> io::Result<()> {
        let login = spec.login;
        let peer = Peer::start(spec)?;
        if login {
            self.login(&peer.address.to_string())?;
        }
        self.targets.push(peer.image());
        self.peers.push(peer);
        Ok(())
    }

    /// Gives the node a login for it.
    pub fn login(&mut self, registry: &str) -> io::Result<()> {
        self.logins.push((registry.to_owned(), format!("{USER}:{SECRET}")));
        let auths: Vec<String> = self
            .logins
            .iter()
            .map(|(registry, login)| format!("\"{registry}\":{{\"auth\":\"{}\"}}", STANDARD.encode(login)))
            .collect();
        self.node.kubelet_config(&format!("{{\"auths\":{{{}}}}}", auths.join(",")))
    }

    /// Adds a registry that is called [`NAME`], and its image to the targets. Its port.
    pub fn named(&mut self, spec: Spec) -> io::Result<u16> {
        let scheme = if spec.tls.is_some() { "https" } else { "http" };
        let peer = Peer::start(spec)?;
        let port = peer.address.port();
        self.node.use_certs_d(ConfigVersion::V3)?;
        self.node.hosts_toml(&format!("{NAME}_{port}_"), &format!("server = \"{scheme}://{NAME}:{port}\"\n"))?;
        self.targets.push(format!("{NAME}:{port}/demo/app:{TAG}"));
        self.peers.push(peer);
        Ok(port)
    }

    /// The same, and the hosts file knows where it is.
    pub fn known(&mut self, spec: Spec) -> io::Result<u16> {
        self.node.hosts_file(&[(IpAddr::V4(Ipv4Addr::LOCALHOST), NAME)])?;
        self.named(spec)
    }

    /// What all servers were asked.
    pub fn requests(&self) -> usize {
        let peers: usize = self.peers.iter().map(Peer::requests).sum();
        peers + self.name_servers.iter().map(NameServer::queries).sum::<usize>()
    }

    /// What must not be shown: the secret, and how it is written in a header.
    pub fn secrets() -> [String; 2] {
        [SECRET.to_owned(), STANDARD.encode(format!("{USER}:{SECRET}"))]
    }
}
