//! The dashboard keeps Grafana's conventions, and Prometheus answers each of its queries.

use serde_json::Value;

use super::metric_names::{assert_known, mentioned};
use super::prometheus::Prometheus;
use super::tools::{items, text};

#[test]
fn every_query_of_the_dashboard_is_answered_with_data() {
    let dashboard = dashboard();
    let prometheus = Prometheus::with_sample_scraped_twice();
    for panel in panels(&dashboard) {
        for query in queries(panel) {
            let answer = prometheus.query(&substituted(query));
            assert!(!answer.is_empty(), "{}: nothing for {query}", panel["title"]);
        }
    }
    for annotation in items(&dashboard["annotations"]["list"]) {
        // A change is rare: an empty answer is as good as any.
        prometheus.query(&substituted(annotation["expr"].as_str().unwrap()));
    }
    for (metric, label) in variables(&dashboard) {
        let answer = prometheus.query(&substituted(&metric));
        assert!(answer.iter().all(|series| series["metric"][&label].is_string()), "{label}");
        assert!(!answer.is_empty(), "{label}");
    }
}

#[test]
fn every_query_chooses_job_and_instance_and_asks_for_known_metrics() {
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        assert!(!queries(panel).is_empty(), "{} asks nothing", panel["title"]);
        for query in queries(panel) {
            assert_known(query);
            let metrics = mentioned(query).len();
            for matcher in [r#"job=~"$job""#, r#"instance=~"$instance""#] {
                let found = query.matches(matcher).count();
                assert!(metrics > 0 && found >= metrics, "{query} lacks {matcher}");
            }
            assert!(!query.contains("rate(") || query.contains("[$__rate_interval]"), "{query}");
        }
    }
}

#[test]
fn every_panel_has_a_title_a_description_a_unit_and_the_chosen_data_source() {
    for panel in panels(&dashboard()) {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty());
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        let sources = items(&panel["targets"]).iter().map(|target| &target["datasource"]);
        for source in sources.chain([&panel["datasource"]]) {
            assert_eq!(source["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let all = items(&dashboard["panels"]);
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            assert_ne!(a["id"], b["id"], "{} and {}", a["title"], b["title"]);
            assert!(!overlap(&a["gridPos"], &b["gridPos"]), "{} and {}", a["title"], b["title"]);
        }
    }
}

#[test]
fn the_dashboard_can_be_provisioned_and_picks_its_data_source() {
    let dashboard = dashboard();
    assert!(dashboard.get("__inputs").is_none() && dashboard.get("__requires").is_none());
    assert_eq!(dashboard["uid"], "pullprobe-node");
    assert_eq!(dashboard["editable"], false);
    let variables = items(&dashboard["templating"]["list"]);
    let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert_eq!(variables[0]["label"], "Data source");
    for variable in &variables[1..] {
        assert_eq!(variable["multi"], true);
        assert_eq!(variable["allValue"], ".+");
        assert_eq!(variable["datasource"]["uid"], "${datasource}");
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&text("dashboards/pullprobe-node.json")).unwrap()
}

/// All but the rows, which show nothing themselves.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = items(&dashboard["panels"]).iter();
    let panels: Vec<_> = panels.filter(|panel| panel["type"] != "row").collect();
    assert!(!panels.is_empty());
    panels
}

fn queries(panel: &Value) -> Vec<&str> {
    let targets = items(&panel["targets"]).iter();
    targets.map(|target| target["expr"].as_str().unwrap()).collect()
}

/// The query and the label of each variable that lists a label's values.
fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let list = items(&dashboard["templating"]["list"]).iter();
    list.filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = variable["query"]["query"].as_str().unwrap();
            let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
            let (metric, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
            (metric.to_owned(), label.to_owned())
        })
        .collect()
}

/// As Grafana would, with everything chosen.
fn substituted(query: &str) -> String {
    let query = query.replace("$job", ".+").replace("$instance", ".+").replace("$__rate_interval", "5m");
    assert!(!query.contains('$'), "{query} has a variable that this test does not know");
    query
}

fn overlap(a: &Value, b: &Value) -> bool {
    let side = |grid: &Value, name: &str| grid[name].as_i64().unwrap();
    let apart = |start: &str, length: &str| {
        side(a, start) >= side(b, start) + side(b, length) || side(b, start) >= side(a, start) + side(a, length)
    };
    !(apart("x", "w") || apart("y", "h"))
}
