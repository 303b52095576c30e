//! From another machine: a network namespace of its own, behind a cable.

use std::net::SocketAddr;
use std::process::Command;

use super::super::binary::{Agent, eventually, finish, pullprobe, repository};
use super::super::judge::namespace;
use super::serving::{CLIENTS, PASSWORD, PATIENCE, Served, TLS, users};

/// What curl is run by, to be on the other machine.
const OUTSIDE: [&str; 4] = ["ip", "netns", "exec", "outside"];
const NONE: &[&str] = &[];

/// The node is 192.0.2.7, the other machine 192.0.2.8.
fn lay_the_cable() {
    for command in [
        "mount -t tmpfs tmpfs /run",
        "ip link set lo up",
        "ip netns add outside",
        "ip link add cable type veth peer name end netns outside",
        "ip address add 192.0.2.7/24 dev cable",
        "ip link set cable up",
        "ip netns exec outside ip address add 192.0.2.8/24 dev end",
        "ip netns exec outside ip link set end up",
    ] {
        let mut words = command.split(' ');
        let ended = Command::new(words.next().unwrap()).args(words).status().unwrap();
        assert!(ended.success(), "{command}");
    }
}

fn alone(entry: &str) -> bool {
    if std::env::var_os(namespace::JOB_VARIABLE).is_some() {
        return true;
    }
    if let Err(said) = namespace::run(&format!("web::outside::{entry}"), &repository("tests/scenarios/network")) {
        panic!("{said}");
    }
    false
}

fn node(port: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 7].into(), port)
}

#[test]
fn from_another_machine_nothing_is_read_without_certificate_and_password() {
    if !alone("from_another_machine_nothing_is_read_without_certificate_and_password") {
        return;
    }
    lay_the_cable();
    let served = Served::new();
    let get = |path: &str, more: &[String]| served.curl_in(&OUTSIDE, node(10048), "https", path, more);
    served.write("web.yaml", &format!("{TLS}{CLIENTS}{}", users(&["alice"])));
    served.settings(":10048", ", report: open");
    let agent = served.ready(Agent::start(&mut served.world.command("run")));
    let certificate = served.client(&served.authority, "prometheus.example");
    let login = |password: &str| [certificate.clone(), vec!["--user".into(), format!("alice:{password}")]].concat();
    for path in ["/livez", "/readyz", "/metrics", "/", "/api/v1/report", "/api/v1/summary"] {
        let bare = get(path, &[]);
        assert!(bare.status == 0 && bare.code != 0, "{path}: the handshake asks for a certificate: {bare:?}");
        assert_eq!(get(path, &certificate).status, 401, "{path}: health is free on the node alone");
        assert_eq!(get(path, &login("wrong")).status, 401, "{path}");
        assert_eq!(get(path, &login(PASSWORD)).status, 200, "{path}\n{}", agent.log());
    }
    // kubelet's own probes go to the node's address, from the node.
    let kubelet = |path: &str| served.curl(node(10048), "https", path, &["--insecure"]).status;
    assert_eq!((kubelet("/livez"), kubelet("/metrics")), (200, 403));
}

#[test]
fn an_agent_is_reached_at_the_addresses_that_it_listens_on_and_at_no_other() {
    if !alone("an_agent_is_reached_at_the_addresses_that_it_listens_on_and_at_no_other") {
        return;
    }
    lay_the_cable();
    let served = Served::new();
    let loopback = SocketAddr::new([127, 0, 0, 1].into(), 10048);
    for (listen, by_loopback, from_outside) in
        [("127.0.0.1:10048", true, false), ("192.0.2.7:10048", false, true), (":10048", true, true)]
    {
        served.write("web.yaml", "");
        served.settings(listen, "");
        let agent = Agent::start(&mut served.world.command("run"));
        let settings = served.world.node.path("/pullprobe.yaml");
        let is_ready =
            || (finish(pullprobe(["healthcheck"]).env("PULLPROBE_CONFIG", &settings)).code == Some(0)).then_some(());
        eventually(PATIENCE, is_ready)
            .unwrap_or_else(|| panic!("{listen}: the health check does not find it:\n{}", agent.log()));
        let near = served.curl(loopback, "http", "/metrics", NONE).status;
        let far = |path| served.curl_in(&OUTSIDE, node(10048), "http", path, NONE).status;
        assert_eq!(near == 200, by_loopback, "{listen}");
        assert_eq!(far("/metrics") == 200, from_outside, "{listen}");
        assert_eq!(far("/api/v1/report"), if from_outside { 403 } else { 0 }, "{listen}");
    }
}
