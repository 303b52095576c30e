//! The exposition as a scraper and its linter see it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::detail::{Target, series};
use super::*;
use crate::cause::Cause;
use crate::model::facts::NameSource;
use crate::model::host::{Capabilities, Endpoint, Scheme};
use crate::model::namespace::PlannedHost;
use crate::model::outcome::Outcome;
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::sample;
use crate::state::back_off::{BackOff, Subject};

/// What may stand in no label as it is.
const LONG_NAME: &str = "a\"b\\c\nd";

const FULL: Shape = Shape { node_label: false, detail: Detail::Full };
const STAMPED: Shape = Shape { node_label: true, detail: Detail::Full };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rich() -> String {
    exposition(&sample::rich(), FULL).unwrap()
}

fn has(text: &str, series: &str) -> bool {
    text.lines().any(|line| line == series)
}

#[test]
fn each_stage_that_was_tried_has_a_value_and_the_others_have_none() {
    let text = rich();
    let host = r#"namespace="docker.io",endpoint="https://mirror.example:5000",role="mirror""#;
    assert!(has(&text, &format!("pullprobe_endpoint_up{{{host}}} 0")), "{text}");
    assert!(has(&text, &format!("pullprobe_endpoint_stage_up{{{host},stage=\"dns\"}} 1")));
    assert!(has(&text, &format!("pullprobe_endpoint_stage_up{{{host},stage=\"tcp\"}} 0")));
    assert!(has(&text, &format!("pullprobe_endpoint_stage_duration_seconds{{{host},stage=\"tcp\"}} 5")));
    assert!(!text.contains(&format!("{host},stage=\"tls\"")));
    assert!(has(&text, &format!("pullprobe_endpoint_failure_info{{{host},stage=\"tcp\",cause=\"tcp_timeout\"}} 1")));
    assert!(has(&text, &format!("pullprobe_endpoint_addresses{{{host},family=\"ipv4\",state=\"down\"}} 1")));
    assert!(!text.contains(&format!("pullprobe_endpoint_last_success_timestamp_seconds{{{host}}}")));
}

#[test]
fn a_host_that_others_send_to_is_up_without_being_a_registry() {
    let text = rich();
    let host = r#"namespace="registry.k8s.io",endpoint="https://europe-west4-docker.pkg.dev",role="redirect""#;
    assert!(has(&text, &format!("pullprobe_endpoint_up{{{host}}} 1")), "{text}");
    assert!(has(&text, &format!("pullprobe_endpoint_stage_up{{{host},stage=\"tls\"}} 1")));
    assert!(!text.contains(&format!("{host},stage=\"ping\"")));
    let key = r#"namespace="registry.k8s.io",endpoint="https://europe-west4-docker.pkg.dev""#;
    assert!(has(&text, &format!("pullprobe_probes_total{{{key}}} 1")));
}

#[test]
fn a_namespace_is_folded_over_its_hosts() {
    let text = rich();
    assert!(has(&text, r#"pullprobe_namespace_pullable{namespace="docker.io"} 1"#));
    assert!(has(&text, r#"pullprobe_namespace_degraded{namespace="docker.io"} 1"#));
    assert!(has(&text, r#"pullprobe_namespace_fallback_delay_seconds{namespace="docker.io"} 30"#), "{text}");
    assert!(has(&text, r#"pullprobe_namespace_pullable{namespace="ghcr.io"} 0"#));
    assert!(has(&text, r#"pullprobe_nameserver_up{nameserver="10.0.0.10:53"} 1"#));
    assert!(has(&text, r#"pullprobe_nameserver_up{nameserver="10.0.0.11:53"} 0"#));
}

/// It has less time to answer for such a name than for one that a pull asks about.
#[test]
fn a_nameserver_that_is_silent_about_names_of_the_hosts_file_is_not_called_dead() {
    let mut snapshot = sample::rich();
    for report in snapshot.endpoints.values_mut() {
        let mut own = EndpointReport::clone(report);
        if let Outcome::Passed(facts) | Outcome::Failed(_, Some(facts)) = &mut own.stages.dns.outcome {
            facts.source = NameSource::HostsFile;
        }
        *report = Arc::new(own);
    }
    let text = exposition(&snapshot, FULL).unwrap();
    assert!(has(&text, r#"pullprobe_nameserver_up{nameserver="10.0.0.10:53"} 1"#));
    assert!(!text.contains("10.0.0.11:53"));
}

#[test]
fn an_image_that_could_not_be_told_has_no_verdict_but_a_time() {
    let text = rich();
    assert!(has(&text, r#"pullprobe_image_pullable{image="docker.io/library/busybox:1.36"} 1"#));
    assert!(has(&text, r#"pullprobe_image_platform_supported{image="quay.io/example/amd64-only:2"} 0"#));
    assert!(!text.contains(r#"pullprobe_image_pullable{image="docker.io/library/nginx:1.29"}"#));
    assert!(text.contains(r#"pullprobe_image_last_probe_timestamp_seconds{image="docker.io/library/nginx:1.29"}"#));
    let failure =
        r#"{image="ghcr.io/example/private:1",stage="token",cause="credentials_rejected",owner="credentials"} 1"#;
    assert!(text.contains(failure));
}

#[test]
fn exactly_one_limit_state_is_1() {
    let text = rich();
    let of = |host: &str| {
        let label = format!("endpoint=\"https://{host}\"");
        let lines =
            text.lines().filter(|line| line.starts_with("pullprobe_rate_limit_state{") && line.contains(&label));
        lines
            .map(|line| line.rsplit_once("state=").unwrap().1.to_owned())
            .filter(|line| line.ends_with(" 1"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("registry-1.docker.io"), ["\"limited\"} 1"]);
    assert_eq!(of("quay.io"), ["\"blocked\"} 1"]);
    assert_eq!(of("registry.k8s.io"), ["\"unknown\"} 1"]);
    assert!(text.contains("pullprobe_rate_limit_retry_after_timestamp_seconds{namespace=\"quay.io\",endpoint=\"https://quay.io\"} 1795168920"));
}

#[test]
fn counters_of_known_targets_start_at_0() {
    let text = rich();
    let hub = r#"endpoint="https://registry-1.docker.io""#;
    assert!(has(&text, &format!("pullprobe_registry_requests_total{{{hub},kind=\"ping\"}} 12")));
    assert!(has(&text, &format!("pullprobe_registry_requests_total{{{hub},kind=\"blob\"}} 0")));
    assert!(has(
        &text,
        &format!(
            "pullprobe_probe_failures_total{{namespace=\"docker.io\",{hub},stage=\"dns\",cause=\"unclassified\"}} 0"
        )
    ));
    assert!(has(&text, &format!("pullprobe_probes_total{{namespace=\"docker.io\",{hub}}} 1")));
    assert!(has(&text, r#"pullprobe_probe_duration_seconds_bucket{namespace="docker.io",le="0.1"} 2"#), "{text}");
}

#[test]
fn what_is_left_alone_shows_how_far_apart_its_probes_are_and_all_else_zero() {
    let mut snapshot = sample::rich();
    let key = snapshot.endpoints.keys().find(|(namespace, _)| namespace == "quay.io").unwrap().clone();
    let back_off = BackOff {
        reason: Cause::Throttled,
        since: sample::now(),
        wait: Duration::from_mins(8),
        factor: 8,
        next_probe_at: sample::now(),
        asked: true,
    };
    snapshot.back_offs.insert(Subject::Host(key), back_off);
    let text = exposition(&snapshot, FULL).unwrap();
    let put_off: Vec<&str> =
        text.lines().filter(|line| line.contains("_probe_backoff_seconds{") && !line.ends_with(" 0")).collect();
    assert_eq!(
        put_off,
        [
            r#"pullprobe_probe_backoff_seconds{namespace="quay.io",endpoint="https://quay.io"} 480"#,
            r#"pullprobe_image_probe_backoff_seconds{image="quay.io/example/amd64-only:2"} 480"#,
        ]
    );
    let all = text.lines().filter(|line| line.contains("_probe_backoff_seconds{")).count();
    assert_eq!(all, snapshot.endpoints.len() + snapshot.images.len());
}

#[test]
fn a_label_is_bounded_and_escaped_and_a_stamp_is_on_every_series() {
    let mut snapshot = sample::rich();
    snapshot.node = LONG_NAME.to_owned() + &"é".repeat(600);
    let text = exposition(&snapshot, STAMPED).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    assert!(series.clone().count() > 100 && series.clone().all(|line| line.contains(r#"node="a\"b\\cd"#)));
    assert!(series.clone().all(|line| line.len() < 1_000));
}

#[test]
fn the_rich_sample_has_a_series_of_every_family() {
    let text = rich();
    let missing: Vec<_> =
        families().map(|family| family.name).filter(|name| !text.contains(&format!("\n{name}"))).collect();
    assert!(missing.is_empty() && text.contains("process_cpu_seconds_total"), "{missing:?}");
}

#[test]
fn the_names_are_those_that_rules_and_dashboards_rely_on() {
    let listed = std::fs::read_to_string(root().join("tests/fixtures/metric-names.txt")).unwrap();
    let names: Vec<_> = families().map(|family| family.name).collect();
    let unique: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len());
    assert_eq!(unique, listed.lines().collect());
}

#[test]
fn standard_has_the_series_of_full_or_none_and_of_a_part_those_that_are_named() {
    let full = rich();
    let standard = exposition(&sample::rich(), Shape::default()).unwrap();
    let of = |text: &str, family: &Family| {
        let starts = |line: &&str| line.strip_prefix(family.name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
        text.lines().filter(starts).map(str::to_owned).collect::<Vec<_>>()
    };
    for family in families().filter(|family| family.kind != Kind::Histogram) {
        let (more, less) = (of(&full, family), of(&standard, family));
        match family.standard {
            Standard::Whole => assert_eq!(more, less),
            Standard::Nothing => assert!(less.is_empty(), "{less:?}"),
            Standard::Part { .. } => {
                assert!(less.iter().all(|line| more.contains(line) && !line.ends_with(" 0")), "{less:?}");
            }
        }
    }
    assert!(!standard.contains("pullprobe_probe_duration_seconds"));
    assert!(has(
        &standard,
        r#"pullprobe_rate_limit_state{namespace="quay.io",endpoint="https://quay.io",state="blocked"} 1"#
    ));
    assert!(!standard.contains(r#"endpoint="https://quay.io",state="limited""#));
    assert!(has(&standard, r#"pullprobe_registry_counted_pulls_total{endpoint="https://registry-1.docker.io"} 1"#));
}

#[test]
fn a_target_has_at_most_20_and_4_series_in_standard() {
    for target in [Target::Endpoint, Target::Image] {
        let limit = target.limit().unwrap();
        assert!(series(target, Detail::Standard) <= limit, "{target:?}: {}", series(target, Detail::Standard));
        assert!(series(target, Detail::Full) > limit);
    }
}

/// Registries with one host each, every second of which turns the node away, and images, every second of which does not fit.
fn large(count: usize) -> Snapshot {
    let mut snapshot = sample::rich();
    let of =
        |namespace: &str| snapshot.endpoints.values().find(|report| report.namespace == namespace).unwrap().clone();
    let (good, bad) = (of("registry.k8s.io"), of("ghcr.io"));
    let limit = snapshot.rate_limits.values().find(|seen| seen.bucket.is_some()).unwrap().clone();
    let (pullable, unsuited) =
        (snapshot.images["busybox:1.36"].clone(), snapshot.images["quay.io/example/amd64-only:2"].clone());
    for number in 0..count {
        let name = format!("r{number}.example");
        let endpoint = Endpoint::new(Scheme::Https, &name);
        let report = EndpointReport::clone(if number % 2 == 0 { &good } else { &bad });
        let report = EndpointReport { namespace: name.clone(), endpoint: endpoint.clone(), ..report };
        let planned = PlannedHost {
            endpoint: endpoint.clone(),
            role: report.role,
            capabilities: Capabilities::ALL,
            dial_timeout: None,
        };
        snapshot.targets.namespaces.entry(name.clone()).or_default().hosts.push(planned);
        snapshot.tally.count(&report);
        let key = (name.clone(), endpoint);
        snapshot.last_success.insert(key.clone(), sample::now());
        snapshot.rate_limits.insert(key.clone(), limit.clone());
        snapshot.endpoints.insert(key, Arc::new(report));
        let mut image = ImageReport::clone(if number % 2 == 0 { &pullable } else { &unsuited });
        image.image.as_mut().unwrap().domain = name;
        image.requested = format!("image{number}").into();
        snapshot.images.insert(image.requested.clone().into(), Arc::new(image));
    }
    snapshot
}

#[test]
fn two_hundred_endpoints_and_images_have_few_series_each_and_full_has_what_the_document_says() {
    let snapshot = large(200);
    let count = |detail: Detail| {
        let text = exposition(&snapshot, Shape { node_label: false, detail }).unwrap();
        let lines: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let most = |label: &dyn Fn(usize) -> [String; 2]| {
            let of = |number| {
                lines.iter().filter(|line| label(number).iter().any(|label| line.contains(label.as_str()))).count()
            };
            (0..200).map(of).max().unwrap()
        };
        let endpoint =
            most(&|n| [format!("namespace=\"r{n}.example\""), format!("{{endpoint=\"https://r{n}.example\"")]);
        let image = most(&|n| [format!("image=\"r{n}.example/"), "none".to_owned()]);
        (endpoint, image, lines.len())
    };
    let (endpoint, image, all) = count(Detail::Standard);
    assert!(
        endpoint <= Target::Endpoint.limit().unwrap() && image <= Target::Image.limit().unwrap(),
        "{endpoint} {image}"
    );
    let (endpoint, image, all_of_full) = count(Detail::Full);
    // One stage is left out: there is no proxy. One cause is not among those that start at 0.
    assert!(
        (series(Target::Endpoint, Detail::Full) - 5..=series(Target::Endpoint, Detail::Full) + 1).contains(&endpoint),
        "{endpoint}"
    );
    assert_eq!(image, series(Target::Image, Detail::Full));
    assert!(all * 10 < all_of_full * 4, "{all} of {all_of_full}");
}

#[test]
fn docs_metrics_is_what_the_table_says() {
    let path = root().join("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(root().join("docs")).unwrap();
        std::fs::write(&path, document::document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document::document(), "docs/metrics.md is stale: run `make docs`");
}

mod needs_tools {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// As `promtool check metrics` in a shell: it lints what it reads. The error is what it says is wrong.
    fn lint(text: &str) -> Result<(), String> {
        let promtool =
            Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut promtool = promtool.expect("promtool must be installed: see tests/tools/install.sh");
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() && said.is_empty() { Ok(()) } else { Err(said) }
    }

    #[test]
    fn promtool_finds_no_fault_with_any_exposition() {
        let mut named = sample::rich();
        named.node = LONG_NAME.to_owned() + &"é".repeat(600);
        for (snapshot, stamped) in [
            (sample::rich(), FULL),
            (sample::rich(), Shape::default()),
            (sample::empty(), FULL),
            (sample::rich(), STAMPED),
            (named, STAMPED),
        ] {
            assert_eq!(lint(&exposition(&snapshot, stamped).unwrap()), Ok(()));
        }
    }

    #[test]
    fn promtool_itself_would_notice() {
        let said = lint("# TYPE pullprobe_wrong counter\npullprobe_wrong 1\n").unwrap_err();
        assert!(said.contains("pullprobe_wrong"), "{said}");
    }
}
