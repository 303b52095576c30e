//! Pods that carry the agents' label and answer for them: what they send to `why` and `fleet` is bounded, and nothing of what
//! is cut is believed.

use std::process::Command;
use std::sync::Arc;

use pullprobe_lab::api_server::{ApiServer, Config};
use serde_json::{Value, json};

use super::super::binary::pullprobe;
use super::super::why::objects::{IMAGE, Pod, agent};
use super::measured;
use super::memory::{filled, mib, peak_of};

/// Above what the same question takes with an honest agent: the bytes of one answer, and what they are read into.
const BOUND: usize = 16 << 20;
/// The same where that is a report, of which more is read.
const BOUND_OF_REPORT: usize = 48 << 20;
/// A little less than is read of a check, of a report and of a summary.
const CHECK: usize = (4 << 20) - 1024;
const REPORT: usize = (16 << 20) - 1024;
const SUMMARY: usize = (1 << 20) - 1024;

/// Where the agent's answer comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Exec,
    Report,
    Summary,
}

/// What the verb says of a cluster of one node, whose agent answers this.
fn told(verb: &str, way: Way, answer: &[u8]) -> (Value, usize) {
    let node =
        json!({"kind": "Node", "metadata": {"name": "worker-1"}, "status": {"nodeInfo": {"osImage": "Debian 12"}}});
    let objects = vec![Pod::new("web").waiting("words that say nothing"), agent("worker-1"), node];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("answer");
    std::fs::write(&file, answer).unwrap();
    let mut config = Config { objects, ..Config::default() };
    if way == Way::Exec {
        config.runs = Some(Arc::new(move |_: &str, _: &str, _: &[String]| {
            // As `check` it reads its input first: the shortest document has 26 bytes.
            let mut command = Command::new("sh");
            command.args(["-c", "head -c 26 >/dev/null; cat \"$0\""]).arg(&file);
            command
        }));
    } else {
        config.forbidden.push("get pods/exec".into());
        let document = if way == Way::Report { "report" } else { "summary" };
        let place = format!("pullprobe/agent-worker-1:10048/api/v1/{document}");
        config.proxied.insert(place, (200, String::from_utf8(answer.to_vec()).unwrap()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let api = ApiServer::start(config).unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig("shop", "bearer")).unwrap();
    let mut command = pullprobe([verb, "-o", "json"]);
    command.arg("--kubeconfig").arg(kubeconfig);
    peak_of(&mut command)
}

fn honest() -> Vec<u8> {
    json!({
        "schema_version": 1, "node": "worker-1", "pullprobe": "0.2.0", "platform": "linux/amd64", "containerd": "2.1.9",
        "config_hash": null, "config_changed_at": null, "nameservers": [], "proxies": [],
        "started_at": "2026-11-29T10:00:00Z", "complete": true, "registries": [],
        "images": [{"image": IMAGE, "pullable": false, "runnable": null, "cause": "tcp_refused", "owner": "network"}],
        "findings": {"errors": 0, "warnings": 0}
    })
    .to_string()
    .into_bytes()
}

/// With this list in place of the honest one.
fn with(name: &str, item: &str, limit: usize) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&honest()).unwrap();
    document.as_object_mut().unwrap().remove(name);
    let text = document.to_string();
    filled(&format!("{},\"{name}\":[", &text[..text.len() - 1]), item.as_bytes(), "]}", limit)
}

#[test]
fn no_answer_in_an_agents_name_takes_more_than_its_bound_of_why() {
    let attempts =
        |item: &str| filled("{\"images\":[{\"pullable\":true,\"attempts\":[", item.as_bytes(), "]}]}", CHECK);
    let causes = filled("{\"images\":[{\"pullable\":true,\"also_possible\":[", b"\"\"", "]}]}", CHECK);
    for (way, bound, attacks) in [
        (
            Way::Exec,
            BOUND,
            vec![
                ("a check of a million images", with("images", "{\"pullable\":true}", CHECK)),
                ("a check of a million attempts", attempts("{}")),
                ("a check of a million causes", causes),
            ],
        ),
        (
            Way::Report,
            BOUND_OF_REPORT,
            vec![
                ("a report of a million images", with("images", "{}", REPORT)),
                ("a report of a million registries", with("registries", "{}", REPORT)),
            ],
        ),
    ] {
        let (answer, idle) = told("why", way, &honest());
        assert_eq!(answer["containers"][0]["cause"], "tcp_refused", "{answer:#}");
        for (name, attack) in attacks {
            let (answer, most) = told("why", way, &attack);
            let above = most.saturating_sub(idle);
            let pullable = &answer["containers"][0]["pullable"];
            measured(name, &format!("{} above honest", mib(bound)), &format!("{}, pullable {pullable}", mib(above)));
            assert!(above < bound, "{name}: {}", mib(above));
            assert!(answer.to_string().len() < 64 << 10, "{name}: {} bytes", answer.to_string().len());
        }
    }
}

/// What is cut may have said the opposite.
#[test]
fn an_answer_that_is_cut_is_unknown_and_says_so() {
    let attempts =
        filled("{\"images\":[{\"pullable\":false,\"cause\":\"tcp_refused\",\"attempts\":[", b"{}", "]}]}", 4096);
    let (answer, _) = told("why", Way::Exec, &attempts);
    let container = &answer["containers"][0];
    assert_eq!((&container["pullable"], &container["cause"]), (&Value::Null, &Value::Null), "{container:#}");
    let because = container["unknown_because"].as_str().unwrap();
    assert!(because.contains("more attempts or causes than a check has"), "{because}");
    let (answer, _) = told("why", Way::Report, &with("images", "{}", REPORT));
    assert_eq!(answer["containers"][0]["pullable"], Value::Null, "{answer:#}");
    let because = answer["containers"][0]["unknown_because"].as_str().unwrap();
    assert!(because.contains("lines more than pullprobe reads"), "{because}");
}

#[test]
fn no_summary_in_an_agents_name_takes_more_than_its_bound_of_fleet() {
    let (answer, idle) = told("fleet", Way::Summary, &honest());
    assert_eq!(answer["targets"][0]["cannot"], 1, "{answer:#}");
    for (name, list, item) in [
        ("a summary of many name servers", "nameservers", "\"\""),
        ("a summary of many images", "images", "{\"image\":\"\"}"),
        ("a summary of many registries", "registries", "{\"registry\":\"\",\"failing\":[]}"),
    ] {
        let (answer, most) = told("fleet", Way::Summary, &with(list, item, SUMMARY));
        let above = most.saturating_sub(idle);
        measured(name, &format!("{} above honest", mib(BOUND)), &mib(above));
        assert!(above < BOUND, "{name}: {}", mib(above));
        let reason = answer["not_asked"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("lists more than pullprobe reads"), "{name}: {answer:#}");
    }
}
