//! Which server is asked next, what each costs, and what is told of it.

use pullprobe_lab::dns::Transport as Over;
use pullprobe_lab::listener::{Behaviour, Listener};

use super::*;

#[tokio::test]
async fn nxdomain_is_final_though_the_second_server_would_answer() {
    let (first, second) = (failing(Fails::Nxdomain), healthy());
    let step = lookup(&names(&[&first, &second]), "r.example", LIMIT).await;
    let words = format!("dial tcp: lookup r.example on {}: no such host", first.address());
    assert_eq!(failed(&step), (Cause::DnsNxdomain, words));
    assert_eq!(told(&step), [(Some("NXDOMAIN"), 0, 0, Some(Cause::DnsNxdomain)), (Some("NOERROR"), 1, 0, None)]);
    let detail = &step.failure().unwrap().detail;
    assert_eq!(*detail, format!("r.example on {}: NXDOMAIN", first.address()));
}

#[tokio::test]
async fn a_name_without_addresses_is_final_too() {
    let (first, second) = (failing(Fails::NoData), healthy());
    let step = lookup(&names(&[&first, &second]), "r.example", LIMIT).await;
    let words = format!("dial tcp: lookup r.example on {}: no such host", first.address());
    assert_eq!(failed(&step), (Cause::DnsNoAddress, words));
    assert!(step.failure().unwrap().detail.contains("NOERROR without AAAA"), "{step:?}");
    assert_eq!(told(&step)[0], (Some("NOERROR"), 0, 0, Some(Cause::DnsNoAddress)));
}

#[tokio::test]
async fn after_servfail_and_refused_the_next_server_is_asked() {
    let (one, two, three) = (failing(Fails::Servfail), failing(Fails::Refused), healthy());
    let step = lookup(&names(&[&one, &two, &three]), "r.example", LIMIT).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    let expected = [
        (Some("SERVFAIL"), 0, 0, Some(Cause::DnsServfail)),
        (Some("REFUSED"), 0, 0, Some(Cause::DnsRefused)),
        (Some("NOERROR"), 1, 0, None),
    ];
    assert_eq!(told(&step), expected);
}

#[tokio::test]
async fn after_a_referral_to_nobody_the_next_server_is_asked() {
    let (plain, with_opt, last) = (failing(Fails::Lame), failing(Fails::LameWithOpt), healthy());
    let mut newer = names(&[&plain, &last]);
    assert_eq!(found(&lookup(&newer, "r.example", LIMIT).await), ["192.0.2.1"]);
    newer.resolv.servers = vec![with_opt.address(), last.address()];
    let step = lookup(&newer, "r.example", LIMIT).await;
    assert_eq!(failed(&step).0, Cause::DnsNoAddress);
    let mut older = newer;
    older.resolv.reads_additionals = false;
    assert_eq!(found(&lookup(&older, "r.example", LIMIT).await), ["192.0.2.1"]);
    older.resolv.servers.pop();
    let (cause, words) = failed(&lookup(&older, "r.example", LIMIT).await);
    let expected = format!("dial tcp: lookup r.example on {}: lame referral", with_opt.address());
    assert_eq!((cause, words), (Cause::DnsServfail, expected));
}

#[tokio::test]
async fn when_all_fail_the_last_one_is_reported_after_all_rounds() {
    let (one, two) = (failing(Fails::Servfail), failing(Fails::Refused));
    let mut names = names(&[&one, &two]);
    names.resolv.attempts = 3;
    let step = lookup(&names, "r.example", LIMIT).await;
    let words = format!("dial tcp: lookup r.example on {}: server misbehaving", two.address());
    assert_eq!(failed(&step), (Cause::DnsRefused, words));
    assert_eq!(asked(&one).len(), 6);
    // What is asked aside may still be under way when the lookup gets here, and is then put twice.
    assert!((6..=8).contains(&asked(&two).len()), "{:?}", asked(&two));
}

#[tokio::test]
async fn a_silent_first_server_costs_its_timeout() {
    let (dead, second) = (failing(Fails::Drop), healthy());
    let step = lookup(&names(&[&dead, &second]), "r.example", LIMIT).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    assert!((SECOND..SECOND * 5).contains(&step.duration.unwrap()), "{step:?}");
    assert_eq!(told(&step)[0], (None, 0, 0, Some(Cause::DnsTimeout)));
}

#[tokio::test]
async fn a_silent_second_server_costs_the_lookup_nothing() {
    let (first, dead) = (healthy(), failing(Fails::Drop));
    let mut names = names(&[&first, &dead]);
    names.resolv.timeout = Duration::from_secs(5);
    let began = Instant::now();
    let step = lookup(&names, "r.example", LIMIT).await;
    assert!(step.duration.unwrap() < SECOND * 2 && began.elapsed() < names.resolv.timeout, "{step:?}");
    assert_eq!(told(&step), [(Some("NOERROR"), 1, 0, None), (None, 0, 0, Some(Cause::DnsTimeout))]);
    assert_eq!(asked(&first).len(), 2);
}

#[tokio::test]
async fn silence_of_all_is_a_timeout_in_the_words_of_go() {
    let dead = failing(Fails::Drop);
    let step = lookup(&names(&[&dead]), "r.example", LIMIT).await;
    let (cause, words) = failed(&step);
    assert_eq!(cause, Cause::DnsTimeout);
    let start = format!("dial tcp: lookup r.example on {}: read udp 127.0.0.1:", dead.address());
    assert!(words.starts_with(&start) && words.ends_with(&format!("->{}: i/o timeout", dead.address())), "{words}");
    assert!(step.duration.unwrap() >= SECOND);
}

#[tokio::test]
async fn answers_to_other_questions_are_silence() {
    for how in [Fails::WrongId, Fails::Garbage] {
        let forger = failing(how);
        assert_eq!(failed(&lookup(&names(&[&forger]), "r.example", LIMIT).await).0, Cause::DnsTimeout, "{how:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let closed = Listener::start(Behaviour::Refuse).await.unwrap();
    let server = healthy();
    let mut names = names(&[&server]);
    names.resolv.servers = vec![closed.address()];
    for (tcp, operation, call) in [(false, "read udp 127.0.0.1:", "read"), (true, "dial tcp 127.0.0.1:", "connect")] {
        names.resolv.use_tcp = tcp;
        let (cause, words) = failed(&lookup(&names, "r.example", LIMIT).await);
        assert_eq!(cause, Cause::DnsUnreachable);
        let start = format!("dial tcp: lookup r.example on {}: {operation}", closed.address());
        assert!(words.starts_with(&start) && words.ends_with(&format!(": {call}: connection refused")), "{words}");
    }
    names.resolv.use_tcp = false;
    names.resolv.servers.push(server.address());
    assert_eq!(found(&lookup(&names, "r.example", LIMIT).await), ["192.0.2.1"]);
}

#[tokio::test]
async fn lost_aaaa_questions_delay_a_lookup_that_succeeds() {
    let server = server(&[("r.example", &["192.0.2.1"])], vec![Fault::of_type("AAAA", Fails::Drop)]);
    let mut names = names(&[&server]);
    names.resolv.attempts = 2;
    let step = lookup(&names, "r.example", LIMIT).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    assert!(step.duration.unwrap() >= SECOND * 2, "{step:?}");
    assert_eq!(told(&step), [(Some("NOERROR"), 1, 0, None)]);
}

#[tokio::test]
async fn beyond_the_limit_the_answer_is_what_the_next_server_said_meanwhile() {
    let (dead, second, third) = (failing(Fails::Drop), healthy(), failing(Fails::Nxdomain));
    let mut patient = names(&[&dead, &second]);
    patient.resolv.timeout = Duration::from_secs(5);
    let step = lookup(&patient, "r.example", SECOND).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    assert!((SECOND * 5..SECOND * 6).contains(&step.duration.unwrap()), "{step:?}");

    patient.resolv.servers = vec![dead.address(), third.address(), second.address()];
    assert_eq!(failed(&lookup(&patient, "r.example", SECOND).await).0, Cause::DnsNxdomain);

    patient.resolv.servers = vec![dead.address()];
    let step = lookup(&patient, "r.example", SECOND).await;
    let (cause, words) = failed(&step);
    assert_eq!(cause, Cause::DnsTimeout);
    assert!((SECOND * 5..SECOND * 6).contains(&step.duration.unwrap()), "{step:?}");
    assert!(words.starts_with(&format!("dial tcp: lookup r.example on {}: ", dead.address())), "{words}");
    assert!(step.facts().unwrap().reckoned);
}

/// Go's own words when the time for connecting is over before the lookup.
const OUT_OF_TIME: &str = "dial tcp: lookup r.example: i/o timeout";

#[tokio::test]
async fn the_dial_timeout_is_the_lookups_too() {
    let (dead, second) = (failing(Fails::Drop), healthy());
    let mut names = names(&[&dead, &second]);
    names.resolv.timeout = Duration::from_secs(5);
    for limit in [LIMIT, SECOND / 4] {
        let step = crate::dns::lookup(&names, "r.example", LookupLimits { budget: SECOND / 2, limit }).await;
        assert_eq!(failed(&step), (Cause::DnsTimeout, OUT_OF_TIME.into()));
        assert_eq!((step.duration, step.failure().unwrap().inconclusive), (Some(SECOND / 2), limit < SECOND / 2));
    }
    names.order = vec![NameService::Dns, NameService::Files];
    names.hosts = HostsFile::parse("192.0.2.1 r.example\n");
    let step = crate::dns::lookup(&names, "r.example", LookupLimits { budget: SECOND / 2, limit: LIMIT }).await;
    assert!(!step.passed(), "no time is left for the hosts file: {step:?}");
}

#[tokio::test]
async fn each_suffix_costs_a_silent_first_server_once_more() {
    let (dead, second) = (failing(Fails::Drop), healthy());
    let mut names = names(&[&dead, &second]);
    names.resolv.timeout = Duration::from_secs(8);
    names.resolv.ndots = 5;
    names.resolv.search = ["a.", "b.", "c.", "d."].map(str::to_owned).to_vec();
    let step = lookup(&names, "r.example", SECOND).await;
    assert_eq!(failed(&step), (Cause::DnsTimeout, OUT_OF_TIME.into()));
    assert_eq!(step.duration, Some(BUDGET));

    // Three names are 24 s.
    names.resolv.search.truncate(2);
    let step = lookup(&names, "r.example", SECOND).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    let takes = step.duration.unwrap();
    assert!(step.facts().unwrap().reckoned && (SECOND * 24..SECOND * 25).contains(&takes), "{takes:?}");
}

#[tokio::test]
async fn both_record_types_are_reckoned_with() {
    let deaf = || server(&[("r.example", &["192.0.2.1"])], vec![Fault::of_type("AAAA", Fails::Drop)]);
    let (one, two, three) = (deaf(), deaf(), deaf());
    let mut names = names(&[&one, &two, &three]);
    names.resolv.timeout = Duration::from_secs(5);
    names.resolv.attempts = 2;
    let step = lookup(&names, "r.example", SECOND).await;
    assert_eq!(failed(&step), (Cause::DnsTimeout, OUT_OF_TIME.into()));
    let facts = step.facts().unwrap();
    let types = |server: &NameserverFacts| (server.cause, server.a_cause, server.aaaa_cause);
    assert_eq!(types(&facts.nameservers[2]), (None, None, Some(Cause::DnsTimeout)));

    names.resolv.servers.pop();
    let step = lookup(&names, "r.example", SECOND).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    assert!((SECOND * 20..SECOND * 21).contains(&step.duration.unwrap()), "{step:?}");
}

#[tokio::test]
async fn questions_in_turn_take_the_sum_and_rotation_goes_on_from_where_it_was() {
    let (dead, second) = (failing(Fails::Drop), healthy());
    let mut names = names(&[&dead, &second]);
    names.resolv.timeout = Duration::from_secs(5);
    names.resolv.single_request = true;
    let step = lookup(&names, "r.example", SECOND).await;
    let takes = step.duration.unwrap();
    assert!((SECOND * 10..SECOND * 11).contains(&takes), "{step:?}");
    // With two servers either A or AAAA begins with the silent one.
    names.resolv.rotate = true;
    let step = lookup(&names, "r.example", SECOND).await;
    let takes = step.duration.unwrap();
    assert!((SECOND * 5..SECOND * 6).contains(&takes), "{step:?}");
}

#[tokio::test]
async fn servers_that_are_slow_rather_than_silent_leave_it_in_doubt() {
    let slow = server(&[("r.example", &["192.0.2.1"])], vec![Fault::always(Fails::Delay(1200))]);
    let mut names = names(&[&slow]);
    names.resolv.timeout = Duration::from_secs(5);
    names.resolv.ndots = 5;
    names.resolv.search = ["a.", "b.", "c.", "d.", "e."].map(str::to_owned).to_vec();
    // Some answers come in time, also where the machine is busy, and not all.
    let step = lookup(&names, "r.example", SECOND * 2).await;
    assert_eq!(failed(&step).0, Cause::DnsTimeout);
    assert!(step.failure().unwrap().inconclusive, "{step:?}");
}

#[tokio::test]
async fn a_server_that_was_not_listened_to_for_long_is_not_called_silent() {
    let slow = server(&[("r.example", &["192.0.2.1"])], vec![Fault::always(Fails::Delay(1200))]);
    let dead = failing(Fails::Drop);
    let mut names = names(&[&slow]);
    names.resolv.timeout = Duration::from_secs(5);
    let step = lookup(&names, "r.example", SECOND / 2).await;
    let failure = step.failure().unwrap();
    assert!(failure.cause == Cause::DnsTimeout && failure.inconclusive, "{failure:?}");
    assert!(failure.detail.contains("pullprobe listened to a nameserver for"), "{failure:?}");
    assert!(failure.fix().contains("probe.timeouts.dns"), "{failure:?}");
    // Not even where the next one denies the name: the first may have it.
    let denying = failing(Fails::Nxdomain);
    names.resolv.servers.push(denying.address());
    let step = lookup(&names, "r.example", SECOND / 2).await;
    assert!(failed(&step).0 == Cause::DnsNxdomain && step.failure().unwrap().inconclusive, "{step:?}");
    // Listened to for as long as containerd listens, silence is certain.
    (names.resolv.timeout, names.resolv.attempts) = (SECOND, 2);
    let another = failing(Fails::Drop);
    for servers in [vec![dead.address()], vec![dead.address(), another.address(), denying.address()]] {
        names.resolv.servers = servers;
        let step = lookup(&names, "r.example", SECOND).await;
        assert!(step.facts().unwrap().reckoned && !step.failure().unwrap().inconclusive, "{step:?}");
    }
}

/// All the limits of pullprobe are the usual ones, and so are those of resolv.conf.
#[tokio::test]
async fn a_server_that_answers_late_behind_a_dead_one_answers() {
    let dead = failing(Fails::Drop);
    let late = server(&[("r.example", &["192.0.2.1"])], vec![Fault::always(Fails::Delay(3500))]);
    let mut names = names(&[&dead, &late]);
    names.resolv.timeout = SECOND * 5;
    let step = lookup(&names, "r.example", crate::route::network::Timeouts::default().dns).await;
    assert_eq!(found(&step), ["192.0.2.1"]);
    let takes = step.duration.unwrap();
    assert!((SECOND * 8..SECOND * 10).contains(&takes), "{takes:?}");
    // It denies the name, and that is what containerd hears.
    let late = server(&[], vec![Fault::always(Fails::Delay(3500))]);
    names.resolv.servers[1] = late.address();
    let step = lookup(&names, "r.example", SECOND * 5).await;
    assert!(failed(&step).0 == Cause::DnsNxdomain && !step.failure().unwrap().inconclusive, "{step:?}");
}

#[tokio::test]
async fn an_answer_longer_than_asked_for_is_cut_as_go_cuts_it() {
    let addresses: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let server = server(&[("r.example", &addresses)], Vec::new());
    let found = found(&lookup(&names(&[&server]), "r.example", LIMIT).await).len();
    assert!((60..80).contains(&found), "{found} fit into 1232 bytes");
    assert!(server.queries().iter().all(|query| query.transport == Over::Udp));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = failing(Fails::Truncate);
    let step = lookup(&names(&[&server]), "r.example", LIMIT).await;
    assert_eq!(found(&step), ["192.0.2.9"]);
    assert_eq!(step.facts().unwrap().nameservers[0].transport, crate::model::facts::Transport::Tcp);
    let over = |wanted| server.queries().iter().filter(|query| query.transport == wanted).count();
    assert_eq!((over(Over::Udp), over(Over::Tcp)), (2, 2));
}

#[tokio::test]
async fn use_vc_never_asks_over_udp() {
    let server = healthy();
    let mut names = names(&[&server]);
    names.resolv.use_tcp = true;
    assert_eq!(found(&lookup(&names, "r.example", LIMIT).await), ["192.0.2.1"]);
    assert!(server.queries().iter().all(|query| query.transport == Over::Tcp));
}

#[tokio::test]
async fn rotate_begins_each_question_with_the_next_server() {
    let one = server(&[("r.example", &["127.0.0.1", "::1"])], Vec::new());
    let two = server(&[("r.example", &["127.0.0.2", "2001:db8::2"])], Vec::new());
    let mut names = names(&[&one, &two]);
    let sorted = |step: &Step<DnsFacts>| {
        let mut found = found(step);
        found.sort();
        found
    };
    assert_eq!(sorted(&lookup(&names, "r.example", LIMIT).await), ["127.0.0.1", "::1"]);
    names.resolv.rotate = true;
    let mixed = sorted(&lookup(&names, "r.example", LIMIT).await);
    assert!(mixed == ["127.0.0.1", "2001:db8::2"] || mixed == ["127.0.0.2", "::1"], "{mixed:?}");
}
