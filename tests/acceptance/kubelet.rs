//! What two real kubelets said of failed pulls, and which logins their registries saw: `kubelet_message` is what
//! follows in the event, and the same logins are tried in the same order.
//!
//! The servers of `tests/fixtures/kubelet/lab.toml` run once, on a machine of their own, and every case of `events.toml`
//! is asked of the node with the containerd that the kubelet had.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod event;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::binary::{pullprobe, report, repository};
use super::credentials::pulled;
use super::judge::servers::Servers;
use super::judge::{namespace, node, scenario};
use event::{Case, Event};

const THIS_TEST: &str = "kubelet::messages_and_logins_are_those_of_recorded_kubelets";
/// kubelet's version as the fixture has it, its containerd, and whose files that one reads.
const KUBELETS: [(&str, &str, &str); 2] = [("1.20", "1.6.20", "1.6"), ("1.36", "2.1.9", "2.1")];
/// Cases that say nothing here, and why: by name and kubelet, the empty one standing for both.
const LEFT_OUT: [(&str, &str, &str); 4] = [
    ("never", "", "pullPolicy: Never is the pod's, and pullprobe answers for the node"),
    (
        "doubled",
        "",
        "the recorded registry's certificate was for 127.0.0.1, of an authority that one node trusted and one did not",
    ),
    ("b-opaque", "", "a mounted secret does not show its type: the login is tried"),
    ("secret-bad-token", "1.20", "recorded while the token service gave no token"),
];
/// At least so many are compared, or the test has shown nothing.
const LEAST_COMPARED: usize = 110;

#[derive(Serialize, Deserialize)]
struct Job {
    scratch: std::path::PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Evidence {
    compared: usize,
    orders: usize,
    differences: Vec<String>,
}

#[test]
fn messages_and_logins_are_those_of_recorded_kubelets() {
    if let Some(job) = std::env::var_os(namespace::JOB_VARIABLE) {
        return conduct(job.as_ref());
    }
    let scratch = tempfile::tempdir().unwrap();
    let errand = scratch.path().join("job.json");
    std::fs::write(&errand, json!({"scratch": scratch.path()}).to_string()).unwrap();
    namespace::run(THIS_TEST, &errand).unwrap_or_else(|said| panic!("{said}"));
    let evidence = std::fs::read(scratch.path().join("evidence.json")).unwrap();
    let evidence: Evidence = serde_json::from_slice(&evidence).unwrap();
    for (name, kubelet, why) in LEFT_OUT {
        println!("not compared: {name}{}: {why}", if kubelet.is_empty() { "" } else { " of 1.20" });
    }
    report(&format!(
        "{} of {} recorded cases compared, of {} the order of logins too, {} differences",
        evidence.compared,
        event::load().len() * KUBELETS.len(),
        evidence.orders,
        evidence.differences.len()
    ));
    assert!(evidence.differences.is_empty(), "{}", evidence.differences.join("\n"));
    assert!(evidence.compared >= LEAST_COMPARED, "only {} are compared", evidence.compared);
}

/// Inside the namespaces.
fn conduct(errand: &Path) {
    let job: Job = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let evidence = runtime.block_on(hold(&job.scratch));
    std::fs::write(job.scratch.join("evidence.json"), serde_json::to_vec(&evidence).unwrap()).unwrap();
}

async fn hold(scratch: &Path) -> Evidence {
    let lab = scenario::load(&repository("tests/fixtures/kubelet/lab.toml"));
    namespace::bring_up_network(&lab.addresses());
    let servers = Servers::start(&lab).await;
    let mut evidence = Evidence::default();
    for (_, _, series) in KUBELETS {
        node::write(&scratch.join(series), &lab, series, &servers);
    }
    for case in event::load() {
        let settings = case.write(&scratch.join(&case.name));
        for (kubelet, containerd, series) in KUBELETS {
            if LEFT_OUT.iter().any(|(name, of, _)| *name == case.name && (of.is_empty() || *of == kubelet)) {
                continue;
            }
            let mut check = pullprobe(["check", &case.image, "--format", "json", "--timeout", "60s"]);
            check.args(["--containerd-version", containerd, "--platform", "linux/amd64", "--counted-pulls", "9"]);
            check.arg("--config").arg(&settings).arg("--host-root").arg(scratch.join(series));
            drop(servers.take_received());
            let output = tokio::task::spawn_blocking(move || check.output()).await.unwrap().unwrap();
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
                panic!("{}: {error}: {}", case.name, String::from_utf8_lossy(&output.stderr));
            });
            let mut sent: Vec<String> =
                pulled::logins(&servers.take_received()).into_iter().map(|(_, login)| login).collect();
            let mut seen = std::collections::BTreeSet::new();
            sent.retain(|login| seen.insert(login.clone()));
            evidence.compare(&case, kubelet, &report["images"][0], &sent);
        }
    }
    evidence
}

impl Evidence {
    fn compare(&mut self, case: &Case, kubelet: &str, image: &Value, sent: &[String]) {
        let event: &Event = &case.events[kubelet];
        self.compared += 1;
        let said = image["kubelet_message"].as_str().unwrap_or_default();
        // Where the recorded nodes had their nameserver.
        let said = event::without_digest(&said.replace("192.0.2.53:53", "127.0.0.1:53"), &case.image);
        let wanted =
            event.message(&case.image, kubelet).unwrap_or_else(|odd| format!("an event as that one has: {odd}"));
        if event::in_words_of(&said, kubelet) != event::without_digest(&wanted, &case.image) {
            self.differences.push(format!("{} {kubelet}:\n  kubelet:   {wanted}\n  pullprobe: {said}", case.name));
        }
        if let Some(logins) = &event.logins {
            self.orders += 1;
            if logins != sent {
                let name = &case.name;
                self.differences
                    .push(format!("{name} {kubelet}: logins\n  kubelet:   {logins:?}\n  pullprobe: {sent:?}"));
            }
        }
    }
}

/// kubelet's versions name the keys of a case.
type Events = BTreeMap<String, Event>;
