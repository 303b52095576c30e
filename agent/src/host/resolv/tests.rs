//! resolv.conf, told in tables; and the three files read through a host root.

use super::*;

fn parse(text: &str) -> ResolvConf {
    ResolvConf::parse(text, "node").0
}

fn codes(text: &str) -> Vec<(&'static str, Option<usize>)> {
    ResolvConf::parse(text, "node").1.iter().map(|finding| (finding.code, finding.line())).collect()
}

fn servers(text: &str) -> Vec<String> {
    parse(text).servers.iter().map(ToString::to_string).collect()
}

#[test]
fn three_nameservers_are_asked_and_the_rest_is_noted() {
    let text = "nameserver 192.0.2.1\nnameserver\nnameserver dns.example\n; nameserver 192.0.2.9\n\
                nameserver 2001:db8::1 # no comment to Go\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
    assert_eq!(servers(text), ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]);
    assert_eq!(codes(text), [("resolv_nameserver_ignored", Some(3)), ("resolv_nameserver_ignored", Some(7))]);
}

#[test]
fn without_a_nameserver_the_node_itself_is_asked() {
    assert_eq!(servers("search a.example"), ["127.0.0.1:53", "[::1]:53"]);
    assert_eq!(codes(""), [("resolv_no_nameserver", None)]);
}

#[test]
fn a_zone_is_kept_when_the_interface_exists() {
    let conf = parse("nameserver fe80::1%lo\n");
    let SocketAddr::V6(server) = conf.servers[0] else { panic!("not IPv6: {:?}", conf.servers) };
    assert_eq!((server.ip().to_string().as_str(), server.port()), ("fe80::1", 53));
    assert_ne!(server.scope_id(), 0);
}

#[test]
fn a_server_on_an_interface_that_is_not_there_takes_its_place() {
    let text =
        "nameserver fe80::1%nosuchinterface0\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
    assert_eq!(servers(text), ["[fe80::1]:53", "192.0.2.1:53", "192.0.2.2:53"]);
    assert_eq!(codes(text), [("resolv_nameserver_ignored", Some(4))]);
}

#[test]
fn the_last_search_or_domain_line_wins() {
    let table: &[(&str, &str, &[&str])] = &[
        ("search a.example b.example.", "node", &["a.example.", "b.example."]),
        ("search a.example\ndomain b.example", "node", &["b.example."]),
        ("domain b.example\nsearch a.example .", "node", &["a.example."]),
        ("domain b.example\nsearch", "node.site.example", &["site.example."]),
        ("", "node.site.example", &["site.example."]),
        ("", "node.", &[]),
        ("", "node", &[]),
        ("search .", "node.site.example", &["site.example."]),
    ];
    for (text, hostname, expected) in table {
        assert_eq!(ResolvConf::parse(text, hostname).0.search, *expected, "{text:?}");
    }
}

#[test]
fn options_have_the_bounds_and_defaults_of_go() {
    let of = |options: &str| {
        let conf = parse(&format!("options {options}"));
        (conf.ndots, conf.timeout.as_secs(), conf.attempts)
    };
    assert_eq!(of(""), (1, 5, 2));
    assert_eq!(of("ndots:5 timeout:2 attempts:3"), (5, 2, 3));
    assert_eq!(of("ndots:99 timeout:0 attempts:0"), (15, 1, 1));
    assert_eq!(of("ndots:-1 timeout:x attempts:"), (0, 1, 1));
    assert_eq!(of("ndots:2x timeout:99999999999999999999"), (2, 0xFF_FFFF, 2));
}

#[test]
fn switches_are_known_by_all_their_names() {
    let conf = parse("options rotate trust-ad edns0\noptions single-request-reopen usevc");
    assert!(conf.rotate && conf.trust_ad && conf.single_request && conf.use_tcp);
    for name in ["use-vc", "tcp", "usevc"] {
        assert!(parse(&format!("options {name}")).use_tcp, "{name}");
    }
    assert!(parse("options single-request").single_request);
    assert!(!parse("options").single_request);
}

#[test]
fn what_go_does_not_know_is_noted_with_its_line() {
    let text = "nameserver 192.0.2.1\nsortlist 192.0.2.0\nlookup bind\noptions edns0 inet6 no-reload ndots";
    assert_eq!(
        codes(text),
        [
            ("resolv_option_unknown", Some(2)),
            ("resolv_option_unknown", Some(4)),
            ("resolv_no_reload", Some(4)),
            ("resolv_option_unknown", Some(4)),
        ]
    );
}

#[test]
fn the_files_are_read_inside_the_host_root() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("etc")).unwrap();
    std::fs::create_dir_all(dir.path().join("run/systemd/resolve")).unwrap();
    std::fs::write(dir.path().join("run/systemd/resolve/stub-resolv.conf"), "nameserver 127.0.0.53\n").unwrap();
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", dir.path().join("etc/resolv.conf")).unwrap();
    std::fs::write(dir.path().join("etc/hosts"), b"192.0.2.5 r.example\n\xff\xfe\n").unwrap();
    std::fs::write(dir.path().join("etc/nsswitch.conf"), "hosts: dns files\n").unwrap();
    let names = Names::load(&HostRoot::open(dir.path()).unwrap());
    assert_eq!(names.resolv.servers, ["127.0.0.53:53".parse().unwrap()]);
    assert_eq!(names.hosts.lookup("r.example").unwrap().line, 1);
    assert_eq!(names.order, [NameService::Dns, NameService::Files]);
    assert_eq!(names.findings, []);
}

#[test]
fn missing_files_leave_the_defaults_and_an_unreadable_one_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("etc/hosts")).unwrap();
    let names = Names::load(&HostRoot::open(dir.path()).unwrap());
    assert_eq!(names.order, nsswitch::default_order());
    let codes: Vec<_> = names.findings.iter().map(|finding| (finding.code, finding.file.as_deref())).collect();
    assert_eq!(codes, [("names_unreadable", Some(HOSTS_PATH)), ("resolv_no_nameserver", Some(PATH))]);
}
