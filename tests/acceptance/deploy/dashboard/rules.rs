//! The rules of Grafana's dashboard-linter, and those of these dashboards: what a dashboard breaks, in words.

use serde_json::{Value, json};

use super::super::tools::items;
use super::{dashboard, panels, queries};

/// Matchers by which a reader narrows a whole dashboard.
const EVERYWHERE: [&str; 3] = [r#"cluster=~"$cluster""#, r#"job=~"$job""#, r#"instance=~"$instance""#];
/// Of Grafana's names of units, those that the dashboards use.
const UNITS: [&str; 7] = ["none", "short", "percentunit", "s", "bytes", "reqps", "dateTimeAsIso"];
const WIDTH: i64 = 24;

pub fn faults(dashboard: &Value) -> Vec<String> {
    let mut faults = of_the_whole(dashboard);
    faults.extend(of_variables(dashboard));
    for panel in panels(dashboard) {
        faults.extend(of_panel(panel));
        queries(panel).into_iter().for_each(|query| faults.extend(of_query(query)));
    }
    faults.extend(of_places(items(&dashboard["panels"])));
    faults
}

fn of_the_whole(dashboard: &Value) -> Vec<String> {
    let expected = [
        ("editable", json!(false), "uneditable-dashboard"),
        ("graphTooltip", json!(1), "the pointer is not shared between panels"),
        ("timezone", json!("browser"), "times are not the reader's"),
    ];
    let wrong = expected.into_iter().filter(|(key, value, _)| dashboard[*key] != *value);
    wrong.map(|(_, _, fault)| fault.to_owned()).collect()
}

fn of_variables(dashboard: &Value) -> Vec<String> {
    let list = items(&dashboard["templating"]["list"]);
    let mut faults = Vec::new();
    let sources: Vec<_> = list.iter().filter(|variable| variable["type"] == "datasource").collect();
    let is_right = |source: &Value| source["name"] == "datasource" && source["label"] == "Data source";
    if sources.len() != 1 || !sources.iter().all(|source| is_right(source)) {
        faults.push("template-datasource-rule".to_owned());
    }
    for (name, label) in [("job", "Job"), ("instance", "Instance")] {
        let right = |variable: &&Value| {
            variable["name"] == name
                && variable["label"] == label
                && variable["type"] == "query"
                && variable["multi"] == true
                && variable["allValue"] == ".+"
        };
        if !list.iter().any(|variable| right(&variable)) {
            faults.push(format!("template-{name}-rule"));
        }
    }
    for variable in list.iter().filter(|variable| variable["type"] == "query") {
        let name = &variable["name"];
        if variable["refresh"] != 2 {
            faults.push(format!("template-on-time-change-reload-rule: {name}"));
        }
        if variable["datasource"]["uid"] != "${datasource}" {
            faults.push(format!("{name} is not asked of the chosen source"));
        }
        // What the scrape may not add must not hide the series without it.
        if ["cluster", "node"].map(Value::from).contains(name) && variable["allValue"] != ".*" {
            faults.push(format!("{name} hides what has no such label"));
        }
    }
    faults
}

fn of_panel(panel: &Value) -> Vec<String> {
    let title = panel["title"].as_str().unwrap_or_default();
    let mut faults = Vec::new();
    let mut unless = |kept: bool, rule: &str| {
        if !kept {
            faults.push(format!("{rule}: {title}"));
        }
    };
    let described = panel["description"].as_str().is_some_and(|text| text.ends_with('.'));
    unless(!title.is_empty() && described, "panel-title-description-rule");
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
    unless(unit.is_some_and(|unit| UNITS.contains(&unit)), "panel-units-rule");
    let targets = items(&panel["targets"]);
    unless(!targets.is_empty(), "panel-no-targets-rule");
    let of_source = targets.iter().chain([panel]).all(|asks| asks["datasource"]["uid"] == "${datasource}");
    unless(of_source, "panel-datasource-rule");
    let drawn = ["timeseries", "state-timeline"].map(Value::from).contains(&panel["type"]);
    let named = targets.iter().all(|target| target["legendFormat"].as_str().is_some_and(|legend| !legend.is_empty()));
    unless(!drawn || named, "lines without a legend");
    let at_once = targets.iter().all(|target| target["instant"] == !drawn && target["range"] == drawn);
    unless(at_once, "a graph asks for a range, all else for the present");
    faults
}

fn of_query(query: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, matchers) in selectors(query) {
        for matcher in EVERYWHERE {
            if !matchers.contains(matcher) {
                faults.push(format!("target-job-rule or its like: {name} lacks {matcher}: {query}"));
            }
        }
        if name.ends_with("_total") && !["rate", "increase"].iter().any(|f| query.contains(&format!("{f}({name}{{"))) {
            faults.push(format!("target-counter-agg-rule: {query}"));
        }
    }
    for call in ["rate(", "increase("] {
        let ranges = query.matches(call).count();
        if ranges > query.matches("[$__rate_interval]").count() {
            faults.push(format!("target-rate-interval-rule: {query}"));
        }
    }
    faults
}

/// Each metric of a query with its matchers; a metric without any has the empty text.
fn selectors(query: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(is_name) {
        let word = &rest[start..];
        let end = word.find(|c| !is_name(c)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        let is_metric = name == "up" || name.starts_with("pullprobe_") || name.starts_with("process_");
        let inside = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        if is_metric {
            found.push((name, inside.map_or("", |(matchers, _)| matchers)));
        }
        rest = inside.map_or(behind, |(_, rest)| rest);
    }
    found
}

fn of_places(all: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, a) in all.iter().enumerate() {
        if side(a, "x") + side(a, "w") > WIDTH {
            faults.push(format!("{} is too wide", a["title"]));
        }
        for b in &all[..i] {
            if a["id"] == b["id"] || overlap(a, b) {
                faults.push(format!("{} and {} share an id or a place", a["title"], b["title"]));
            }
        }
    }
    faults
}

fn side(panel: &Value, name: &str) -> i64 {
    panel["gridPos"][name].as_i64().unwrap()
}

fn overlap(a: &Value, b: &Value) -> bool {
    let apart = |start: &str, length: &str| {
        side(a, start) >= side(b, start) + side(b, length) || side(b, start) >= side(a, start) + side(a, length)
    };
    !(apart("x", "w") || apart("y", "h"))
}

/// The rules see what they are for: one dashboard, spoilt in one place at a time.
#[test]
fn each_rule_finds_its_fault() {
    let spoilt: [(&str, Value, &str); 15] = [
        ("/editable", json!(true), "uneditable"),
        ("/graphTooltip", json!(0), "pointer"),
        ("/templating/list/0/name", json!("source"), "template-datasource"),
        ("/templating/list/1/allValue", json!(".+"), "hides"),
        ("/templating/list/2/multi", json!(false), "template-job"),
        ("/templating/list/3/allValue", json!(""), "template-instance"),
        ("/templating/list/3/refresh", json!(1), "on-time-change"),
        ("/templating/list/3/datasource/uid", json!("x"), "chosen source"),
        ("/panels/1/description", json!(""), "title-description"),
        ("/panels/1/fieldConfig/defaults/unit", json!("parsecs"), "panel-units"),
        ("/panels/1/targets", json!([]), "no-targets"),
        ("/panels/1/datasource/uid", json!("x"), "panel-datasource"),
        ("/panels/1/gridPos/x", json!(23), "too wide"),
        ("/panels/2/gridPos/x", json!(0), "share an id"),
        ("/panels/1/targets/0/instant", json!(false), "for the present"),
    ];
    for (place, value, fault) in spoilt {
        let mut dashboard = dashboard("pullprobe-fleet");
        *dashboard.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
        let found = faults(&dashboard);
        assert!(found.iter().any(|found| found.contains(fault)), "{place}: {found:?}");
    }
}

#[test]
fn each_rule_of_queries_finds_its_fault() {
    let all = r#"cluster=~"$cluster", job=~"$job", instance=~"$instance""#;
    let good = format!("rate(pullprobe_probes_total{{{all}}}[$__rate_interval]) + up{{{all}}}");
    assert_eq!(of_query(&good), [""; 0]);
    for (query, fault) in [
        ("pullprobe_build_info".to_owned(), "lacks"),
        (r#"up{job=~"$job"}"#.to_owned(), "lacks instance"),
        (format!("sum(pullprobe_probes_total{{{all}}})"), "counter-agg"),
        (format!("rate(pullprobe_probes_total{{{all}}}[5m])"), "rate-interval"),
    ] {
        assert!(of_query(&query).iter().any(|found| found.contains(fault)), "{query}: {:?}", of_query(&query));
    }
}
