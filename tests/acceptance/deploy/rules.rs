//! One source of the rules, three forms: the chart's, the plain file and the mixin. What can be set is set alike in each.

use serde_json::{Value, json};

use super::tools::{command, helm, items, object, objects, path, refusal, success, yaml};

/// Something of everything that can be set, as the chart has it.
const CHART: &str = r#"
prometheusRule:
  enabled: true
  selector: cluster="blue"
  job: agents
  keep: [cluster, region]
  alike: [pool]
  runbooks: https://wiki.example/runbooks/
  alertLabels: {team: platform, severity: info}
  thresholds: {many_share: 0.25, certificate_seconds: 2592000, credential_causes: login_locked}
  alerts:
    PullprobeConfigDrift: {enabled: false}
    PullprobeClockSkew: {severity: critical, for: 30m, keep_firing_for: 1h, labels: {team: time}}
"#;

/// The same, as the mixin has it.
const MIXIN: &str = r#"
local mixin = (import 'mixin.libsonnet') + { _config+:: {
  selector: 'cluster="blue"', job: 'agents', keep: ['cluster', 'region'], alike: ['pool'],
  runbooks: 'https://wiki.example/runbooks/', alertLabels: { team: 'platform', severity: 'info' },
  thresholds+: { many_share: '0.25', certificate_seconds: '2592000', credential_causes: 'login_locked' },
  alerts: {
    PullprobeConfigDrift: { enabled: false },
    PullprobeClockSkew: { severity: 'critical', 'for': '30m', keep_firing_for: '1h', labels: { team: 'time' } },
  },
} };
{ groups: mixin.prometheusRules.groups + mixin.prometheusAlerts.groups }
"#;

fn chart(values: &str) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    object(&objects(Some(file.path())), "PrometheusRule")["spec"].clone()
}

fn jsonnet(arguments: &[&str]) -> Value {
    let said = success(command("jsonnet", arguments).current_dir(path("deploy/mixin")));
    serde_json::from_str(&said).unwrap()
}

fn rule(spec: &Value, name: &str) -> Option<Value> {
    let all = items(&spec["groups"]).iter().flat_map(|group| items(&group["rules"]));
    all.into_iter().find(|rule| rule["alert"] == name).cloned()
}

#[test]
fn the_plain_file_is_what_chart_and_mixin_give_without_any_setting() {
    let plain = yaml(&path("deploy/alerts/pullprobe.yaml"));
    assert_eq!(chart("prometheusRule: {enabled: true}\n"), plain);
    assert_eq!(jsonnet(&["rendered.jsonnet"]), plain);
}

#[test]
fn chart_and_mixin_are_set_alike_and_what_they_give_is_valid() {
    let rules = chart(CHART);
    assert_eq!(jsonnet(&["-e", MIXIN]), rules);
    assert!(rule(&rules, "PullprobeConfigDrift").is_none());
    let skew = rule(&rules, "PullprobeClockSkew").unwrap();
    assert_eq!(skew["labels"], json!({"severity": "critical", "team": "time"}));
    assert_eq!((&skew["for"], &skew["keep_firing_for"]), (&"30m".into(), &"1h".into()));
    let many = rule(&rules, "PullprobeManyNodesReachNothing").unwrap();
    assert_eq!(many["labels"], json!({"severity": "critical", "team": "platform"}));
    let expression = many["expr"].as_str().unwrap();
    assert!(expression.contains("count by (cluster, region)") && expression.contains(">= 0.25"), "{expression}");
    let soon = rule(&rules, "PullprobeCertificateExpiresSoon").unwrap();
    let expression = soon["expr"].as_str().unwrap();
    assert!(expression.contains(r#"seconds{cluster="blue"}"#) && expression.ends_with("< 2592000"), "{expression}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules.to_string()).unwrap();
    success(command("promtool", ["check", "rules", "--lint=all", "--lint-fatal"]).arg(file.path()));
    assert!(!rules.to_string().contains('@'), "something was not filled in");
}

#[test]
fn an_alert_that_there_is_not_cannot_be_set() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (values, words) in [
        ("alerts: {PullprobeClokSkew: {enabled: false}}", "there is no alert PullprobeClokSkew"),
        ("alerts: {PullprobeClockSkew: {severity: page}}", "severity"),
        ("thresholds: {many_share: 10}", "many_share"),
        ("thresholds: {many: 1}", "many"),
        ("keep: [\"a b\"]", "keep"),
    ] {
        std::fs::write(file.path(), format!("prometheusRule: {{enabled: true, {values}}}\n")).unwrap();
        let said = refusal(&mut helm("render", Some(file.path())));
        assert!(said.contains(words), "{values}: {said}");
    }
}

#[test]
fn the_mixin_has_every_dashboard() {
    let mixin = jsonnet(&["-e", "std.objectFieldsAll((import 'mixin.libsonnet').grafanaDashboards)"]);
    let named: Vec<&str> = items(&mixin).iter().map(|name| name.as_str().unwrap()).collect();
    for file in
        super::tools::files("dashboards").iter().filter(|file| file.extension().is_some_and(|end| end == "json"))
    {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(named.contains(&name), "deploy/mixin/dashboards.libsonnet has not {name}");
    }
}
