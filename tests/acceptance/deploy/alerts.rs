//! The alert rules are valid, tested both ways, explained, and ask for metrics that exist.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::metric_names::{assert_known, mentioned};
use super::tools::{command, files, items, path, success, text, yaml};

const RULES: &str = "deploy/alerts/pullprobe.yaml";
const TESTS: &str = "deploy/alerts/tests";
const RUNBOOKS: &str = "https://github.com/pullprobe/pullprobe/blob/main/docs/runbooks/";

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    let arguments = ["check", "rules", "--lint=all", "--lint-fatal"];
    success(command("promtool", arguments).arg(path(RULES)));
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    success(command("promtool", ["test", "rules"]).args(files(TESTS)));
}

/// What the issue of these rules names, by the alert that says it.
#[test]
fn the_promised_alerts_exist() {
    let names: BTreeSet<_> = alerts().iter().map(name).collect();
    for promised in [
        "RegistryUnreachable RegistryUnreachableFromManyNodes RegistryUnreachableEverywhere NodeReachesNothing",
        "ContainersWaitForImage ImagesNotRestartable RateLimitForecastExhausted RateLimitExhausted RateLimitBlocked",
        "RateLimitNearlyExhausted CredentialsRejected CredentialExpiresSoon CredentialExpired CertificateExpiresSoon",
        "CertificateExpired MirrorDeadButMasked NameserverDead ClockSkew ImageFilesystemTooSmall ConfigError ConfigDrift",
        "ContainerdDown AgentsAbsent AgentDown AgentStale AgentNearMemoryLimit",
    ] {
        for promised in promised.split(' ') {
            assert!(names.contains(&format!("Pullprobe{promised}")), "there is no Pullprobe{promised}");
        }
    }
}

#[test]
fn every_alert_is_tested_for_firing_and_for_staying_quiet() {
    let tests: Vec<Value> = files(TESTS).iter().flat_map(|file| items(&yaml(file)["tests"]).to_vec()).collect();
    for alert in alerts().iter().map(name) {
        let of_alert = |test: &Value| {
            let expectations = items(&test["alert_rule_test"]).iter().filter(|one| one["alertname"] == alert);
            expectations.map(|one| !items(&one["exp_alerts"]).is_empty()).collect::<Vec<_>>()
        };
        let seen: Vec<Vec<bool>> = tests.iter().map(of_alert).filter(|seen| !seen.is_empty()).collect();
        assert!(seen.iter().any(|fires| fires.contains(&true)), "{alert} is not seen firing");
        // Not only in the minutes before it fires.
        assert!(seen.iter().any(|fires| !fires.contains(&true)), "{alert} is in no world in which it stays quiet");
    }
}

#[test]
fn every_alert_has_a_severity_words_and_a_runbook() {
    for alert in alerts() {
        let name = name(&alert);
        assert!(["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()));
        assert!(alert["for"].is_string(), "{name} fires at once");
        let annotations = &alert["annotations"];
        assert!(annotations["description"].is_string());
        // Alertmanager groups by it: it must be the same for all.
        assert!(annotations["summary"].as_str().is_some_and(|words| !words.contains("{{")), "{name}");
        assert_eq!(annotations["runbook_url"], format!("{RUNBOOKS}{name}.md"));
        let runbook = text(&format!("docs/runbooks/{name}.md"));
        assert_eq!(runbook.lines().next(), Some(format!("# {name}").as_str()));
        let severity = format!("Severity: {}.", alert["labels"]["severity"].as_str().unwrap());
        assert!(runbook.contains(&severity), "{name}: {severity}");
        for part in ["Meaning", "Impact", "Diagnosis", "Mitigation"] {
            let section = runbook.split(&format!("\n## {part}\n\n")).nth(1).unwrap_or_default();
            let body = section.split("\n## ").next().unwrap_or_default();
            assert!(body.len() > 20, "the runbook of {name} says nothing under {part}");
        }
    }
}

#[test]
fn the_index_lists_every_alert_as_it_is_and_every_link_leads_somewhere() {
    let index = text("docs/alerts.md");
    let names: BTreeSet<_> = alerts().iter().map(name).collect();
    for alert in alerts() {
        let (name, severity) = (name(&alert), alert["labels"]["severity"].as_str().unwrap());
        let (after, words) = (alert["for"].as_str().unwrap(), alert["annotations"]["summary"].as_str().unwrap());
        let row = format!("| [{name}](runbooks/{name}.md) | {severity} | {after} | {words} |");
        assert!(index.contains(&row), "docs/alerts.md has not {row}");
    }
    for file in files("docs/runbooks") {
        let stem = file.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&stem), "{} belongs to no alert", file.display());
        links_lead_somewhere(&file);
    }
    links_lead_somewhere(&path("docs/alerts.md"));
}

fn links_lead_somewhere(file: &PathBuf) {
    let words = std::fs::read_to_string(file).unwrap();
    let links = words.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    for link in links.filter(|link| !link.contains("://")) {
        let (target, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if target.is_empty() { file.clone() } else { file.parent().unwrap().join(target) };
        let page =
            std::fs::read_to_string(&target).unwrap_or_else(|error| panic!("{}: {link}: {error}", file.display()));
        let anchor = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let is_there =
            heading.is_empty() || page.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
        assert!(is_there, "{}: {link} has no such heading", file.display());
    }
}

#[test]
fn the_rules_and_runbooks_name_only_metrics_that_the_agent_has() {
    for rule in rules() {
        assert_known(&without_recorded(rule["expr"].as_str().unwrap()));
        assert_known(&without_recorded(rule["annotations"]["description"].as_str().unwrap_or_default()));
    }
    for file in files("docs/runbooks").iter().chain([&path("docs/alerts.md")]) {
        assert_known(&without_recorded(&std::fs::read_to_string(file).unwrap()));
    }
}

/// An alert that needs `metrics.detail: full` would never fire by default.
#[test]
fn the_rules_need_only_series_that_are_there_by_default() {
    let page = text("docs/metrics.md");
    for rule in rules() {
        let asked = format!(
            "{} {}",
            rule["expr"].as_str().unwrap(),
            rule["annotations"]["description"].as_str().unwrap_or_default()
        );
        for metric in mentioned(&without_recorded(&asked)) {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{metric}` |"))).unwrap();
            let standard = row.split(" | ").nth(3).unwrap();
            assert_ne!(standard, "–", "{rule} asks for {metric}, which only metrics.detail full has");
        }
    }
}

#[test]
fn recorded_series_are_named_by_level_metric_and_operation_and_each_that_is_asked_for_is_recorded() {
    let recorded: BTreeSet<String> =
        rules().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect();
    let known = super::metric_names::known();
    for name in &recorded {
        let parts: Vec<&str> = name.split(':').collect();
        assert!(parts.len() == 3 && known.contains(parts[1]), "{name} is not level:metric:operation");
    }
    for rule in rules() {
        for name in colon_names(rule["expr"].as_str().unwrap()) {
            assert!(recorded.contains(&name), "{name} is not recorded");
        }
    }
}

fn colon_names(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
    words.filter(|word| word.contains(":pullprobe_")).map(str::to_owned)
}

fn without_recorded(text: &str) -> String {
    colon_names(text).fold(text.to_owned(), |text, name| text.replace(&name, ""))
}

/// Recording rules and alerts.
fn rules() -> Vec<Value> {
    let rules = yaml(&path(RULES));
    let rules: Vec<_> = items(&rules["groups"]).iter().flat_map(|group| items(&group["rules"]).to_vec()).collect();
    assert!(!rules.is_empty());
    rules
}

pub fn alerts() -> Vec<Value> {
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(!alerts.is_empty());
    alerts
}

pub fn name(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}
