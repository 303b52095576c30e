//! The three dashboards keep Grafana's conventions, and a Prometheus that knows a fleet answers each of their queries.

mod rules;
mod world;

use std::collections::BTreeSet;

use serde_json::Value;

use super::metric_names::{assert_known, mentioned};
use super::prometheus::Prometheus;
use super::tools::{command, items, output, path, python, text};

pub const NAMES: [&str; 3] = ["pullprobe-fleet", "pullprobe-registry", "pullprobe-node"];
const UPLOAD: &str = "upload/";
/// The most rows of a table and lines of a graph that a dashboard about all nodes may bring.
const MOST_ROWS: usize = 50;
const MOST_LINES: usize = 15;

#[test]
fn every_query_is_answered_from_a_fleet_and_stays_readable_whatever_its_size() {
    let prometheus = Prometheus::scraping(world::fleet());
    assert_eq!(unanswered(&prometheus, &[ONE]), BTreeSet::new());
    for name in NAMES {
        let dashboard = dashboard(name);
        for annotation in items(&dashboard["annotations"]["list"]) {
            // A change is rare: an empty answer is as good as any.
            prometheus.query(&substituted(&dashboard, annotation["expr"].as_str().unwrap(), At::One(ONE)));
        }
        for (metric, label) in variables(&dashboard) {
            let answer = prometheus.query(&substituted(&dashboard, &metric, At::Every));
            assert!(answer.iter().any(|series| series["metric"][&label].is_string()), "{name}: {label}");
        }
    }
}

/// A node with many registries, in the graphs about one node. A timeline has a row for each registry on purpose.
#[test]
fn graphs_of_a_node_with_many_registries_have_few_lines() {
    let prometheus = Prometheus::scraping(world::fleet());
    let many = One { instance: world::INSTANCE_OF_MANY, namespace: world::ONE_REGISTRY };
    let dashboard = dashboard("pullprobe-node");
    for panel in panels(&dashboard).into_iter().filter(|panel| panel["type"] == "timeseries") {
        for query in queries(panel) {
            assert_readable(panel, &prometheus.query(&substituted(&dashboard, query, At::One(many))));
        }
    }
}

/// Where the scrape adds neither `node` nor `cluster`, their variables find nothing and must hide nothing.
#[test]
fn an_agent_without_labels_of_the_scrape_is_in_every_dashboard() {
    let prometheus = Prometheus::scraping(text("tests/fixtures/deploy/exposition.txt"));
    for (name, title) in [
        ("pullprobe-fleet", "Nodes that fail for most registries"),
        ("pullprobe-registry", "Nodes that cannot pull"),
        ("pullprobe-node", "Pullable"),
    ] {
        let dashboard = dashboard(name);
        let panel = panels(&dashboard).into_iter().find(|panel| panel["title"] == title).unwrap();
        let answer = prometheus.query(&substituted(&dashboard, queries(panel)[0], At::Every));
        assert!(!answer.is_empty(), "{name}: {title}");
    }
}

#[test]
fn the_dashboards_keep_the_rules_of_grafanas_linter() {
    for name in NAMES {
        assert_eq!(rules::faults(&dashboard(name)), [""; 0], "{name}");
        assert_eq!(rules::faults(&dashboard(&format!("{UPLOAD}{name}"))), [""; 0], "{UPLOAD}{name}");
    }
}

#[test]
fn every_query_asks_for_metrics_that_the_agent_has_by_default() {
    let table = text("docs/metrics.md");
    let by_default = |name: &str| {
        let row =
            table.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap_or_else(|| panic!("{name}"));
        // Behind name, type and labels.
        row.split('|').map(str::trim).nth(4).is_some_and(|standard| standard != "–" && !standard.is_empty())
    };
    assert!(by_default("pullprobe_endpoint_up") && !by_default("pullprobe_endpoint_stage_up"), "the column has moved");
    for name in NAMES {
        let dashboard = dashboard(name);
        for query in panels(&dashboard).into_iter().flat_map(queries) {
            assert_known(query);
            let only_in_full: Vec<_> = mentioned(query).into_iter().filter(|name| !by_default(name)).collect();
            assert!(only_in_full.is_empty(), "{query} asks for {only_in_full:?}");
        }
    }
}

/// 5,000 nodes with 20 registries are 100,000 series. Prometheus refuses a query that reads more than 50 million samples of them.
#[test]
fn graphs_over_all_nodes_ask_for_few_points() {
    const SERIES: u64 = 100_000;
    const MOST_SAMPLES: u64 = 50_000_000;
    for name in ["pullprobe-fleet", "pullprobe-registry"] {
        let dashboard = dashboard(name);
        for graph in panels(&dashboard).into_iter().filter(|panel| panel["type"] != "table" && panel["type"] != "stat")
        {
            let points = graph["maxDataPoints"].as_u64().unwrap_or_else(|| panic!("{name}: {}", graph["title"]));
            assert!(points * SERIES < MOST_SAMPLES, "{name}: {}: {points} points", graph["title"]);
        }
    }
}

#[test]
fn the_dashboards_are_what_their_generator_writes() {
    let written = tempfile::tempdir().unwrap();
    let ran = output(command(python("python"), [path("dashboards/build.py")]).arg(written.path()));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for name in NAMES {
        for file in [format!("{name}.json"), format!("{UPLOAD}{name}.json")] {
            let expected = std::fs::read_to_string(written.path().join(&file)).unwrap();
            assert!(text(&format!("dashboards/{file}")) == expected, "{file} is old: python3 dashboards/build.py");
        }
    }
}

#[test]
fn what_is_provisioned_asks_for_no_data_source_and_what_is_uploaded_does() {
    for name in NAMES {
        let (provisioned, mut uploaded) = (dashboard(name), dashboard(&format!("{UPLOAD}{name}")));
        assert!(provisioned.get("__inputs").is_none() && provisioned.get("__requires").is_none());
        assert_eq!(provisioned["uid"], name);
        let input = &uploaded["__inputs"][0];
        assert_eq!(input["pluginId"], "prometheus");
        let chosen = &uploaded["templating"]["list"][0]["current"]["value"];
        assert_eq!(*chosen, format!("${{{}}}", input["name"].as_str().unwrap()));
        let required = items(&uploaded["__requires"]).iter().map(|part| part["id"].as_str().unwrap());
        let required: BTreeSet<_> = required.collect();
        for kind in panels(&provisioned).iter().map(|panel| panel["type"].as_str().unwrap()) {
            assert!(required.contains(kind), "{name} does not say that it needs {kind}");
        }
        // Otherwise they are the same.
        let object = uploaded.as_object_mut().unwrap();
        for key in ["__inputs", "__requires", "id"] {
            object.remove(key).unwrap_or_else(|| panic!("{key}"));
        }
        uploaded["templating"]["list"][0].as_object_mut().unwrap().remove("current");
        assert_eq!(uploaded, provisioned);
    }
}

#[test]
fn the_dashboards_lead_to_each_other_to_the_page_and_to_documents_that_exist() {
    for name in NAMES {
        let dashboard = dashboard(name);
        let urls = urls(&dashboard);
        for other in NAMES.iter().filter(|other| **other != name) {
            assert!(urls.iter().any(|url| url.starts_with(&format!("/d/{other}?"))), "{name} does not lead to {other}");
        }
        for document in ["docs/alerts.md", "docs/causes.md"] {
            assert!(urls.iter().any(|url| url.contains(document)), "{name} does not lead to {document}");
        }
        for url in &urls {
            if let Some((_, file)) = url.split_once("/blob/main/") {
                let file = file.split('#').next().unwrap();
                assert!(path(file).is_file(), "{name} leads to {file}");
            } else if let Some(target) = url.strip_prefix("/d/") {
                assert!(NAMES.contains(&target.split('?').next().unwrap()), "{name} leads to {url}");
            } else {
                assert_eq!((name, *url), ("pullprobe-node", "http://${instance}/"));
            }
        }
    }
}

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&text(&format!("dashboards/{name}.json"))).unwrap()
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

/// A table of pairs has a row for each node, not for each series.
fn assert_readable(panel: &Value, answer: &[Value]) {
    let is_matrix = items(&panel["transformations"]).iter().any(|step| step["id"] == "groupingToMatrix");
    let rows: BTreeSet<_> = answer
        .iter()
        .map(|series| if is_matrix { series["metric"]["agent"].to_string() } else { series["metric"].to_string() })
        .collect();
    let most = match panel["type"].as_str().unwrap() {
        "stat" => 1,
        "table" => MOST_ROWS,
        _ => MOST_LINES,
    };
    assert!(rows.len() <= most, "{}: {} rows or lines", panel["title"], rows.len());
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

/// What is chosen where a dashboard is about one node or one registry.
#[derive(Clone, Copy)]
pub struct One<'a> {
    pub instance: &'a str,
    pub namespace: &'a str,
}

const ONE: One<'_> = One { instance: world::ONE_INSTANCE, namespace: world::ONE_REGISTRY };

#[derive(Clone, Copy)]
enum At<'a> {
    /// As a dashboard opens: where not everything is chosen, one value is.
    One(One<'a>),
    Every,
}

/// The panels to which Prometheus answers nothing, whichever of these is chosen; each answer is short enough for its panel.
pub fn unanswered(prometheus: &Prometheus, chosen: &[One<'_>]) -> BTreeSet<(&'static str, String)> {
    let mut unanswered = BTreeSet::new();
    for name in NAMES {
        let dashboard = dashboard(name);
        for panel in panels(&dashboard) {
            for query in queries(panel) {
                let ask = |one: &One<'_>| prometheus.query(&substituted(&dashboard, query, At::One(*one)));
                let answers: Vec<_> = chosen.iter().map(ask).collect();
                answers.iter().for_each(|answer| assert_readable(panel, answer));
                if answers.iter().all(Vec::is_empty) {
                    unanswered.insert((name, panel["title"].as_str().unwrap().to_owned()));
                }
            }
        }
    }
    unanswered
}

/// As Grafana would.
fn substituted(dashboard: &Value, query: &str, at: At<'_>) -> String {
    let mut query = query.replace("$__rate_interval", "5m");
    for variable in items(&dashboard["templating"]["list"]) {
        let name = variable["name"].as_str().unwrap();
        let value = match (name, at) {
            ("instance", At::One(one)) if variable["includeAll"] == false => one.instance,
            ("namespace", At::One(one)) if variable["includeAll"] == false => one.namespace,
            _ => variable["allValue"].as_str().unwrap_or_default(),
        };
        query = query.replace(&format!("\"${name}\""), &format!("\"{value}\""));
    }
    assert!(!query.contains('$') || query.contains("\"$1\""), "{query} has a variable that the dashboard has not");
    query
}

/// Of the dashboard's own links and of those in its tables.
fn urls(dashboard: &Value) -> Vec<&str> {
    let own = items(&dashboard["links"]).iter();
    let in_tables = panels(dashboard)
        .into_iter()
        .flat_map(|panel| items(&panel["fieldConfig"]["overrides"]))
        .flat_map(|column| items(&column["properties"]))
        .filter(|property| property["id"] == "links")
        .flat_map(|property| items(&property["value"]));
    own.chain(in_tables).map(|link| link["url"].as_str().unwrap()).collect()
}
