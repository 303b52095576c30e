//! The chart refuses what the agent would refuse on every node, and values that do not go together.

use std::process::Output;

use serde_json::{Map, Value, json};

use super::presets::with;
use super::tools::{command, files, helm, items, object, objects, output, refusal, text};

/// The agent's exit code for settings that it refuses.
const SETTINGS_WRONG: Option<i32> = Some(2);

/// What the agent says to these settings.
fn agent(settings: &str) -> Output {
    let scratch = tempfile::tempdir().unwrap();
    let (file, node) = (scratch.path().join("config.yaml"), scratch.path().join("node"));
    std::fs::create_dir(&node).unwrap();
    std::fs::write(&file, settings).unwrap();
    let mut lint = command(env!("CARGO_BIN_EXE_pullprobe"), ["lint", "--config"]);
    output(lint.arg(&file).arg("--host-root").arg(&node))
}

/// What Helm says to values that it refuses.
fn chart(values: &Value) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    refusal(&mut helm("render", Some(file.path())))
}

/// Settings with a grammar: what chart and agent take, at the bounds, and what both refuse: the chart by its schema, or a duration
/// `beyond` its range by a template, which runs only where the schema has nothing to say.
fn tried() -> Map<String, Value> {
    serde_json::from_str(&text("tests/fixtures/deploy/settings-at-their-bounds.json")).unwrap()
}

/// Settings by their keys.
type Round = Vec<(String, Value)>;

/// One value of each setting at a time: Helm and the agent name everything that is wrong at once.
fn rounds(list: &str) -> Vec<Round> {
    let tried = tried();
    let most = tried.values().map(|one| items(&one[list]).len()).max().unwrap();
    let round = |at: usize| {
        let of_key = |(key, one): (&String, &Value)| Some((key.clone(), items(&one[list]).get(at)?.clone()));
        tried.iter().filter_map(of_key).collect()
    };
    (0..most).map(round).collect()
}

/// `probe.interval` is `interval` in `probe`.
fn nested(values: &[(String, Value)]) -> Value {
    let mut settings = json!({});
    for (key, value) in values {
        let place = key.split('.').fold(&mut settings, |at, name| &mut at[name]);
        *place = value.clone();
    }
    settings
}

/// Each setting with what is allowed of it, as docs/settings.md has it from the agent's own table.
fn settings() -> Vec<(String, String)> {
    // They are the chart's own.
    const NOT_THERE: [&str; 2] = ["node.host_root", "node.allow_unconfined"];
    let page = text("docs/settings.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.map(|(key, rest)| (key.to_owned(), rest.split(" | ").nth(1).unwrap().to_owned()));
    let rows: Vec<_> = rows.filter(|(key, _)| !NOT_THERE.contains(&key.as_str())).collect();
    assert!(rows.len() > 20, "{rows:?}");
    rows
}

#[test]
fn the_schema_has_the_bounds_of_each_setting() {
    let schema: Value = serde_json::from_str(&text("deploy/helm/pullprobe/values.schema.json")).unwrap();
    let config = &schema["properties"]["config"];
    let (tried, mut compared) = (tried(), 0);
    for (key, allowed) in settings() {
        let of_key = key.split('.').fold(config, |at, name| &at["properties"][name]);
        let words: Vec<&str> =
            allowed.split(", ").filter_map(|word| word.strip_prefix('`')?.strip_suffix('`')).collect();
        let numbers =
            allowed.split_once(" to ").and_then(|(a, b)| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?)));
        let length = allowed.strip_prefix("at most ").and_then(|rest| rest.split(' ').next()?.parse::<i64>().ok());
        if let Some((least, most)) = numbers {
            assert_eq!((&of_key["minimum"], &of_key["maximum"]), (&least.into(), &most.into()), "{key}");
        } else if let Some(length) = length {
            assert_eq!(of_key["maxItems"], length, "{key}");
        } else if words == ["true", "false"] {
            assert_eq!(of_key["type"], "boolean", "{key}");
        } else if words.len() > 1 && words.len() == allowed.split(", ").count() {
            assert_eq!(of_key["enum"], json!(words), "{key}");
        } else {
            assert!(
                of_key["pattern"].is_string() && of_key["maxLength"].is_u64() || tried.contains_key(&key),
                "{key}: {allowed}"
            );
            continue;
        }
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn what_the_chart_takes_at_its_bounds_the_agent_takes_too() {
    for round in rounds("taken") {
        let objects = with(&json!({"config": nested(&round)}).to_string());
        let rendered = object(&objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
        let answer = agent(rendered);
        assert_ne!(answer.status.code(), SETTINGS_WRONG, "{rendered}: {answer:?}");
    }
}

/// What agent and chart say to values that both refuse, a round at a time.
fn both_refuse(list: &str) -> Vec<(Round, String, String)> {
    let refuse = |round: Round| {
        let settings = nested(&round);
        let answer = agent(&settings.to_string());
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert_eq!(answer.status.code(), SETTINGS_WRONG, "{settings}: {said}");
        for (key, value) in &round {
            assert!(said.contains(&format!(" {key}")), "the agent takes {key}: {value}: {said}");
        }
        (round, said, chart(&json!({"config": settings})))
    };
    rounds(list).into_iter().map(refuse).collect()
}

/// A value that only the agent refuses stops every pod of the fleet.
#[test]
fn what_the_agent_refuses_beyond_the_bounds_the_chart_refuses_too() {
    for (round, _, message) in both_refuse("refused") {
        for (key, value) in round {
            let place = format!("/config/{}", key.replace('.', "/"));
            assert!(message.contains(&place), "the chart takes {key}: {value}: {message}");
        }
    }
}

/// In any way to write it, a duration is as long for the chart as for the agent, and both say the same of it.
#[test]
fn a_duration_beyond_its_range_is_refused_in_the_agents_words() {
    for (round, said, message) in both_refuse("beyond") {
        assert!(!message.contains("the schema"), "{message}");
        for (key, value) in round {
            let of_key = |text: &str| {
                let (_, rest) = text.split_once(&key).unwrap_or_else(|| panic!("{key}: {value} is taken: {text}"));
                let (_, words) = rest.split_once(": ").unwrap();
                let end = words.find([';', '.', '\n']).unwrap_or(words.len());
                words[..end].replace(['`', '"'], "")
            };
            assert_eq!(of_key(&message), of_key(&said), "{key}: {value}");
        }
    }
}

#[test]
fn values_that_do_not_go_together_are_refused_with_what_to_write() {
    for file in files("tests/fixtures/deploy/refused-together") {
        let written = std::fs::read_to_string(&file).unwrap();
        let words = written
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# refused: "))
            .unwrap_or_else(|| panic!("{} does not say what is refused", file.display()));
        let message = refusal(&mut helm("render", Some(&file)));
        assert!(message.contains(words) && !message.contains("the schema"), "{}: {message}", file.display());
    }
}

/// Beside each refusal stands what is right.
#[test]
fn their_neighbours_are_taken() {
    for values in [
        "port: 9090",
        "port: 9090\nconfig: {web: {listen: [':9090']}}",
        "port: 9090\nconfig: {web: {listen: ['127.0.0.1:9090', '192.0.2.7:9090']}}",
        "config: {web: {listen: [':10048', ':9090', '127.0.0.1:9091']}}",
        // Nothing goes by `port`: kubelet probes with `pullprobe healthcheck`.
        "config: {web: {listen: ['127.0.0.1:10048', '192.0.2.7:9090']}}",
        "config: {web: {listen: ['127.0.0.1:9090']}}",
        "webConfig: {secretName: web}\nconfig: {web: {listen: [':9090']}}",
        "{livenessProbe: {httpGet: {port: 9090}}, readinessProbe: {httpGet: {port: 9090}}, config: {web: {listen: [':9090']}}}",
        "livenessProbe: {httpGet: null, tcpSocket: {port: 9090}}\nconfig: {web: {listen: ['192.0.2.7:9090']}}",
        "rbac: {nodeCondition: true, events: true}\nconfig: {signals: {node_condition: true, events: true}}",
        "rbac: {pods: false}\nconfig: {targets: {discover: {waiting_pods: false, node_images: true}}}",
        "config: {targets: {discover: {waiting_pods: true, node_pods: true}}}",
        // Rights and tokens of one's own.
        "serviceAccount: {create: false, name: own}\nconfig: {signals: {node_condition: true, events: true}}",
        "{serviceAccount: {create: false}, rbac: {pods: false}, config: {targets: {discover: {node_pods: true}}}}",
        "config: {signals: {events: true}}\nextraObjects: [{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding}]",
        "rbac: {pods: false, events: true}\nconfig: {targets: {discover: {node_pods: true}}}",
        "rbac: {pods: false}\nconfig: {targets: {discover: {waiting_pods: true}}}\nextraVolumes: [{name: api, emptyDir: {}}]\n\
         extraVolumeMounts: [{name: api, mountPath: /var/run/secrets/kubernetes.io/serviceaccount/}]",
        "updateStrategy: {type: OnDelete}",
        "updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
        "updateStrategy: {rollingUpdate: {maxSurge: 0%}}",
        "podMonitor: {enabled: true, interval: 15s, scrapeTimeout: 15s}\nwebConfig: {secretName: web}",
        "podMonitoring: {enabled: true}\nprometheusAnnotations: true\nserviceMonitor: {enabled: true}",
        // The chart does not see what web.yaml asks for.
        "{webConfig: {secretName: web}, podMonitoring: {enabled: true}, prometheusAnnotations: true}",
        "podMonitor: {enabled: true, labels: {release: blue}}\nserviceMonitor: {enabled: true, labels: {release: green}}",
        "podMonitor: {enabled: true, labels: {release: blue}}\nserviceMonitor: {enabled: true}",
        "userRole: {create: true, exec: true}",
        "webConfig: {secretName: web, certificates: [tls]}\nconfig: {web: {report: authenticated}}",
        "config: {web: {report: authenticated, config_file: /certs/web.yaml}}",
        "kubeVersionOverride: 1.29.0",
        "kubeVersionOverride: v1.29.0-eks-1a2b3c",
        "kubeVersionOverride: v1.34.1+k3s1",
    ] {
        assert!(!with(values).is_empty(), "{values}");
    }
    assert!(objects(None).len() > 4);
}
