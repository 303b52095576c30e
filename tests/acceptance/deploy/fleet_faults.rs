//! A fleet of twenty agents with five faults: a real Prometheus with the shipped rules and a real Alertmanager with the shipped
//! inhibition send one message for each fault, and none beside.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::alertmanager::Alertmanager;
use super::daemon::eventually;
use super::dashboard::{One, unanswered};
use super::prometheus::Prometheus;
use super::tools::{command, items, path, success, yaml};
use crate::binary::{Agent, pullprobe};
use crate::world::{Given, World};

const NODES: usize = 20;
/// Reaches nothing at all.
const BAD: usize = 7;
/// In a zone that does not reach one registry.
const ZONE: std::ops::Range<usize> = 15..20;
const REGISTRIES: [&str; 4] = ["hub.example", "zone.example", "limited.example", "other.example"];

/// What each fault is to be told by: alert and registry.
const EXPECTED: [(&str, &str); 4] = [
    ("PullprobeMirrorDeadButMasked", "hub.example"),
    ("PullprobeNodeReachesNothing", ""),
    ("PullprobeRateLimitExhausted", "limited.example"),
    ("PullprobeRegistryUnreachableFromManyNodes", "zone.example"),
];

fn world() -> World {
    let registry = |host: &str, rest: &str| {
        format!(
            "[[registries]]\nhost = '{host}'\ntls = {{}}\n{rest}\n\
             push = [{{repository = 'demo/app', tag = '1.0', content = {{index = {{manifests = [{{platform = 'linux/amd64'}}]}}}}}}]\n"
        )
    };
    let limit = "rate_limit = {limit = 100, remaining = 0, source = '192.0.2.77'}";
    let registries = REGISTRIES.map(|host| registry(host, if host.starts_with("limited") { limit } else { "" }));
    let mirrors =
        "[hosts]\n'hub.example' = '''\nserver = 'https://hub.example'\n[host.'https://mirror.example']\n'''\n";
    World::start(toml::from_str::<Given>(&(registries.concat() + mirrors)).unwrap())
}

/// A node like the world's, on which these names lead to where nothing listens.
fn node(world: &World, fleet: &Path, number: usize, lost: &[&str], nowhere: IpAddr) -> PathBuf {
    let root = fleet.join(format!("node-{number}"));
    success(command("cp", ["-a"]).arg(world.node.root()).arg(&root));
    let hosts: Vec<String> = lost.iter().map(|name| format!("{nowhere} {name}\n")).collect();
    std::fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost\n{}", hosts.concat())).unwrap();
    std::fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n").unwrap();
    let settings = json!({
        "node": {"name": format!("worker-{number}")},
        "targets": {
            "registries": REGISTRIES,
            "images": [{"image": "limited.example/demo/app:1.0", "interval": "30s"}],
            "discover": {"certs_d": false, "sandbox_image": false},
        },
        "probe": {"interval": "30s", "timeouts": {"dns": "15s", "tcp": "15s", "tls": "15s", "http": "15s"}},
        "metrics": {"bucket_key_file": fleet.join("key")},
        "web": {"listen": ["127.0.0.1:0"]},
    });
    std::fs::write(root.join("pullprobe.yaml"), settings.to_string()).unwrap();
    root
}

fn agent(root: &Path) -> Agent {
    let mut run = pullprobe(["run", "--containerd-version", "2.1", "--platform", "linux/amd64", "--config"]);
    Agent::start(run.arg(root.join("pullprobe.yaml")).arg("--host-root").arg(root))
}

/// The shipped rules with seconds for their minutes, and nothing kept beyond its end.
fn rules(directory: &Path) -> PathBuf {
    let mut rules = yaml(&path("deploy/alerts/pullprobe.yaml"));
    let groups = rules["groups"].as_array_mut().unwrap();
    for rule in groups.iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap()) {
        if rule["alert"].is_string() {
            rule["for"] = "2s".into();
            rule.as_object_mut().unwrap().remove("keep_firing_for");
        }
    }
    let file = directory.join("rules.yaml");
    std::fs::write(&file, rules.to_string()).unwrap();
    file
}

/// What Alertmanager sends, message by message.
type Messages = Arc<Mutex<Vec<Value>>>;

fn receiver() -> (SocketAddr, Messages) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let messages = Messages::default();
    let kept = Arc::clone(&messages);
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            if let Some(message) = message(&connection) {
                kept.lock().unwrap().push(message);
            }
            drop(connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
    });
    (address, messages)
}

fn message(connection: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Alert and registry of each message, with how many alerts are in it.
fn told(messages: &Messages) -> Vec<(String, String, usize)> {
    let messages = messages.lock().unwrap().clone();
    let text = |message: &Value, label: &str| message["groupLabels"][label].as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = messages
        .iter()
        .map(|message| (text(message, "alertname"), text(message, "namespace"), items(&message["alerts"]).len()))
        .collect();
    told.sort();
    told
}

#[test]
fn each_fault_of_a_fleet_is_one_message() {
    let mut world = world();
    let nowhere = world.address_of("mirror.example");
    let fleet = tempfile::tempdir().unwrap();
    std::fs::write(fleet.path().join("key"), "the key of this fleet\n").unwrap();
    let start = |number: usize| {
        let lost: &[&str] = match number {
            BAD => &REGISTRIES,
            _ if ZONE.contains(&number) => &REGISTRIES[1..2],
            _ => &[],
        };
        agent(&node(&world, fleet.path(), number, lost, nowhere))
    };
    let agents: Vec<Agent> = (0..NODES).map(start).collect();
    let agents: Vec<Agent> = agents.into_iter().map(Agent::ready).collect();

    let (hook, messages) = receiver();
    let route = format!(
        "route: {{receiver: hook, group_by: [alertname, cluster, namespace], group_wait: 10s, group_interval: 5s, repeat_interval: 1h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://{hook}/', send_resolved: false}}]}}]"
    );
    let alertmanager = Alertmanager::start(&route);
    let targets: BTreeMap<usize, SocketAddr> = agents.iter().map(Agent::address).enumerate().collect();
    let prometheus =
        Prometheus::start(&configuration(&targets, &rules(fleet.path()), &alertmanager.url), "count(up == 1) == 20");

    let expected: Vec<_> = EXPECTED.map(|(alert, registry)| (alert.to_owned(), registry.to_owned(), 1)).to_vec();
    let complete = eventually(|| (told(&messages).len() >= expected.len()).then_some(()));
    let fires = || {
        let firing = prometheus.query("ALERTS{alertstate=\"firing\"}");
        let shown: Vec<String> = firing.iter().map(|alert| alert["metric"].to_string()).collect();
        shown.join("\n")
    };
    assert!(complete.is_some(), "{:?} was told of\n{}", told(&messages), fires());
    assert_eq!(told(&messages), expected, "{}", fires());
    // Long enough for two more messages of every group.
    let evaluated =
        "count_over_time(ALERTS{alertname=\"PullprobeRateLimitExhausted\", alertstate=\"firing\"}[2m]) > 25";
    assert!(eventually(|| (!prometheus.query(evaluated).is_empty()).then_some(())).is_some(), "{}", fires());
    assert_eq!(told(&messages), expected, "{}", fires());
    let silenced: Vec<String> = (alertmanager.alerts().iter())
        .filter(|alert| alert["status"]["state"] == "suppressed")
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
        .collect();
    // Five nodes of the zone, and the bad one for each of its registries; the limit is also a block.
    let count = |name: &str| silenced.iter().filter(|silenced| *silenced == name).count();
    assert_eq!(count("PullprobeRegistryUnreachable"), ZONE.len() + REGISTRIES.len(), "{silenced:?}");
    assert_eq!(count("PullprobeRateLimitBlocked"), 1, "{silenced:?}");
    the_dashboards_are_answered(&prometheus, &targets);
}

const NO_API: &str = "the agents ask no Kubernetes API";
const NO_LOGINS: &str = "the nodes have no logins and no plugins that give any";
const NO_CONTAINERD: &str = "no containerd runs on the nodes, so none has a socket or a directory";
const NO_COUNTED: &str = "probe.counted_pulls_per_hour is 0";

/// The panels with a query that is rightly empty, and why. All others have an answer. That these have one where there is something
/// to tell is shown from the sample exposition.
const RIGHTLY_EMPTY: [(&str, &str, &str); 23] = [
    ("pullprobe-fleet", "Agents that do not answer", "each of them answers"),
    ("pullprobe-fleet", "Containers that wait for an image", NO_API),
    ("pullprobe-fleet", "Credentials that end first", NO_LOGINS),
    ("pullprobe-fleet", "Fullest image file systems", NO_CONTAINERD),
    ("pullprobe-fleet", "Images that could not be pulled again", NO_API),
    ("pullprobe-fleet", "Longest wait for an image", NO_API),
    ("pullprobe-fleet", "Nodes that differ from most", "their pull configuration is the same"),
    ("pullprobe-fleet", "Nodes where most containers wait", NO_API),
    ("pullprobe-fleet", "Nodes whose containerd does not answer", NO_CONTAINERD),
    ("pullprobe-fleet", "Waiting containers, by cause", NO_API),
    ("pullprobe-node", "Back-off", "no host answers 5xx or 429, or hangs"),
    ("pullprobe-node", "Containers that wait for an image", NO_API),
    ("pullprobe-node", "Credential providers", NO_LOGINS),
    ("pullprobe-node", "Credential providers that fail", NO_LOGINS),
    ("pullprobe-node", "Credentials: time left", NO_LOGINS),
    ("pullprobe-node", "Image file system", NO_CONTAINERD),
    ("pullprobe-node", "Images that could not be pulled again", NO_API),
    ("pullprobe-node", "Kubernetes API answers", NO_API),
    ("pullprobe-node", "Memory", "its second line is the limit of a control group, which they are not in"),
    ("pullprobe-node", "Requests that count as a pull", NO_COUNTED),
    ("pullprobe-node", "Waiting containers, by cause", NO_API),
    ("pullprobe-node", "containerd answers", NO_CONTAINERD),
    ("pullprobe-registry", "Requests that count as a pull", NO_COUNTED),
];

/// Asked about a healthy node, one of the zone and the bad one, with a registry each.
fn the_dashboards_are_answered(prometheus: &Prometheus, targets: &BTreeMap<usize, SocketAddr>) {
    let chosen = [(0, "limited.example"), (ZONE.start, "zone.example"), (BAD, "hub.example")]
        .map(|(node, namespace)| (targets[&node].to_string(), namespace));
    let chosen: Vec<One<'_>> = chosen.iter().map(|(instance, namespace)| One { instance, namespace }).collect();
    let expected = RIGHTLY_EMPTY.map(|(dashboard, panel, _)| (dashboard, panel.to_owned()));
    assert_eq!(unanswered(prometheus, &chosen), expected.into());
}

fn configuration(targets: &BTreeMap<usize, SocketAddr>, rules: &Path, alertmanager: &str) -> String {
    let one = |(number, address): (&usize, &SocketAddr)| json!({"targets": [address.to_string()], "labels": {"node": format!("worker-{number}")}});
    let agents: Vec<Value> = targets.iter().map(one).collect();
    let receiver = alertmanager.trim_start_matches("http://");
    json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [receiver]}]}]},
        "scrape_configs": [{"job_name": "pullprobe", "static_configs": agents}],
    })
    .to_string()
}
