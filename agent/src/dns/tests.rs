//! The lookup against nameservers that record what they are asked and fail as they are told.

mod servers;
mod unbound;

use std::time::Instant;

use pullprobe_lab::dns::{At, Config, Failure as Fails, Fault, NameServer, Records};

use super::*;
use crate::host::hosts_file::HostsFile;
use crate::host::resolv::ResolvConf;

const LIMIT: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

/// containerd's time for a connection.
const BUDGET: Duration = Duration::from_secs(30);

async fn lookup(names: &Names, host: &str, limit: Duration) -> Step<DnsFacts> {
    super::lookup(names, host, LookupLimits { budget: BUDGET, limit }).await
}

/// A nameserver that knows `name` by these addresses.
fn server(records: &[(&str, &[&str])], faults: Vec<Fault>) -> NameServer {
    let mut config = Config { faults, ..Config::default() };
    for (name, addresses) in records {
        let mut known = Records::default();
        for address in *addresses {
            match address.parse().unwrap() {
                IpAddr::V4(address) => known.a.push(address),
                IpAddr::V6(address) => known.aaaa.push(address),
            }
        }
        config.records.insert((*name).to_owned(), known);
    }
    NameServer::start(config, At::AnyPort).unwrap()
}

/// One that fails always in this way, though it knows `r.example`.
fn failing(how: Fails) -> NameServer {
    server(&[("r.example", &["192.0.2.9"])], vec![Fault::always(how)])
}

fn healthy() -> NameServer {
    server(&[("r.example", &["192.0.2.1"])], Vec::new())
}

/// `options timeout:1 attempts:1` and these servers.
fn names(servers: &[&NameServer]) -> Names {
    let servers = servers.iter().map(|server| server.address()).collect();
    let resolv = ResolvConf { servers, attempts: 1, timeout: SECOND, ..ResolvConf::default() };
    let order = crate::host::nsswitch::default_order();
    Names { resolv, hosts: HostsFile::default(), order, closed: None, findings: Vec::new() }
}

fn asked(server: &NameServer) -> Vec<String> {
    server.queries().iter().map(|query| format!("{} {}", query.name, query.record_type)).collect()
}

fn found(step: &Step<DnsFacts>) -> Vec<String> {
    let Outcome::Passed(facts) = &step.outcome else { panic!("{step:?}") };
    facts.addresses.iter().map(ToString::to_string).collect()
}

fn failed(step: &Step<DnsFacts>) -> (Cause, String) {
    let failure = step.failure().unwrap_or_else(|| panic!("{step:?}"));
    (failure.cause, failure.go_message.clone().into())
}

/// Response code, counts and cause of each nameserver.
fn told(step: &Step<DnsFacts>) -> Vec<(Option<&str>, usize, usize, Option<Cause>)> {
    let of = |server: &'_ NameserverFacts| (server.a, server.aaaa, server.cause);
    let servers = &step.facts().unwrap().nameservers;
    servers.iter().map(|server| (server.rcode.as_deref(), of(server).0, of(server).1, of(server).2)).collect()
}

#[tokio::test]
async fn an_address_is_not_looked_up() {
    for (host, address) in
        [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1")]
    {
        let step = lookup(&names(&[]), host, LIMIT).await;
        assert_eq!(found(&step), [address]);
        assert_eq!(step.facts().unwrap().source, NameSource::Literal);
    }
}

#[tokio::test]
async fn the_hosts_file_wins_where_nsswitch_puts_it_first() {
    let server = healthy();
    let mut names = names(&[&server]);
    names.hosts = HostsFile::parse("# one\n127.0.0.9 R.example\n127.0.0.8 only.example\n");
    let step = lookup(&names, "r.example", LIMIT).await;
    let facts = step.facts().unwrap();
    assert_eq!((facts.source, facts.answered.as_str()), (NameSource::HostsFile, "/etc/hosts:2"));
    assert_eq!(found(&step), ["127.0.0.9"]);
    // DNS is asked for comparison only.
    assert_eq!(facts.nameservers[0].addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(step.duration, Some(Duration::ZERO));

    names.order = vec![NameService::Dns, NameService::Files];
    assert_eq!(found(&lookup(&names, "r.example", LIMIT).await), ["192.0.2.1"]);
    assert_eq!(found(&lookup(&names, "only.example", LIMIT).await), ["127.0.0.8"]);

    names.order = vec![NameService::Dns];
    assert_eq!(failed(&lookup(&names, "only.example", LIMIT).await).0, Cause::DnsNxdomain);

    names.order = vec![NameService::Files];
    let (cause, words) = failed(&lookup(&names, "x.example", LIMIT).await);
    assert_eq!((cause, words.as_str()), (Cause::DnsNxdomain, "dial tcp: lookup x.example: no such host"));
}

#[tokio::test]
async fn names_are_tried_by_dots_and_search_list_and_each_question_is_put_once() {
    let server = server(&[("r.io.b.example", &["192.0.2.1", "2001:db8::1"])], Vec::new());
    let mut names = names(&[&server]);
    names.resolv.search = vec!["a.example.".into(), "b.example.".into()];
    names.resolv.single_request = true;
    names.resolv.ndots = 2;
    let step = lookup(&names, "r.io", LIMIT).await;
    assert_eq!(step.facts().unwrap().answered, "r.io.b.example");
    let suffixed = ["r.io.a.example A", "r.io.a.example AAAA", "r.io.b.example A", "r.io.b.example AAAA"];
    assert_eq!(asked(&server), suffixed);

    names.resolv.ndots = 1;
    lookup(&names, "r.io", LIMIT).await;
    assert_eq!(asked(&server)[4..], [&["r.io A", "r.io AAAA"], &suffixed[..]].concat());
}

#[tokio::test]
async fn without_single_request_both_types_are_under_way_at_once() {
    let server = server(&[("r.example", &["192.0.2.1", "2001:db8::1"])], vec![Fault::always(Fails::Delay(700))]);
    let mut names = names(&[&server]);
    let step = lookup(&names, "r.example", LIMIT).await;
    assert!(step.duration.unwrap() < Duration::from_millis(1400), "{step:?}");
    names.resolv.single_request = true;
    let step = lookup(&names, "r.example", LIMIT).await;
    assert!(step.duration.unwrap() >= Duration::from_millis(1400), "{step:?}");
    assert_eq!(told(&step), [(Some("NOERROR"), 1, 1, None)]);
    assert_eq!(asked(&server).len(), 4);
}

#[tokio::test]
async fn a_suffix_may_answer_for_a_name_that_fails_and_shows() {
    let server = server(&[("r.example.corp", &["192.0.2.66"])], vec![Fault::of_name("r.example", Fails::Servfail)]);
    let mut names = names(&[&server]);
    names.resolv.search = vec!["corp.".into()];
    let step = lookup(&names, "r.example", LIMIT).await;
    assert_eq!((found(&step), step.facts().unwrap().answered.as_str()), (vec!["192.0.2.66".into()], "r.example.corp"));
    assert_eq!(asked(&server).len(), 4);
}

#[tokio::test]
async fn the_error_is_that_of_the_name_as_given() {
    let server = server(&[], vec![Fault::of_name("r.example", Fails::Servfail)]);
    let mut names = names(&[&server]);
    names.resolv.search = vec!["corp.".into()];
    for ndots in [1, 2] {
        names.resolv.ndots = ndots;
        let (cause, words) = failed(&lookup(&names, "r.example", LIMIT).await);
        assert_eq!(cause, Cause::DnsServfail);
        assert_eq!(words, format!("dial tcp: lookup r.example on {}: server misbehaving", server.address()));
    }
}

#[tokio::test]
async fn aliases_are_followed_by_the_server() {
    let server = server(&[("real.example", &["192.0.2.1"])], Vec::new());
    let mut config = Config::default();
    config.records.insert("r.example".into(), Records { cname: Some("gone.example".into()), ..Records::default() });
    let dangling = NameServer::start(config, At::AnyPort).unwrap();
    assert_eq!(failed(&lookup(&names(&[&dangling]), "r.example", LIMIT).await).0, Cause::DnsNxdomain);
    assert_eq!(found(&lookup(&names(&[&server]), "real.example", LIMIT).await), ["192.0.2.1"]);
}

#[tokio::test]
async fn what_is_no_domain_name_is_not_asked_for() {
    let server = healthy();
    let (cause, words) = failed(&lookup(&names(&[&server]), "r..example", LIMIT).await);
    assert_eq!((cause, words.as_str()), (Cause::DnsNxdomain, "dial tcp: lookup r..example: no such host"));
    assert_eq!(asked(&server), [""; 0]);
}
