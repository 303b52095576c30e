//! The lab that flaps: a few registries, the servers that hosts.toml may lead to instead, and the node.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use pullprobe_lab::Lab;
use pullprobe_lab::ca::CertKind;
use pullprobe_lab::chance::Chance;
use pullprobe_lab::dns::{self, At, Failure, NameServer};
use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::node::{ConfigVersion, Node};
use pullprobe_lab::registry::{Config, Content, Fault, Registry, Then};
use pullprobe_lab::tls::{HandshakeFault, Tls};

use crate::troubles::{ALL, By, Elsewhere, Silence, Trouble, WELL};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A registry keeps its state for four cycles in the mean.
const ENDS: usize = 25;
/// Of the states that follow, so many in a hundred are well.
const WELL_AGAIN: usize = 40;
/// Of those that are silent, and take time, only one in so many comes about.
const SELDOM: usize = 8;

pub struct World {
    pub node: Node,
    pub registries: Vec<Flapping>,
    elsewhere: BTreeMap<Elsewhere, String>,
    chance: Chance,
    /// The troubles that come.
    meant: Vec<&'static Trouble>,
    names: NameServer,
    _closed: Listener,
    others: Vec<Registry>,
}

/// A registry and what is wrong with it at present.
pub struct Flapping {
    pub name: String,
    registry: Registry,
    pub trouble: &'static Trouble,
    /// When it was last probed.
    pub seen: u64,
    pub image_seen: u64,
}

impl Flapping {
    pub fn image(&self) -> String {
        format!("{}/demo/app:1.0", self.name)
    }

    fn well(&self) -> String {
        self.registry.endpoint().to_owned()
    }
}

fn good() -> Content {
    Content::platforms(&["linux/amd64", "linux/arm64/v8"])
}

impl World {
    /// Within a runtime.
    pub async fn new(seed: u64, registries: usize, only: &str) -> io::Result<Self> {
        let lab = Lab::new()?;
        let failing = dns::Fault::of_name("failing.soak", Failure::Servfail);
        let empty = dns::Fault::of_name("empty.soak", Failure::NoData);
        let names =
            NameServer::start(dns::Config { faults: vec![failing, empty], ..dns::Config::default() }, At::Port53)?;
        let closed = Listener::start(Behaviour::Refuse).await?;
        let node = Node::temporary()?;
        node.use_certs_d(ConfigVersion::V3)?;
        node.nsswitch("files dns")?;
        node.hosts_file(&[])?;
        node.resolv_conf(&[names.ip()], "")?;
        node.trust(&lab.authority.root_pem())?;
        let mut world = Self {
            node,
            registries: Vec::new(),
            elsewhere: [
                (Elsewhere::Closed, format!("http://127.0.0.1:{}", closed.address().port())),
                (Elsewhere::Unknown, "https://unknown.soak".to_owned()),
                (Elsewhere::FailingName, "https://failing.soak".to_owned()),
                (Elsewhere::NoAddress, "https://empty.soak".to_owned()),
            ]
            .into(),
            chance: Chance::new(seed),
            meant: ALL.iter().filter(|trouble| trouble.name.contains(only)).collect(),
            names,
            _closed: closed,
            others: Vec::new(),
        };
        if world.meant.is_empty() {
            return Err(io::Error::other("no trouble has such a name"));
        }
        world.add_others(&lab)?;
        for number in 0..registries {
            let name = format!("r{number}.soak");
            world.names.add(&name, LOOPBACK);
            // Half of them speak TLS.
            let tls = (number % 2 == 0).then(Tls::default);
            let registry = lab.registry(Config { host: name.clone(), tls, ..Config::default() })?;
            registry.push("demo/app", "1.0", &good());
            let flapping = Flapping { name, registry, trouble: &WELL, seen: 0, image_seen: 0 };
            world.node.hosts_toml(&flapping.name, &server(&flapping.well()))?;
            world.registries.push(flapping);
        }
        world.write_settings()?;
        Ok(world)
    }

    fn add_others(&mut self, lab: &Lab) -> io::Result<()> {
        let of = |cert| Tls { cert, ..Tls::default() };
        let does = |fault| Tls { fault: Some(fault), ..Tls::default() };
        for (place, tls) in [
            (Elsewhere::Expired, of(CertKind::Expired)),
            (Elsewhere::OtherAuthority, of(CertKind::UnknownAuthority)),
            (Elsewhere::SelfSigned, of(CertKind::SelfSigned)),
            (Elsewhere::OtherName, of(CertKind::WrongName)),
            (Elsewhere::Alert, does(HandshakeFault::Alert(40))),
            (Elsewhere::NoTls, does(HandshakeFault::Garbage)),
            (Elsewhere::PlainHttp, does(HandshakeFault::PlainHttp)),
        ] {
            let registry = lab.registry(Config { host: "other.soak".into(), tls: Some(tls), ..Config::default() })?;
            self.elsewhere.insert(place, registry.endpoint().to_owned());
            self.others.push(registry);
        }
        let resets = Fault::default().then(Then { reset: true, ..Then::default() });
        let registry = lab.registry(Config { host: "other.soak".into(), faults: vec![resets], ..Config::default() })?;
        self.elsewhere.insert(Elsewhere::Reset, registry.endpoint().to_owned());
        self.others.push(registry);
        self.names.add("other.soak", LOOPBACK);
        Ok(())
    }

    fn write_settings(&self) -> io::Result<()> {
        let image = |one: &Flapping| format!("{{image: '{}', interval: 5s}}", one.image());
        let images: Vec<String> = self.registries.iter().map(image).collect();
        self.node.write(
            "/pullprobe.yaml",
            format!(
                "node: {{name: soak, containerd_version: '2.1', platform: linux/amd64}}\n\
                 targets:\n  images: [{}]\n  discover: {{certs_d: false, sandbox_image: false}}\n\
                 probe: {{interval: 5s}}\nweb: {{listen: ['127.0.0.1:0']}}\n",
                images.join(", ")
            ),
        )
    }

    /// Lets some registries change.
    pub fn flap(&mut self) -> io::Result<()> {
        for at in 0..self.registries.len() {
            if !self.chance.percent(ENDS) {
                continue;
            }
            let is_well = self.chance.percent(WELL_AGAIN);
            let next = self.meant[self.chance.below(self.meant.len())];
            let is_left_out = next.silence != Silence::Nobody && self.chance.below(SELDOM) > 0;
            let next = if is_well || is_left_out { &WELL } else { next };
            self.change(at, next)?;
        }
        Ok(())
    }

    /// The targets that only the passing of time ends.
    pub fn silent(&self) -> Vec<String> {
        let of = |one: &Flapping| match one.trouble.silence {
            Silence::Nobody => vec![],
            Silence::Image => vec![one.image()],
            Silence::All => vec![one.image(), one.name.clone()],
        };
        self.registries.iter().flat_map(of).collect()
    }

    fn change(&mut self, at: usize, next: &'static Trouble) -> io::Result<()> {
        let flapping = &mut self.registries[at];
        let before = flapping.trouble;
        flapping.trouble = next;
        flapping.registry.set_faults(if let By::Rules(rules) = next.by { rules() } else { Vec::new() });
        match (&before.by, &next.by) {
            (_, By::Content(content)) => drop(flapping.registry.push("demo/app", "1.0", &content())),
            (By::Content(_), _) => drop(flapping.registry.push("demo/app", "1.0", &good())),
            _ => {}
        }
        match (&before.by, &next.by) {
            (_, By::Elsewhere(place)) => {
                self.node.hosts_toml(&flapping.name, &server(self.elsewhere.get(place).map_or("", String::as_str)))
            }
            (By::Elsewhere(_), _) => self.node.hosts_toml(&flapping.name, &server(&flapping.well())),
            _ => Ok(()),
        }
    }

    /// The lab forgets what it was asked: it is not what is measured here.
    pub fn forget(&self) {
        self.registries.iter().for_each(|one| one.registry.clear_requests());
        self.others.iter().for_each(Registry::clear_requests);
    }
}

fn server(endpoint: &str) -> String {
    format!("server = \"{endpoint}\"\n")
}
