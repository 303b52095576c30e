//! What all measurements share: names, an authority, a node's files, and the resolv.conf that the
//! compared programs read.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use pullprobe_lab::Lab;
use pullprobe_lab::ca::CertKind;
use pullprobe_lab::dns::{self, At, NameServer};
use pullprobe_lab::node::Node;
use pullprobe_lab::registry::{Config, Content, Registry};
use pullprobe_lab::tls::Tls;
use tempfile::TempDir;

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Debian's package ca-certificates.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

pub struct World {
    pub lab: Lab,
    pub names: NameServer,
    pub node: Node,
    directory: TempDir,
}

impl World {
    pub fn new() -> io::Result<Self> {
        let world = Self {
            lab: Lab::new()?,
            names: NameServer::start(dns::Config::default(), At::Port53)?,
            node: Node::temporary()?,
            directory: tempfile::tempdir()?,
        };
        world.node.nsswitch("files dns")?;
        world.node.hosts_file(&[])?;
        // As on a node: the bundle of the distribution, and the root of the registries at hand.
        let bundle = std::fs::read_to_string(BUNDLE)?;
        world.node.trust(&format!("{bundle}\n{}", world.lab.authority.root_pem()))?;
        world.node.resolv_conf(&[world.names.ip()], "")?;
        Self::use_resolver(&world.node.path("/etc/resolv.conf"))?;
        Ok(world)
    }

    /// A TLS registry under a name that the name server knows, with one image for many platforms.
    pub fn registry(&self, config: Config) -> io::Result<Registry> {
        self.names.add(&config.host, LOOPBACK);
        let tls = Some(Tls { cert: CertKind::Good, ..Tls::default() });
        let registry = self.lab.registry(Config { tls, ..config })?;
        for tag in ["1.0", "latest"] {
            registry.push("app", tag, &Content::platforms(&["linux/amd64", "linux/arm64/v8"]));
        }
        Ok(registry)
    }

    /// A file that lives as long as the world.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text)?;
        Ok(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn log(&self, name: &str) -> io::Result<std::fs::File> {
        std::fs::File::create(self.path(name))
    }

    /// In this mount namespace only: the programs that are compared know no other way to be told.
    fn use_resolver(file: &Path) -> io::Result<()> {
        let target = std::fs::canonicalize("/etc/resolv.conf")?;
        let status = Command::new("mount").arg("--bind").args([file, &target]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("resolv.conf could not be put in place")) }
    }
}

/// A port of loopback that is free now.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind((LOOPBACK, 0))?.local_addr()?.port())
}
