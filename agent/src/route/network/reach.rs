//! Where a registry may send the agent. A redirect or a realm may name the node itself, its cloud's metadata service
//! or the agent's own port. containerd goes there when somebody pulls. The agent, which probes on a schedule, does not,
//! unless the registry itself is there or the settings allow it.
//!
//! The addresses decide, after the lookup and before the connection. So a name that changes its address between two
//! lookups cannot get around the rule.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use go::address::Address;

use super::{Destination, Network, Route};
use crate::cause::Cause;
use crate::model::host::{Endpoint, RegistryHost};
use crate::model::outcome::{Failure, Mark};
use crate::model::reach::{NodeAddress, place};
use crate::model::stage::Stage;

const FIX: &str = "Pull it once on the node to know, or ask with `pullprobe check`, which follows as containerd does. If this \
                   registry may send the agent there, set `probe.follow_private: true`.";

/// Where the agent follows redirects and realms. The default is everywhere, as with containerd.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// `None`: everywhere. Else not to such places; and which ports are the agent's own.
    guarded: Option<Vec<u16>>,
}

impl Reach {
    pub const fn guarded(own_ports: Vec<u16>) -> Self {
        Self { guarded: Some(own_ports) }
    }

    fn place(&self, address: IpAddr, port: u16) -> Option<NodeAddress> {
        let own_ports = self.guarded.as_deref()?;
        if own_ports.contains(&port) && is_own(address, port) {
            return Some(NodeAddress::Agent);
        }
        place(address)
    }
}

impl Network {
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The way to where a host of the plan sends.
    pub async fn led(&self, by: &RegistryHost, endpoint: &Endpoint, http_fallback: bool) -> Arc<Route> {
        // Where nobody is barred the way is the same for all.
        let led_by = Some(by).filter(|by| self.reach.guarded.is_some() && !by.endpoint.same_place(endpoint));
        self.route(&Destination { endpoint: endpoint.clone(), http_fallback, led_by, ..Destination::of(by) }).await
    }

    /// Why none of these addresses is connected to. `None`: they may be.
    pub(super) async fn kept_back(&self, to: &Destination<'_>, addresses: &[Address], port: u16) -> Option<Failure> {
        let led_by = to.led_by?;
        let (address, barred) =
            addresses.iter().find_map(|address| Some((address, self.reach.place(address.ip, port)?)))?;
        if self.whereabouts(led_by).await.and_then(place) == Some(barred) {
            return None;
        }
        let at = address.with_port(port);
        let detail = format!(
            "{} sends to {}, which is at {at}: that is {}, where the agent does not connect on its schedule",
            led_by.endpoint,
            to.endpoint,
            barred.as_str()
        );
        let failure = Failure::new(Stage::Tcp, Cause::RedirectInvalid, detail).at(to.endpoint.host_port());
        Some(Failure { inconclusive: true, ..failure.fixed_by(FIX).marked(Mark::KeptBack) })
    }

    /// The same for an address in place of a name: the agent must not reach it through a proxy either.
    pub(super) async fn literal_kept_back(&self, to: &Destination<'_>, endpoint: &Endpoint) -> Option<Failure> {
        let address: IpAddr = endpoint.host().parse().ok()?;
        self.kept_back(to, &[address.into()], endpoint.port()).await
    }

    /// The address at which a planned host was connected. `None`: it was not connected directly.
    fn whereabouts<'a>(&'a self, host: &'a RegistryHost) -> BoxFuture<'a, Option<IpAddr>> {
        async move {
            let route = self.route(&Destination::of(host)).await;
            Some(route.tcp.facts()?.chosen?.ip())
        }
        .boxed()
    }
}

/// Whether a failure is that the agent did not go where it was sent.
pub fn is_kept_back(failure: &Failure) -> bool {
    failure.is_marked(Mark::KeptBack)
}

/// Whether a connection to an address ends at this machine: the kernel then takes the same one to come from.
fn is_own(address: IpAddr, port: u16) -> bool {
    let any: IpAddr = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, port))?;
        socket.local_addr()
    });
    place(address) == Some(NodeAddress::Loopback) || from.is_ok_and(|from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::net::TcpListener;

    use super::*;
    use crate::environment::ProxyRules;
    use crate::host::resolv::Names;
    use crate::host::root::HostRoot;
    use crate::model::host::{PemFile, Scheme};
    use crate::model::outcome::{Outcome, Skip};
    use crate::model::sample::host;
    use crate::redact::secret::Secret;
    use crate::route::network::Timeouts;
    use crate::tls::NodeTrust;

    /// A node whose hosts file says that `inside.example` is the node itself.
    fn network(reach: Reach) -> Network {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/hosts"), "127.0.0.1 inside.example\n").unwrap();
        let names = Arc::new(Names::load(&HostRoot::open(directory.path()).unwrap()));
        let (trust, proxies) = (Arc::<NodeTrust>::default(), Arc::<ProxyRules>::default());
        let version = "2.1.9".parse().unwrap();
        Network::new(names, trust, proxies, Timeouts::default(), version, Timestamp::now()).within(reach)
    }

    /// Whether a registry, itself on the node or not, gets the agent to a service on the node by this name.
    /// `guarded`: with the service's port as the agent's own, or none.
    async fn is_led(guarded: Option<bool>, on_node: bool, name: &str) -> bool {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = TcpListener::bind("127.0.0.9:0").await.unwrap();
        let port = service.local_addr().unwrap().port();
        let own_ports = |own: bool| if own { vec![port] } else { Vec::new() };
        let reach = guarded.map_or_else(Reach::default, |own| Reach::guarded(own_ports(own)));
        // Nobody knows the other one: it was never connected to.
        let place = if on_node { registry.local_addr().unwrap().to_string() } else { "nowhere.example".to_owned() };
        let registry = host(Endpoint::new(Scheme::Http, place));
        let endpoint = Endpoint::new(Scheme::Http, format!("{name}:{port}"));
        let route = network(reach).led(&registry, &endpoint, false).await;
        let connected = service.accept().now_or_never().is_some();
        assert_eq!(route.client.is_ok(), connected, "{route:?}");
        if let Err(failure) = &route.client {
            let told = format!("{} sends to {endpoint}", registry.endpoint);
            assert!(is_kept_back(failure) && failure.detail.contains(&told), "{failure:?}");
            assert!(matches!(route.tcp.outcome, Outcome::Skipped(Skip::NotFollowed)), "{route:?}");
        }
        connected
    }

    #[tokio::test]
    async fn other_tls_settings_are_another_way_although_they_print_the_same() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut one = host(Endpoint::new(Scheme::Http, service.local_addr().unwrap().to_string()));
        let ca = |pem| PemFile { path: "/ca.pem".to_owned(), pem: Secret::new(pem) };
        one.tls.ca = vec![ca("one")];
        let mut other = one.clone();
        other.tls.ca = vec![ca("other")];
        assert_eq!(format!("{:?}", one.tls), format!("{:?}", other.tls));
        let network = network(Reach::default());
        let route = async |host| network.route(&Destination::of(host)).await;
        let again = one.clone();
        assert!(Arc::ptr_eq(&route(&one).await, &route(&again).await));
        assert!(!Arc::ptr_eq(&route(&one).await, &route(&other).await));
    }

    #[tokio::test]
    async fn a_registry_elsewhere_leads_nobody_to_the_node_whatever_the_name() {
        for name in ["inside.example", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            assert!(!is_led(Some(false), false, name).await, "it leads to {name}");
        }
    }

    #[tokio::test]
    async fn a_registry_on_the_node_leads_to_the_node_and_so_does_any_for_who_asks_once() {
        assert!(is_led(Some(false), true, "inside.example").await);
        assert!(is_led(None, false, "inside.example").await);
        assert!(is_led(None, false, "127.0.0.1").await);
    }

    #[tokio::test]
    async fn nobody_is_led_to_the_agent_itself() {
        assert!(!is_led(Some(true), true, "inside.example").await);
    }
}
