use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::record::ENTRIES;
use super::*;
use crate::cause::Cause;
use crate::model::report::EndpointReport;
use crate::model::sample;
use crate::model::stage::Stage;
use crate::redact::clean::Clean;

mod from_file;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_255_200 + second).unwrap()
}

fn well() -> State {
    State { ok: Some(true), is_only_pulled: false, stage: None, host: None, cause: None }
}

fn failing(cause: Cause) -> State {
    let host = Some(State::shared(&"r.example:443".into()));
    State { ok: Some(false), stage: Some(Stage::Dns), host, cause: Some(cause), ..well() }
}

fn unknown() -> State {
    State { ok: None, ..well() }
}

fn image(number: usize) -> Subject {
    Subject::Image(format!("r.example/app{number}:1"))
}

fn host(registry: &str) -> Subject {
    Subject::Host { namespace: registry.to_owned(), endpoint: format!("https://{registry}") }
}

/// With these answers of one image, each at its second.
fn with(answers: &[(i64, State)]) -> Histories {
    let mut histories = Histories::default();
    for (second, state) in answers {
        histories.note(image(0), Some("r.example"), state.clone(), at(*second));
    }
    histories
}

fn of(histories: &Histories) -> History<'_> {
    histories.of(&image(0), Some("r.example")).unwrap()
}

#[test]
fn an_answer_is_a_change_when_it_differs_and_tells_what_it_was_before_and_for_how_long() {
    let mut histories = Histories::default();
    let mut note = |state, second| histories.note(image(0), None, state, at(second));
    assert_eq!(note(well(), 0), None, "all is well at the start");
    let change = note(failing(Cause::DnsTimeout), 300).unwrap();
    assert_eq!(change.before, Some((well(), SignedDuration::from_secs(300))));
    assert_eq!((change.failing_since, change.failures), (Some(at(300)), 1));
    assert_eq!(note(failing(Cause::DnsTimeout), 600), None, "the same again");
    let change = note(failing(Cause::TcpRefused), 900).unwrap();
    assert_eq!((change.now.since, change.failing_since, change.failures), (at(900), Some(at(300)), 1));
    let change = note(well(), 7_500).unwrap();
    assert_eq!((change.failing_since, change.failures), (None, 1));
    assert_eq!(note(failing(Cause::TcpRefused), 7_600).unwrap().failures, 2);
}

#[test]
fn what_fails_from_the_start_is_told_at_once_and_is_marked_so() {
    let mut histories = Histories::default();
    let change = histories.note(image(0), None, unknown(), at(0)).unwrap();
    assert!(change.before.is_none() && change.now.from_start && change.now.since == change.at);
    let mut restored = Histories::from_text(&histories.to_text(at(1)), at(2)).unwrap().histories;
    let change = restored.note(image(0), None, unknown(), at(3)).unwrap();
    assert!(change.before.is_none() && change.now.since < change.at, "it is no first answer");
    assert!(!histories.note(image(0), None, well(), at(1)).unwrap().now.from_start);
}

#[test]
fn another_cause_or_an_unknown_answer_in_between_is_no_second_failure() {
    let (a, b) = (failing(Cause::DnsTimeout), failing(Cause::TcpRefused));
    let mut histories = with(&[(0, well()), (60, a.clone()), (120, unknown()), (180, b)]);
    assert_eq!((of(&histories).failing_since(), of(&histories).failures(at(200))), (Some(at(60)), 1));
    histories.note(image(0), None, unknown(), at(240));
    assert_eq!(of(&histories).failing_since(), None, "whether it still fails is unknown");
    histories.note(image(0), None, well(), at(300));
    histories.note(image(0), None, a, at(360));
    assert_eq!((of(&histories).failing_since(), of(&histories).failures(at(400))), (Some(at(360)), 2));
}

#[test]
fn however_many_causes_it_has_what_fails_has_failed_since_its_first_one() {
    let mut histories = Histories::default();
    let mut change = None;
    for step in 0..200 {
        let cause = if step % 2 == 0 { Cause::TcpRefused } else { Cause::DnsTimeout };
        change = histories.note(image(0), None, failing(cause), at(step * 5));
    }
    let begun = Failing { since: at(0), from_start: true };
    assert_eq!(change.unwrap().failing_since, Some(begun.since));
    assert!(of(&histories).left_out(at(1_000)) > 0);
    assert_eq!(of(&histories).failing(), Some(begun));
    let restored = Histories::from_text(&histories.to_text(at(1_000)), at(1_001)).unwrap().histories;
    assert_eq!(restored.records[&image(0)].failing(), Some(begun), "also over a restart");
    histories.note(image(0), None, well(), at(1_002));
    histories.note(image(0), None, failing(Cause::TcpRefused), at(1_003));
    assert_eq!(of(&histories).failing(), Some(Failing { since: at(1_003), from_start: false }));
}

#[test]
fn what_fails_for_days_has_failed_since_the_first_of_them() {
    let (a, b, c) = (failing(Cause::DnsTimeout), failing(Cause::TcpRefused), failing(Cause::RegistryError));
    let histories = with(&[(0, well()), (HOUR, a), (24 * HOUR, b), (49 * HOUR, unknown()), (50 * HOUR, c)]);
    assert_eq!(of(&histories).failing_since(), Some(at(HOUR)));
    assert_eq!(of(&histories).failures(at(50 * HOUR)), 1);
    let text = histories.to_text(at(50 * HOUR));
    let restored =
        |text: &str| Histories::from_text(text, at(50 * HOUR)).unwrap().histories.records[&image(0)].failing();
    assert_eq!(restored(&text).unwrap().since, at(HOUR));
    let kept = serde_json::from_str::<serde_json::Value>(&text).unwrap()["targets"][0]["failing"].to_string();
    let of_an_earlier_version = text.replace(&format!(",\"failing\":{kept}"), "");
    assert_ne!(text, of_an_earlier_version);
    assert_eq!(restored(&of_an_earlier_version).unwrap().since, at(24 * HOUR), "as far as its changes tell");
}

/// It is pulled, and the page shows it as failing.
#[test]
fn an_image_that_is_pulled_and_does_not_start_fails() {
    let mut report = sample::rich().images["busybox:1.36"].as_ref().clone();
    report.verdict =
        crate::model::verdict::Verdict { pullable: Some(true), runnable: Some(true), cause: None, ..report.verdict };
    let mut histories = Histories::default();
    assert_eq!(histories.note_image(&report, at(0)), None);
    (report.verdict.runnable, report.verdict.cause) = (Some(false), Some(Cause::PlatformMismatch));
    let change = histories.note_image(&report, at(60)).unwrap();
    assert_eq!((change.failing_since, change.now.state.ok, change.failures), (Some(at(60)), Some(false), 1));
    report.verdict.pullable = Some(false);
    let change = histories.note_image(&report, at(120)).unwrap();
    assert!(change.before.unwrap().0.is_only_pulled && !change.now.state.is_only_pulled, "the pull fails now, too");
    let subject = Subject::Image("busybox:1.36".to_owned());
    let restored = Histories::from_text(&histories.to_text(at(121)), at(121)).unwrap().histories;
    assert_eq!(restored.records[&subject].entries, histories.records[&subject].entries);
}

#[test]
fn what_the_file_says_comes_before_what_was_seen_since_the_start_however_late_it_is_read() {
    let mut before = with(&[(0, well()), (60, failing(Cause::DnsTimeout))]);
    before.happened(Happening::of_node(at(59), journal::What::File, "earlier"), at(59));
    let text = before.to_text(at(61));
    let read = || Histories::from_text(&text, at(100)).unwrap().histories;
    let mut histories = with(&[(100, failing(Cause::DnsTimeout)), (160, well())]);
    histories.happened(Happening::of_node(at(101), journal::What::File, "later"), at(101));
    let revision = histories.revision();
    histories.begin_with(read(), at(200));
    assert!(histories.revision() > revision);
    let since: Vec<Timestamp> = of(&histories).entries(at(200)).map(|entry| entry.since).collect();
    assert_eq!(since, [at(160), at(60), at(0)], "it failed all the time");
    let told: Vec<&str> = histories.journal().all().map(|it| it.detail.as_str()).collect();
    assert_eq!(told, ["earlier", "later"]);
    let mut histories = with(&[(100, well())]);
    histories.begin_with(read(), at(200));
    let entries: Vec<&Entry> = of(&histories).entries(at(200)).collect();
    assert_eq!((entries.len(), entries[0].from_start), (3, false), "it was otherwise before");
}

#[test]
fn what_was_over_a_day_ago_is_gone_and_what_goes_on_since_then_is_not() {
    let histories =
        with(&[(0, well()), (HOUR, failing(Cause::DnsTimeout)), (2 * HOUR, well()), (30 * HOUR, unknown())]);
    let since = |now| of(&histories).entries(at(now)).map(|entry| entry.since).collect::<Vec<_>>();
    assert_eq!(since(30 * HOUR), [at(30 * HOUR), at(2 * HOUR)], "it was well when the day began");
    assert_eq!(of(&histories).failures(at(30 * HOUR)), 0);
    let histories = with(&[(0, well()), (HOUR, failing(Cause::DnsTimeout))]);
    assert_eq!((of(&histories).failures(at(90 * HOUR)), of(&histories).since()), (1, at(HOUR)));
}

#[test]
fn a_clock_that_is_set_back_leaves_nothing_in_the_future() {
    let mut histories = with(&[(10 * HOUR, well()), (11 * HOUR, failing(Cause::DnsTimeout))]);
    histories.happened(Happening::of_node(at(11 * HOUR), journal::What::File, "/etc/hosts is new"), at(11 * HOUR));
    histories.retain(std::iter::once(Subject::Image("r.example/app0:1".to_owned())), at(0));
    assert_eq!((of(&histories).since(), of(&histories).failures(at(0))), (at(0), 1));
    assert!(histories.journal().all().all(|happening| happening.at == at(0)));
    let change = histories.note(image(0), None, well(), at(60)).unwrap();
    assert_eq!(change.before.unwrap().1, SignedDuration::from_secs(60));
}

#[test]
fn a_node_that_hears_the_time_at_last_does_not_say_that_it_fails_since_1970() {
    let mut histories = Histories::default();
    let booted = Timestamp::UNIX_EPOCH;
    let soon = booted + SignedDuration::from_secs(60);
    histories.note(image(0), None, failing(Cause::DnsTimeout), booted);
    histories.note(image(0), None, failing(Cause::TcpRefused), soon);
    histories.note(image(1), None, well(), booted);
    let revision = histories.revision();
    histories.clock_jumped(SignedDuration::from_secs(600), soon);
    assert_eq!((of(&histories).failing_since(), histories.revision()), (Some(booted), revision), "that may be right");
    histories.clock_jumped(at(0).duration_since(soon), at(0));
    assert_eq!(of(&histories).failing(), Some(Failing { since: at(0), from_start: true }));
    assert_eq!((of(&histories).entries(at(0)).count(), of(&histories).failures(at(0))), (1, 1));
    let other = histories.of(&image(1), None).unwrap();
    assert_eq!((other.since(), other.from_start(), other.failing_since()), (at(0), true, None));
    assert!(histories.revision() > revision);
    // A probe that began before the jump ends after it, with another answer or with the first one.
    histories.note(image(0), None, failing(Cause::DnsTimeout), soon);
    histories.note(image(2), None, failing(Cause::DnsTimeout), soon);
    for nth in [0, 2] {
        assert_eq!(histories.of(&image(nth), None).unwrap().failing_since(), Some(at(0)), "{nth}");
    }
}

#[test]
fn a_target_that_is_gone_is_forgotten_and_what_the_file_knows_waits_for_its_target() {
    let mut histories = with(&[(0, failing(Cause::DnsTimeout))]);
    let text = histories.to_text(at(1));
    histories.retain(std::iter::empty(), at(2));
    assert!(histories.of(&image(0), None).is_none());
    let mut restored = Histories::from_text(&text, at(10)).unwrap().histories;
    restored.retain(std::iter::empty(), at(11));
    assert!(restored.of(&image(0), None).is_none(), "nobody has looked yet");
    let change = restored.note(image(0), None, failing(Cause::DnsTimeout), at(12)).unwrap();
    assert_eq!((change.before, change.now.since), (None, at(0)), "told once after a start, with when it began");
    assert_eq!(restored.note(image(0), None, failing(Cause::DnsTimeout), at(13)), None);
    let mut restored = Histories::from_text(&text, at(10)).unwrap().histories;
    restored.retain(std::iter::empty(), at(2 * HOUR));
    assert_eq!(restored.records.len(), 0, "it never came");
}

#[test]
fn what_happened_to_the_node_and_to_its_own_registry_just_before_is_told_with_a_change() {
    let mut histories = Histories::default();
    let file = |second, name: &str| Happening::of_node(at(second), journal::What::File, name);
    let certificate = |of: &str| Happening::of_host(host(of), at(HOUR - 20), journal::What::Certificate, of);
    let happened = [file(0, "long ago"), file(HOUR - 60, "lately"), certificate("r.example"), certificate("x.example")];
    for happening in happened.into_iter().chain([file(HOUR + 1, "later")]) {
        let now = happening.at;
        histories.happened(happening, now);
    }
    let change = histories.note(image(0), Some("r.example"), failing(Cause::DnsTimeout), at(HOUR)).unwrap();
    let told = |happenings: Vec<&Happening>| happenings.iter().map(|it| it.detail.to_string()).collect::<Vec<_>>();
    assert_eq!(told(change.preceded_by.iter().collect()), ["r.example", "lately"]);
    let history = of(&histories);
    let entry = history.entries(at(HOUR)).next().unwrap();
    assert_eq!(told(history.preceded_by(entry)), ["r.example", "lately"]);
}

/// A host with this certificate and these addresses.
fn seen(sha256: &str, addresses: &[&str]) -> EndpointReport {
    let mut report = sample::presenting("r.example", "CN=A", true);
    let crate::model::outcome::Outcome::Passed(tls) = &mut report.stages.tls.outcome else { panic!("no TLS") };
    Arc::make_mut(&mut tls.chain)[0].sha256 = sha256.to_owned();
    let crate::model::outcome::Outcome::Passed(dns) = &mut report.stages.dns.outcome else { panic!("no DNS") };
    dns.addresses = addresses.iter().map(|it| it.parse::<std::net::IpAddr>().unwrap().into()).collect();
    report
}

#[test]
fn another_certificate_or_other_addresses_are_told_once_and_what_takes_turns_is_no_news() {
    let mut histories = Histories::default();
    let mut look = |sha256, addresses: &[&str]| {
        let before = histories.journal().all().count();
        histories.note_endpoint(&seen(sha256, addresses), at(0));
        histories.journal().all().skip(before).map(|it| it.detail.to_string()).collect::<Vec<_>>()
    };
    assert!(look("aa", &["192.0.2.1", "192.0.2.2"]).is_empty(), "the first look has no news");
    assert!(look("aa", &["192.0.2.2", "192.0.2.3"]).is_empty(), "one of them is known");
    let news = look("bb", &["192.0.2.9"]);
    assert!(
        news[0].starts_with("https://r.example shows another certificate, issued by `CN=A` and valid until 20"),
        "{news:?}"
    );
    assert_eq!(news[1], "r.example has other addresses: 192.0.2.9; before, 192.0.2.2, 192.0.2.3");
    assert!(look("aa", &["192.0.2.1"]).is_empty() && look("bb", &["192.0.2.9"]).is_empty(), "both are known");
}

/// Numbers that look random and are the same each time.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

/// What a full history takes, as the allocator sees it.
fn bytes(histories: &Histories) -> usize {
    let entry = size_of::<Entry>();
    let hosts = |record: &Record| {
        let all: BTreeSet<*const Clean> =
            record.entries.iter().filter_map(|it| it.state.host.as_ref().map(Arc::as_ptr)).collect();
        all.len() * (16 + size_of::<Clean>() + "registry-000.example.internal:5000".len())
    };
    let record = |record: &Arc<Record>| size_of::<Record>() + 16 + record.entries.capacity() * entry + hosts(record);
    let names: usize = histories.records.keys().map(|_| size_of::<Subject>() + 128).sum();
    let journal: usize = histories.journal().all().map(|it| size_of::<Happening>() + 24 + it.detail.len()).sum();
    histories.records.values().map(record).sum::<usize>() + names + journal
}

#[test]
fn whatever_flaps_however_often_it_stays_small_and_says_what_is_left_out() {
    let mut histories = Histories::default();
    let mut number = numbers();
    let mut begun: BTreeMap<Subject, Timestamp> = BTreeMap::new();
    let causes = [Cause::DnsTimeout, Cause::TcpRefused, Cause::TlsExpired, Cause::RegistryError];
    for step in 0..60_000_i64 {
        let target = number(400);
        let subject = if target < 200 { image(target) } else { host(&format!("r{target}.example")) };
        let state = match number(6) {
            0 | 1 => well(),
            2 => unknown(),
            cause => State {
                host: Some(State::shared(&format!("h{}.example:443", number(3)).into())),
                ..failing(causes[cause - 2])
            },
        };
        match state.ok {
            Some(true) => drop(begun.remove(&subject)),
            Some(false) => _ = begun.entry(subject.clone()).or_insert(at(step)),
            None => {}
        }
        let (fails, since) = (state.ok == Some(false), begun.get(&subject).copied());
        histories.note(subject.clone(), Some("r.example"), state, at(step));
        let shown = histories.of(&subject, None).unwrap().failing_since();
        assert_eq!(shown, since.filter(|_| fails), "{subject:?} at {step}");
        if number(4) == 0 {
            let detail = "x".repeat(number(900));
            let happening = match number(2) {
                0 => Happening::of_node(at(step), journal::What::File, &detail),
                _ => Happening::of_host(subject, at(step), journal::What::Certificate, &detail),
            };
            histories.happened(happening, at(step));
        }
        if step % 1_000 == 0 {
            assert!(histories.records.values().all(|record| (1..=ENTRIES).contains(&record.entries.len())));
            assert!(histories.records.values().map(|it| it.entries.len()).sum::<usize>() <= TOTAL);
            assert!(histories.journal().all().count() <= journal::LIMIT);
            assert!(histories.journal().all().all(|happening| happening.detail.len() <= 300));
        }
    }
    assert_eq!(size_of::<Entry>(), 40);
    assert!(bytes(&histories) < 1 << 20, "{}", bytes(&histories));
    let now = at(60_000);
    let all: Vec<History<'_>> = histories.records.keys().filter_map(|subject| histories.of(subject, None)).collect();
    assert_eq!(all.len(), 400);
    for history in all {
        assert!(history.left_out(now) > 0 && history.failures(now) > 0 && history.failures(now) <= ENTRIES);
        assert!(history.entries(now).is_sorted_by(|newer, older| newer.since >= older.since));
        assert!(history.entries(now).collect::<Vec<_>>().windows(2).all(|pair| pair[0].state != pair[1].state));
    }
    let text = histories.to_text(now);
    assert!((text.len() as u64) < saved::SIZE_LIMIT, "{}", text.len());
    let restored = Histories::from_text(&text, now).unwrap().histories;
    assert_eq!(restored.to_text(now), text, "nothing is lost on the way through the file");
}

#[test]
fn a_host_that_changes_at_each_look_pushes_nothing_else_out_of_the_journal() {
    let mut histories = Histories::default();
    histories.happened(Happening::of_node(at(0), journal::What::Clock, "the clock"), at(0));
    for number in 0..2_000 {
        let of = host(&format!("r{}.example", number % 300));
        histories.happened(Happening::of_host(of, at(number), journal::What::Certificate, "another"), at(number));
    }
    assert!(histories.journal().all().any(|happening| happening.detail == "the clock"));
    let of_one = host("r299.example");
    let of_one = histories.journal().all().filter(|happening| happening.host.as_ref() == Some(&of_one)).count();
    assert!(of_one <= 4, "{of_one}");
}
