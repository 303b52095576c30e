//! The alert rules are valid, tested both ways, explained, and ask for metrics that exist.

use serde_json::Value;

use super::metric_names::assert_known;
use super::tools::{command, items, path, success, text, yaml};

const RULES: &str = "deploy/alerts/pullprobe.yaml";
const TESTS: &str = "deploy/alerts/pullprobe_test.yaml";

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    let arguments = ["check", "rules", "--lint=all", "--lint-fatal"];
    success(command("promtool", arguments).arg(path(RULES)));
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    success(command("promtool", ["test", "rules"]).arg(path(TESTS)));
}

#[test]
fn the_promised_alerts_exist() {
    let names: Vec<_> = alerts().into_iter().map(|alert| name(&alert)).collect();
    assert!(names.contains(&"PullprobeRegistryUnreachable".to_owned()));
    assert!(names.contains(&"PullprobeRateLimitNearlyExhausted".to_owned()));
}

#[test]
fn every_alert_is_tested_for_firing_and_for_staying_quiet() {
    let tests = yaml(&path(TESTS));
    for alert in alerts().iter().map(name) {
        let expectations: Vec<_> = items(&tests["tests"])
            .iter()
            .flat_map(|test| items(&test["alert_rule_test"]))
            .filter(|test| test["alertname"] == alert)
            .map(|test| items(&test["exp_alerts"]))
            .collect();
        assert!(expectations.iter().any(|alerts| !alerts.is_empty()), "{alert} is not seen firing");
        assert!(expectations.iter().any(|alerts| alerts.is_empty()), "{alert} is not seen quiet");
    }
}

#[test]
fn every_alert_has_a_severity_a_description_and_a_runbook() {
    let runbooks = text("docs/alerts.md");
    for alert in alerts() {
        let name = name(&alert);
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()));
        let annotations = &alert["annotations"];
        assert!(annotations["summary"].is_string() && annotations["description"].is_string());
        let url = annotations["runbook_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("docs/alerts.md#{}", name.to_lowercase())), "{url}");
        let section = runbooks
            .split("\n## ")
            .find(|section| section.lines().next() == Some(&name))
            .unwrap_or_else(|| panic!("docs/alerts.md has no section {name}"));
        for part in ["Meaning", "Impact", "Diagnosis", "Mitigation"] {
            assert!(section.contains(&format!("**{part}.**")), "{name} has no {part}");
        }
    }
}

#[test]
fn the_rules_and_runbooks_name_only_metrics_that_the_agent_has() {
    for alert in alerts() {
        assert_known(alert["expr"].as_str().unwrap());
        assert_known(alert["annotations"]["description"].as_str().unwrap());
    }
    assert_known(&text("docs/alerts.md"));
}

fn alerts() -> Vec<Value> {
    let rules = yaml(&path(RULES));
    let alerts: Vec<_> = items(&rules["groups"]).iter().flat_map(|group| items(&group["rules"]).to_vec()).collect();
    assert!(!alerts.is_empty());
    alerts
}

fn name(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}
