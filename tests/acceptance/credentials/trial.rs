//! One configuration on one containerd, on a machine of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::configuration::{Candidate, Configuration};
use super::planned;
use super::pulled::{self, Pulls};
use crate::binary::pullprobe;
use crate::judge::daemon::Containerd;
use crate::judge::servers::Servers;
use crate::judge::{namespace, node};

#[derive(Serialize, Deserialize)]
struct Job {
    file: PathBuf,
    version: String,
    scratch: PathBuf,
}

pub struct Trial {
    pub name: String,
    pub version: String,
    pub evidence: Evidence,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Evidence {
    /// How many containerd made.
    pub pulls: usize,
    pub disagreements: Vec<String>,
}

/// Holds the trial in namespaces of its own; `entry` is the calling test.
pub fn run(file: &Path, version: &str, entry: &str) -> Trial {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let scratch = tempfile::tempdir().unwrap();
    let job = Job { file: file.to_owned(), version: version.to_owned(), scratch: scratch.path().to_owned() };
    let errand = scratch.path().join("job.json");
    std::fs::write(&errand, serde_json::to_vec(&job).unwrap()).unwrap();
    namespace::run(entry, &errand).unwrap_or_else(|said| panic!("{name} on containerd {version}: {said}"));
    let evidence = std::fs::read(scratch.path().join("evidence.json")).unwrap();
    Trial { name, version: version.to_owned(), evidence: serde_json::from_slice(&evidence).unwrap() }
}

/// The other side of `run`, inside the namespaces.
pub fn conduct(errand: &Path) {
    let job: Job = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let evidence = runtime.block_on(hold(&job));
    std::fs::write(job.scratch.join("evidence.json"), serde_json::to_vec(&evidence).unwrap()).unwrap();
}

async fn hold(job: &Job) -> Evidence {
    let configuration = Configuration::load(&job.file);
    let Configuration { scenario, expect, .. } = &configuration;
    let root = job.scratch.join("node");
    namespace::bring_up_network(&scenario.addresses());
    let servers = Servers::start(scenario).await;
    node::write(&root, scenario, &job.version, &servers);
    let settings = configuration.write(&root, &job.scratch);
    namespace::enter_node(&root);
    let ask = async |verb: &str, version: &str| {
        let mut command = pullprobe([verb, &scenario.image, "--format", "json", "--platform", "linux/amd64"]);
        if verb == "check" {
            command.args(["--timeout", "60s"]);
        }
        command.args(["--containerd-version", version]).arg("--config").arg(&settings);
        command.arg("--host-root").arg(&root);
        document(command).await
    };
    let plan = ask("plan", &job.version).await;
    let mut disagreements = planned::differences(expect, &plan, &format!("{}/", job.scratch.display()));
    if !servers.take_received().is_empty() {
        disagreements.push("plan: it asked a server".to_owned());
    }
    if expect.no_pull.is_some() {
        let report = ask("check", &job.version).await;
        let image = &report["images"][0];
        if (&image["pullable"], &image["cause"]) != (&false.into(), &"credentials_malformed".into()) {
            disagreements.push(format!("check: kubelet makes no pull, and check says\n{image:#}"));
        }
        return Evidence { pulls: 0, disagreements };
    }
    let tried = order(&configuration, &plan);
    let by_kubelet = pull(job, &scenario.image, &tried, &servers).await;
    servers.begin_anew();
    let report = ask("check", &by_kubelet.version).await;
    let sent = pulled::logins(&servers.take_received());
    disagreements.extend(pulled::differences(expect, &tried, &by_kubelet, &report, &sent));
    Evidence { pulls: by_kubelet.succeeded.len(), disagreements }
}

/// The order in which kubelet tries them; where it has none, any will do, so that of the plan does.
fn order<'c>(configuration: &'c Configuration, plan: &Value) -> Vec<&'c Candidate> {
    let mut candidates: Vec<&Candidate> = configuration.expect.candidates.iter().collect();
    if configuration.expect.random {
        let planned = planned::list(&plan["images"][0]["credentials"]);
        candidates.sort_by_key(|candidate| planned.iter().position(|one| one["key"] == candidate.key.as_str()));
    }
    candidates
}

async fn pull(job: &Job, image: &str, candidates: &[&Candidate], servers: &Servers) -> Pulls {
    let log = job.scratch.join("containerd.log");
    let mut containerd = Containerd::start(&job.version, &[], &log).await.unwrap();
    let outcomes = pulled::pull_in_turn(&mut containerd.cri, image, candidates).await;
    Pulls {
        version: containerd.version.clone(),
        succeeded: outcomes.iter().map(Result::is_ok).collect(),
        logins: pulled::logins(&servers.take_received()),
    }
}

/// The registries answer from this runtime: waiting must not hold its threads.
async fn document(mut command: Command) -> Value {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("no JSON ({error}): {}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
    })
}
