//! Connecting to listeners that behave in each of the ways an address can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pullprobe_lab::listener::{Behaviour, Listener};

use super::*;

const LIMIT: Duration = Duration::from_secs(5);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOCAL6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Another address of loopback.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

async fn connect(
    addresses: &[IpAddr],
    port: u16,
    host: &str,
    dial_timeout: Option<Duration>,
    limit: Duration,
) -> (Step<TcpFacts>, Option<TcpStream>) {
    let addresses: Vec<Address> = addresses.iter().map(|ip| Address::from(*ip)).collect();
    super::connect(&addresses, port, host, dial_timeout.unwrap_or(Duration::from_secs(30)), limit).await
}

async fn at(behaviour: Behaviour, address: IpAddr, port: u16) -> Listener {
    Listener::start_at(behaviour, SocketAddr::new(address, port)).await.unwrap()
}

fn causes(step: &Step<TcpFacts>) -> Vec<Option<Cause>> {
    step.facts().unwrap().addresses.iter().map(|address| address.cause).collect()
}

fn failed(step: &Step<TcpFacts>) -> (Cause, String) {
    let failure = step.failure().unwrap_or_else(|| panic!("{step:?}"));
    (failure.cause, failure.go_message.clone().into())
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let closed = Listener::start(Behaviour::Refuse).await.unwrap();
    let port = closed.address().port();
    let (step, stream) = connect(&[LOCAL], port, "r.example", None, LIMIT).await;
    assert!(stream.is_none());
    assert_eq!(failed(&step), (Cause::TcpRefused, format!("dial tcp 127.0.0.1:{port}: connect: connection refused")));
    assert_eq!(step.failure().unwrap().host, Some(format!("r.example:{port}")).map(Into::into));
    let (step, _) = connect(&[LOCAL6], port, "::1", None, LIMIT).await;
    assert_eq!(failed(&step).1, format!("dial tcp [::1]:{port}: connect: connection refused"));
    assert_eq!(step.failure().unwrap().host, Some(format!("[::1]:{port}")).map(Into::into));
}

#[tokio::test]
async fn a_reset_after_the_handshake_is_not_a_failure_to_connect() {
    let resetting = Listener::start(Behaviour::Reset).await.unwrap();
    let (step, stream) = connect(&[LOCAL], resetting.address().port(), "r.example", None, LIMIT).await;
    assert_eq!(step.facts().unwrap().chosen, Some(resetting.address()));
    assert!(stream.is_some());
}

#[tokio::test]
async fn an_address_that_swallows_every_syn_times_out() {
    let hole = Listener::start(Behaviour::BlackHole).await.unwrap();
    let limit = Duration::from_millis(300);
    let (step, stream) = connect(&[LOCAL], hole.address().port(), "r.example", None, limit).await;
    assert!(stream.is_none());
    assert_eq!(failed(&step), (Cause::TcpTimeout, format!("dial tcp {}: i/o timeout", hole.address())));
    let detail = &step.failure().unwrap().detail;
    assert!(detail.starts_with(&format!("{}: no answer within 3", hole.address())), "{detail}");
    assert!(detail.ends_with(" (pullprobe stops there; containerd waits 30s, the name's lookup included)"), "{detail}");
    assert!(step.duration.unwrap() >= limit);
    let failure = step.failure().unwrap();
    assert!(failure.inconclusive && failure.fix().contains("probe.timeouts.tcp"), "{failure:?}");
    // containerd has no more time either.
    let (step, _) = connect(&[LOCAL], hole.address().port(), "r.example", Some(limit), LIMIT).await;
    assert!(failed(&step).0 == Cause::TcpTimeout && !step.failure().unwrap().inconclusive, "{step:?}");
}

#[tokio::test]
async fn an_address_that_was_not_listened_to_for_long_may_still_serve() {
    let hole = at(Behaviour::BlackHole, OTHER, 0).await;
    let port = hole.address().port();
    let _closed = at(Behaviour::Refuse, LOCAL, port).await;
    let (step, _) = connect(&[LOCAL, OTHER], port, "r.example", None, Duration::from_millis(300)).await;
    let failure = step.failure().unwrap();
    assert!(failure.cause == Cause::TcpRefused && failure.inconclusive, "{failure:?}");
    assert!(failure.detail.contains("pullprobe stops there"), "{failure:?}");
}

#[tokio::test]
async fn without_a_limit_of_gos_the_kernel_gives_up() {
    let hole = Listener::start(Behaviour::BlackHole).await.unwrap();
    let port = hole.address().port();
    let none = Some(crate::model::namespace::NO_DIAL_TIMEOUT);
    let (step, _) = connect(&[LOCAL], port, "r.example", none, Duration::from_millis(300)).await;
    let words = format!("dial tcp {}: connect: connection timed out", hole.address());
    assert_eq!(failed(&step), (Cause::TcpTimeout, words));
    let detail = &step.failure().unwrap().detail;
    assert!(detail.ends_with("containerd waits 127s, the name's lookup included)"), "{detail}");
}

#[tokio::test]
async fn no_route_is_unreachable() {
    // Linux has no TCP route to a broadcast address, whatever the network.
    let (step, _) = connect(&[Ipv4Addr::BROADCAST.into()], 443, "r.example", None, LIMIT).await;
    let words = "dial tcp 255.255.255.255:443: connect: network is unreachable";
    assert_eq!(failed(&step), (Cause::TcpUnreachable, words.to_owned()));
}

#[tokio::test]
async fn a_broken_family_shows_though_the_other_one_connects() {
    let good = at(Behaviour::Hang, LOCAL, 0).await;
    let port = good.address().port();
    let _closed = at(Behaviour::Refuse, LOCAL6, port).await;
    let (step, stream) = connect(&[LOCAL6, LOCAL], port, "r.example", None, LIMIT).await;
    assert_eq!(step.facts().unwrap().chosen, Some(good.address()));
    assert_eq!(stream.unwrap().peer_addr().unwrap(), good.address());
    assert_eq!(causes(&step), [Some(Cause::TcpRefused), None]);
}

#[tokio::test]
async fn the_first_of_several_good_addresses_is_used() {
    let one = at(Behaviour::Hang, LOCAL, 0).await;
    let two = at(Behaviour::Hang, OTHER, one.address().port()).await;
    for (addresses, chosen) in [([LOCAL, OTHER], &one), ([OTHER, LOCAL], &two)] {
        let (step, stream) = connect(&addresses, one.address().port(), "r.example", None, LIMIT).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), chosen.address());
        assert_eq!(causes(&step), [None, None]);
    }
}

#[tokio::test]
async fn a_silent_address_delays_the_stage_by_the_grace_only() {
    let hole = at(Behaviour::BlackHole, OTHER, 0).await;
    let good = at(Behaviour::Hang, LOCAL, hole.address().port()).await;
    for addresses in [[OTHER, LOCAL], [LOCAL, OTHER]] {
        let (step, stream) = connect(&addresses, hole.address().port(), "r.example", None, LIMIT).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), good.address());
        assert!(causes(&step).contains(&Some(Cause::TcpTimeout)), "{step:?}");
        assert!((GRACE..LIMIT).contains(&step.duration.unwrap()), "{step:?}");
    }
}

#[tokio::test]
async fn a_silent_address_that_eats_the_dial_timeout_fails_the_pull() {
    let hole = at(Behaviour::BlackHole, OTHER, 0).await;
    let good = at(Behaviour::Hang, LOCAL, hole.address().port()).await;
    let timeout = Some(Duration::from_millis(400));
    let (step, stream) = connect(&[OTHER, LOCAL], good.address().port(), "r.example", timeout, LIMIT).await;
    assert!(stream.is_none());
    assert_eq!(failed(&step), (Cause::TcpTimeout, format!("dial tcp {}: i/o timeout", hole.address())));
    assert!(step.failure().unwrap().detail.contains("when the dial timeout had passed"), "{step:?}");
}

#[tokio::test]
async fn when_all_fail_the_first_address_is_reported_and_the_others_told() {
    let closed = at(Behaviour::Refuse, LOCAL, 0).await;
    let port = closed.address().port();
    let (step, _) = connect(&[LOCAL, Ipv4Addr::BROADCAST.into()], port, "r.example", None, LIMIT).await;
    assert_eq!(failed(&step).0, Cause::TcpRefused);
    let detail = &step.failure().unwrap().detail;
    assert!(detail.contains(&format!("255.255.255.255:{port}: connect: network is unreachable")), "{detail}");
    assert_eq!(causes(&step), [Some(Cause::TcpRefused), Some(Cause::TcpUnreachable)]);
}

#[tokio::test]
async fn no_address_at_all_fails() {
    let (step, stream) = connect(&[], 443, "r.example", None, LIMIT).await;
    assert!(stream.is_none());
    assert_eq!(failed(&step).1, "dial tcp: missing address");
}
