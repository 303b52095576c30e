//! One scenario on one containerd: the errand handed into a namespace, and the evidence that comes back.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::contradictions;
use super::compare::{self, Prediction};
use super::cri::AuthConfig;
use super::daemon::Containerd;
use super::observation::{Observation, Outcome};
use super::scenario::{self, Scenario};
use super::servers::Servers;
use super::{namespace, node};

#[derive(Serialize, Deserialize, Clone)]
pub struct Job {
    /// The scenario's file.
    scenario: PathBuf,
    version: String,
    /// Only containerd is run, pullprobe is not.
    recording: bool,
    /// A directory for this trial alone; the namespace cannot make one that is cleaned up after it.
    scratch: PathBuf,
}

pub struct Trial {
    pub scenario: String,
    pub version: String,
    pub result: Result<Evidence, String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub observation: Observation,
    /// `None`: the scenario is for the daemons alone, or they were only recorded.
    pub disagreements: Option<Vec<String>>,
    /// The cause that pullprobe named. `None`: it named none, or was not asked.
    pub cause: Option<String>,
    /// So many things of the report were held against the rest of it.
    pub statements: usize,
}

impl Job {
    pub fn new(scenario: PathBuf, version: &str, recording: bool) -> Self {
        Self { scenario, version: version.to_owned(), recording, scratch: PathBuf::new() }
    }
}

impl Trial {
    pub fn name(&self) -> String {
        format!("{} on containerd {}", self.scenario, self.version)
    }
}

/// Holds the trial in a namespace of its own and returns what it found.
pub fn run(mut job: Job, entry: &str) -> Trial {
    let scratch = tempfile::tempdir().unwrap();
    scratch.path().clone_into(&mut job.scratch);
    let errand = job.scratch.join("job.json");
    std::fs::write(&errand, serde_json::to_vec(&job).unwrap()).unwrap();
    let result = namespace::run(entry, &errand).map(|()| {
        let evidence = std::fs::read(evidence_file(&job.scratch)).unwrap();
        serde_json::from_slice(&evidence).unwrap()
    });
    let scenario = job.scenario.file_stem().unwrap().to_str().unwrap().to_owned();
    Trial { scenario, version: job.version, result }
}

fn evidence_file(scratch: &Path) -> PathBuf {
    scratch.join("evidence.json")
}

/// The other side of `run`: inside the namespace, does the errand and leaves the evidence behind.
pub fn conduct(errand: &Path) {
    let job: Job = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let evidence = runtime.block_on(hold(&job));
    std::fs::write(evidence_file(&job.scratch), serde_json::to_vec(&evidence).unwrap()).unwrap();
}

async fn hold(job: &Job) -> Evidence {
    let scenario = scenario::load(&job.scenario);
    let node = job.scratch.join("node");
    namespace::bring_up_network(&scenario.addresses());
    let servers = Servers::start(&scenario).await;
    let errand = Errand::new(job, &scenario, &servers);
    node::write(&node, &scenario, &job.version, &servers);
    node::write_unit(&node, &errand.environment);
    namespace::enter_node(&node);
    let observation = errand.observe(&servers).await;
    let (disagreements, cause, statements) = if job.recording || scenario.observe_only.is_some() {
        (None, None, 0)
    } else {
        servers.begin_anew();
        let report = errand.predict(&node, &observation).await;
        let prediction = Prediction { report, requests: servers.take_requests() };
        let cause = prediction.report["images"][0]["cause"].as_str().map(str::to_owned);
        let within = contradictions::of(&prediction.report, contradictions::By::Check);
        let found = [compare::disagreements(&observation, &prediction), within.contradictions].concat();
        (Some(found), cause, within.statements)
    };
    Evidence { observation, disagreements, cause, statements }
}

/// What both sides are asked, with the scenario's placeholders filled in.
struct Errand<'a> {
    job: &'a Job,
    image: String,
    credential: Option<AuthConfig>,
    environment: Vec<(String, String)>,
}

impl<'a> Errand<'a> {
    fn new(job: &'a Job, scenario: &Scenario, servers: &Servers) -> Self {
        Self {
            job,
            image: servers.fill_in(&scenario.image),
            credential: scenario.credential.clone(),
            environment: servers.environment(scenario),
        }
    }

    /// Lets containerd pull.
    async fn observe(&self, servers: &Servers) -> Observation {
        let log = self.job.scratch.join("containerd.log");
        match Containerd::start(&self.job.version, &self.environment, &log).await {
            Err(reason) => {
                let outcome = Outcome::NoService(reason);
                Observation { version: String::new(), build: String::new(), outcome, requests: Vec::new() }
            }
            Ok(mut containerd) => {
                let answer = containerd.cri.pull(&self.image, self.credential.clone()).await;
                let outcome = answer.map_or_else(Outcome::Refused, Outcome::Pulled);
                let (version, build) = (containerd.version.clone(), containerd.build.clone());
                Observation { version, build, outcome, requests: servers.take_requests() }
            }
        }
    }

    /// What pullprobe says of the same node, in the same network.
    async fn predict(&self, node: &Path, observation: &Observation) -> Value {
        // A daemon that serves no CRI has told no version.
        let known = Some(&observation.build).filter(|build| !build.is_empty());
        ask(&self.image, known.unwrap_or(&self.job.version), node).await
    }
}

/// Asks pullprobe for an image as a build of containerd would pull it, and returns its JSON report.
pub async fn ask(image: &str, build: &str, node: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullprobe"));
    command
        .args(["check", image, "--format", "json", "--timeout", "60s"])
        .args(["--containerd-version", build])
        .args(["--counted-pulls", "1", "--host-root"])
        .arg(node)
        // Its own environment is not containerd's, which the node's unit files tell.
        .env_clear()
        .stdin(Stdio::null());
    // The registries answer from this runtime: waiting must not hold its threads.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("pullprobe's report is no JSON ({error}); {}: {said}", output.status)
    })
}
