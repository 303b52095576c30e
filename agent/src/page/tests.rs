//! The page as a browser would get it.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::cause::Cause;
use crate::image::platform::Platform;
use crate::model::credential::CredentialSource;
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Endpoint, Scheme};
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::sample;
use crate::model::space::Space;
use crate::model::stage::Stage;
use crate::state::back_off::{BackOff, Subject};

fn rich() -> String {
    html(&sample::rich(), sample::now())
}

/// Every opening tag of the page, without its attributes; a void one closes itself.
fn tags(page: &str) -> Vec<&str> {
    let pieces = page.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    pieces.map(|(tag, _)| tag.split(' ').next().unwrap()).collect()
}

#[test]
fn every_element_that_is_opened_is_closed_in_order() {
    let page = rich();
    let mut open = Vec::new();
    for tag in tags(&page) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if ["!doctype", "meta"].contains(&tag) => {}
            None => open.push(tag),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_a_registry_writes_is_text_and_never_markup() {
    let page = rich();
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"));
    assert!(!page.contains(sample::MARKUP) && !page.contains("<script"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = rich();
    for loader in ["src=", "@import", "url(", "<link", "<script", "<iframe", "http-equiv=\"set"] {
        assert!(!page.contains(loader), "{loader}");
    }
    let links: Vec<&str> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.iter().all(|link| link.starts_with('/')), "{links:?}");
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
        "each request loses 30 s to dead hosts",
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
    let page = html(&sample::empty(), sample::now());
    assert!(page.contains("the first cycle is running") && page.contains("No image is a target."));
}

#[test]
fn what_could_not_be_told_is_counted_too_and_is_another_thing_than_not_yet_looked_at() {
    let mut snapshot = sample::rich();
    let page = html(&snapshot, sample::now());
    let open = snapshot.images.values().filter(|image| image.verdict.pullable.is_none()).count();
    let words = if open == 1 { "image unknown" } else { "images unknown" };
    assert!(open > 0 && page.contains(&format!("<li class=\"doubt\"><b>{open}</b> {words}</li>")), "{open}");
    snapshot.endpoints.clear();
    snapshot.images.clear();
    let page = html(&snapshot, sample::now());
    let registries = page.split("<h2>Registries</h2>").nth(1).unwrap();
    assert!(!registries.contains("</i>unknown</span>") && registries.contains("</i>not looked at yet</span>"));
    assert!(!page.contains(" unknown</li>"));
}

#[test]
fn a_failed_lookup_shows_what_each_nameserver_said() {
    let mut snapshot = sample::rich();
    let server = "<code>10.0.0.11:53</code> no answer over udp in 4 ms: dns_timeout";
    assert!(!html(&snapshot, sample::now()).contains(server));
    let (key, mut report) = snapshot.endpoints.pop_first().map(|(key, report)| (key, report.as_ref().clone())).unwrap();
    let facts = report.stages.dns.facts().cloned();
    let failure = Failure::new(Stage::Dns, Cause::DnsTimeout, "said");
    report.stages.dns = Step::new(Outcome::Failed(failure, facts), SECOND);
    snapshot.endpoints.insert(key, Arc::new(report));
    let page = html(&snapshot, sample::now());
    assert!(page.contains(server) && page.contains("<code>10.0.0.10:53</code> NOERROR over udp in 4 ms</p>"));
}

#[test]
fn a_finding_of_no_file_has_no_empty_place() {
    let mut snapshot = sample::rich();
    snapshot.state.findings = vec![Finding::new(Severity::Warning, "clock_skew", "said", "fix it")];
    assert!(!html(&snapshot, sample::now()).contains("<code></code>"));
}

#[test]
fn characters_that_turn_text_around_are_replaced() {
    let page = markup::finished(html! { "a\u{202e}b\u{1b}[31m" ("\tc\n'\u{200b}") });
    assert_eq!(page, "a\u{fffd}b\u{fffd}[31m\tc\n&#39;\u{fffd}");
}

/// Whatever others may have written holds markup.
fn hostile() -> Snapshot {
    let mut snapshot = sample::rich();
    let evil = || sample::MARKUP.to_owned();
    snapshot.node = evil();
    snapshot.state.containerd.config_files = vec![evil()];
    snapshot.state.containerd.config_path = vec![evil()];
    snapshot.config.hash = Some(evil());
    let mut image = snapshot.images["busybox:1.36"].as_ref().clone();
    image.requested = evil().into();
    image.image.as_mut().unwrap().repository = evil();
    image.warnings = vec![evil().into()];
    image.verdict.summary = evil().into();
    image.verdict.fix = format!("`{}`", sample::MARKUP).into();
    image.verdict.kubelet_message = Some(evil().into());
    image.verdict.host = Some(evil().into());
    image.credential.as_mut().unwrap().key = evil().into();
    image.credential.as_mut().unwrap().source = CredentialSource::Provider(evil().into());
    image.blob.as_mut().unwrap().redirect_host = Some(evil().into());
    image.platform.offered = vec![Platform::new(sample::MARKUP, "amd64", "")];
    let mut attempt = snapshot.images["ghcr.io/example/private:1"].attempts[0].clone();
    attempt.endpoint = Endpoint::new(Scheme::Https, sample::MARKUP);
    attempt.detail = evil().into();
    image.attempts = vec![attempt];
    snapshot.targets.images = [evil(), format!("waiting {}", sample::MARKUP)].into();
    snapshot.images = [(evil(), Arc::new(image))].into();
    let finding = Finding::new(Severity::Warning, "config_type", evil(), evil()).in_file(evil());
    snapshot.state.findings = vec![finding];
    let (key, mut report) = snapshot.endpoints.pop_first().map(|(key, report)| (key, report.as_ref().clone())).unwrap();
    report.stages.ping =
        Step::new(Outcome::Failed(Failure::new(Stage::Ping, Cause::RegistryError, evil()), None), SECOND);
    snapshot.endpoints.insert(key, Arc::new(report));
    let namespace = snapshot.targets.namespaces.values().next().unwrap().clone();
    snapshot.targets.namespaces.insert(evil(), namespace);
    snapshot
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nothing_that_others_write_becomes_markup_wherever_it_is_shown() {
    let page = html(&hostile(), sample::now());
    let escaped = page.matches("&lt;script&gt;").count();
    assert!(escaped >= 20, "only {escaped} of the hostile texts are shown");
    assert!(!page.contains(sample::MARKUP) && !page.contains("<script"));
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
    let page = html(&snapshot, sample::now());
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
    let shown = |snapshot: &Snapshot, after: u32| html(snapshot, since + after * SECOND);
    snapshot.back_offs.insert(Subject::Host(key.clone()), held(false));
    let page = shown(&snapshot, 90);
    for text in ["backing off: next probe in 6 min", "<b>registry_error</b> since 90 s, 8 intervals apart)", "90 s ago"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("backing off").count(), 1, "the host, and not the images that another may serve");
    assert!(shown(&snapshot, 500).contains("next probe now"));
    snapshot.back_offs.insert(Subject::Host(key), held(true));
    let page = shown(&snapshot, 90);
    assert!(page.contains("since 90 s, as the registry asked)"));
    assert_eq!(page.matches("backing off").count(), 2, "the host and the image that needs it");
}
