//! The page as a browser would get it.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::cause::Cause;
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Endpoint, Scheme};
use crate::model::namespace::PlannedHost;
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::sample;
use crate::model::space::Space;
use crate::model::stage::Stage;
use crate::state::back_off::{BackOff, Subject};

fn shown(snapshot: &Snapshot) -> String {
    asked(snapshot, "")
}

fn asked(snapshot: &Snapshot, query: &str) -> String {
    html(snapshot, sample::now(), &Query::parse(query))
}

fn rich() -> String {
    shown(&sample::rich())
}

/// The page without its own style and script.
fn body(page: &str) -> &str {
    let (_, rest) = page.split_once("</head>").unwrap();
    rest.split_once("<script>").unwrap().0
}

/// Every opening tag of the page, without its attributes; a void one closes itself.
fn tags(page: &str) -> Vec<&str> {
    let pieces = page.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    pieces.map(|(tag, _)| tag.split(' ').next().unwrap()).collect()
}

#[test]
fn every_element_that_is_opened_is_closed_in_order() {
    let page = rich().replace(SCRIPT, "").replace(STYLE, "");
    let mut open = Vec::new();
    for tag in tags(&page) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if ["!doctype", "meta", "input"].contains(&tag) => {}
            None => open.push(tag),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_a_registry_writes_is_text_and_never_markup() {
    let page = rich();
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"));
    assert!(!page.contains(sample::MARKUP) && !body(&page).contains("<script"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = rich();
    for loader in ["src=", "@import", "url(", "<link", "<iframe", "http-equiv", "action=", "style="] {
        assert!(!page.contains(loader), "{loader}");
    }
    let links: Vec<&str> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    // Relative: the page may be behind a path of the API server's proxy.
    let own =
        |link: &str| link.starts_with(['?', '#']) || ["./", "metrics"].contains(&link) || link.starts_with("api/");
    assert!(links.len() > 6 && links.iter().all(|link| own(link)), "{links:?}");
}

#[test]
fn a_failing_image_stands_before_a_good_one_with_its_cause_its_fix_and_kubelets_words() {
    let page = rich();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(at("ghcr.io/example/private:1") < at("docker.io/library/busybox:1.36"));
    for text in [
        "credentials_rejected",
        "Log in anew and replace the entry",
        "kubelet would say",
        "failed to pull and unpack image &quot;ghcr.io/example/private:1&quot;",
        "does not run here",
        "unknown",
    ] {
        at(text);
    }
}

#[test]
fn a_dead_mirror_shows_where_it_died_and_what_it_costs() {
    let page = rich();
    for text in [
        "https://mirror.example:5000",
        "tcp_timeout",
        "Each request loses 30 s to dead hosts",
        "not since the start",
        "42 of 100 left in 6 h",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_host_that_others_send_to_stands_below_them_with_what_it_is_needed_for() {
    let page = rich();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(at("https://registry.k8s.io") < at("https://europe-west4-docker.pkg.dev"));
    assert!(at("https://europe-west4-docker.pkg.dev") < at("manifest, blob"));
}

#[test]
fn before_the_first_cycle_there_is_a_page_too() {
    let page = shown(&sample::empty());
    assert!(page.contains("the first cycle is running") && page.contains("No registry and no image is a target."));
}

#[test]
fn what_could_not_be_told_is_another_state_than_not_yet_looked_at() {
    let mut snapshot = sample::rich();
    let page = shown(&snapshot);
    assert!(page.contains("<b>1</b> unknown") && !page.contains("not looked at yet</a>"));
    snapshot.endpoints.clear();
    snapshot.images.clear();
    let page = shown(&snapshot);
    let targets = snapshot.targets.images.len() + snapshot.targets.namespaces.len();
    assert!(page.contains(&format!("<b>{targets}</b> not looked at yet")) && !page.contains("</b> unknown"), "{page}");
}

/// The names in the table, in its order.
fn names(page: &str) -> Vec<&str> {
    let rows = page.split("<summary>").skip(1);
    rows.map(|row| row.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0).collect()
}

#[test]
fn the_table_has_every_registry_and_image_and_the_worst_first() {
    let snapshot = sample::rich();
    let worst_first = [
        "ghcr.io",
        "ghcr.io/example/private:1",
        "quay.io",
        "quay.io/example/amd64-only:2",
        "docker.io",
        "docker.io/library/nginx:1.29",
        "docker.io/library/busybox:1.36",
        "registry.k8s.io",
    ];
    assert_eq!(names(&shown(&snapshot)), worst_first);
}

#[test]
fn a_row_says_since_when_it_is_so_and_what_happened_before() {
    let snapshot = sample::remembered(sample::rich());
    let page = shown(&snapshot);
    let row = |name: &str| {
        let row = page.split("<summary>").find(|row| row.contains(&format!("<code>{name}</code>"))).unwrap();
        row.split_once("<span class=\"since\">").unwrap().1.split_once("</span>").unwrap().0.to_owned()
    };
    for (name, since) in [
        // What fails, and what is degraded because of a host that does.
        ("ghcr.io/example/private:1", ">09:42</time>, 2nd time"),
        ("ghcr.io", ">09:42</time>, 2nd time"),
        ("docker.io", ">09:42</time>, 2nd time"),
        ("docker.io/library/busybox:1.36", "before <time"),
        ("registry.k8s.io", "before <time"),
    ] {
        assert!(row(name).contains(since), "{name}: {}", row(name));
    }
    let opened = page.split("<details").find(|row| row.contains("image-ghcr.io/example/private:1")).unwrap();
    for text in [
        "Failing since 09:42 UTC, for the 2nd time in 24 hours.",
        ">09:40</time> /etc/resolv.conf was changed",
        ">08:30</time> failing: credentials_rejected at ghcr.io:443",
    ] {
        assert!(opened.contains(text), "{text}: {opened}");
    }
}

#[test]
fn a_state_and_a_search_leave_the_rows_that_fit_and_counts_are_those_of_the_search() {
    let snapshot = sample::rich();
    let page = asked(&snapshot, "state=failing");
    assert_eq!(names(&page), ["ghcr.io", "ghcr.io/example/private:1", "quay.io", "quay.io/example/amd64-only:2"]);
    assert!(page.contains("4 of 8 fit.") && page.contains("href=\"?state=ok\"") && page.contains("<b>8</b> in all"));
    let page = asked(&snapshot, "state=failing&q=GHCR.io");
    assert_eq!(names(&page), ["ghcr.io", "ghcr.io/example/private:1"]);
    assert!(page.contains("value=\"GHCR.io\"") && page.contains("name=\"state\" value=\"failing\""));
    assert_eq!(names(&asked(&snapshot, "q=mirror.example")), ["docker.io"], "by the name of a host");
    assert_eq!(names(&asked(&snapshot, "q=credentials_rejected+image")), ["ghcr.io/example/private:1"], "by its cause");
    let page = asked(&snapshot, "q=nothing-like-it");
    assert!(page.contains("Nothing fits.") && page.contains("href=\"./\""));
    assert_eq!(names(&page), [""; 0]);
}

#[test]
fn what_the_address_asks_for_is_text_and_what_it_may_not_ask_for_is_told() {
    let page = asked(&sample::rich(), "q=%22%3E%3Cscript%3E&state=%3Cb%3E&x=y");
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\"") && page.contains("<code>state=&lt;b&gt;</code>"));
    assert!(page.contains("<code>x=y</code>") && page.contains("state=failing, degraded"));
}

/// What docs/deployment.md states, and what holds whatever is in it.
#[test]
fn a_page_has_a_bound() {
    let many = shown(&sample::remembered(sample::many(200, 200)));
    assert!(names(&many).len() == 300 && !many.contains("show only what has this name"), "each row opens");
    assert!(many.len() <= 640 << 10, "{} bytes", many.len());
    let more = shown(&sample::remembered(sample::many(500, 2_000)));
    assert!(more.len() <= 1_536 << 10, "{} bytes", more.len());
    assert!(more.contains("The first 600 are listed") && more.contains("show only what has this name"));
    println!("200 images and 200 hosts: {} bytes; 500 and 2,000: {} bytes", many.len(), more.len());
}

#[test]
fn one_registry_with_many_hosts_and_files_with_many_findings_take_no_more_than_their_share() {
    let mut snapshot = sample::rich();
    let namespace = snapshot.targets.namespaces.get_mut("docker.io").unwrap();
    let planned = namespace.hosts[0].clone();
    namespace.hosts = (0..10_000)
        .map(|at| PlannedHost { endpoint: Endpoint::new(Scheme::Https, format!("m-{at}.example")), ..planned.clone() })
        .collect();
    let long = Finding::new(Severity::Warning, "config_type", "<".repeat(2_000), "&".repeat(2_000)).in_file("/x");
    snapshot.state.findings = vec![long; 1_000];
    let page = shown(&snapshot);
    assert!(page.len() <= 512 << 10, "{} bytes", page.len());
    assert!(page.contains("It has 10000 hosts") && page.contains(" more are in the "), "what is left out is told");
}

#[test]
fn the_policy_allows_the_script_and_the_style_of_the_page_and_no_other() {
    let page = rich();
    let between = |open: &str, close: &str| page.split_once(open).unwrap().1.split_once(close).unwrap().0.to_owned();
    for (kind, text) in [("style", between("<style>", "</style>")), ("script", between("<script>", "</script>"))] {
        let allowed = format!("{kind}-src 'sha256-{}';", STANDARD.encode(sha2::Sha256::digest(&text)));
        assert!(POLICY.contains(&allowed), "{}", *POLICY);
    }
    assert!(!POLICY.contains("unsafe") && POLICY.starts_with("default-src 'none';"), "{}", *POLICY);
}

#[test]
fn a_failed_lookup_shows_what_each_nameserver_said() {
    let mut snapshot = sample::rich();
    let server = "<code>10.0.0.11:53</code> no answer over udp in 4 ms: dns_timeout";
    assert!(!shown(&snapshot).contains(server));
    let (key, mut report) = snapshot.endpoints.pop_first().map(|(key, report)| (key, report.as_ref().clone())).unwrap();
    let facts = report.stages.dns.facts().cloned();
    let failure = Failure::new(Stage::Dns, Cause::DnsTimeout, "said");
    report.stages.dns = Step::new(Outcome::Failed(failure, facts), SECOND);
    snapshot.endpoints.insert(key, Arc::new(report));
    let page = shown(&snapshot);
    assert!(page.contains(server) && page.contains("<code>10.0.0.10:53</code> NOERROR over udp in 4 ms</p>"));
}

#[test]
fn a_finding_of_no_file_has_no_empty_place() {
    let mut snapshot = sample::rich();
    snapshot.state.findings = vec![Finding::new(Severity::Warning, "clock_skew", "said", "fix it")];
    assert!(!shown(&snapshot).contains("<code></code>"));
}

#[test]
fn characters_that_turn_text_around_are_replaced() {
    let page = markup::finished(html! { "a\u{202e}b\u{1b}[31m" ("\tc\n'\u{200b}") });
    assert_eq!(page, "a\u{fffd}b\u{fffd}[31m\tc\n&#39;\u{fffd}");
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nothing_that_others_write_becomes_markup_wherever_it_is_shown() {
    let page = shown(&sample::hostile());
    let escaped = page.matches("&lt;script&gt;").count();
    assert!(escaped >= 20, "only {escaped} of the hostile texts are shown");
    assert!(!page.contains(sample::MARKUP) && page.matches("<script").count() == 1);
}

#[test]
fn an_image_shows_what_its_registry_warns_of_and_that_it_may_not_fit() {
    let mut snapshot = sample::rich();
    let mut image = snapshot.images["busybox:1.36"].as_ref().clone();
    image.warnings = vec!["this tag will be removed".to_owned().into()];
    let (needed_bytes, estimated_bytes) = (200_000_000, 700_000_000);
    image.space = Some(Space { needed_bytes, estimated_bytes, free_bytes: 300_000_000, available_bytes: 300_000_000 });
    let tight = image.finding().unwrap().message;
    snapshot.images.insert(image.requested.clone().into(), Arc::new(image));
    let page = shown(&snapshot);
    for text in [
        "the registry warns: this tag will be removed",
        &tight,
        "700.0 MB unpacked",
        "kubelet-config-json for docker.io",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_host_that_is_left_alone_says_why_and_until_when_and_keeps_its_last_result() {
    let mut snapshot = sample::rich();
    let key = snapshot.endpoints.keys().find(|(namespace, _)| namespace == "quay.io").unwrap().clone();
    let since = sample::now();
    let held = |asked| BackOff {
        reason: Cause::RegistryError,
        since,
        wait: 480 * SECOND,
        factor: 8,
        next_probe_at: since + 480 * SECOND,
        asked,
    };
    let later = |snapshot: &Snapshot, after: u32| html(snapshot, since + after * SECOND, &Query::default());
    snapshot.back_offs.insert(Subject::Host(key.clone()), held(false));
    let page = later(&snapshot, 90);
    for text in ["backing off: next probe in 6 min", "<b>registry_error</b> since 90 s, 8 intervals apart)", "90 s ago"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("backing off").count(), 1, "the host, and not the images that another may serve");
    assert!(later(&snapshot, 500).contains("next probe now"));
    snapshot.back_offs.insert(Subject::Host(key), held(true));
    let page = later(&snapshot, 90);
    assert!(page.contains("since 90 s, as the registry asked)"));
    assert_eq!(page.matches("backing off").count(), 2, "the host and the image that needs it");
}
