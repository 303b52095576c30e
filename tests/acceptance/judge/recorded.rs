//! What official builds of containerd did, held against what pullprobe says of them.
//!
//! Those daemons are not at hand where the judge runs. What they did in each scenario was recorded once and is kept as
//! data; pullprobe is asked on the same node, in the same network, and must tell the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::compare::{Prediction, Told};
use super::scenario::{self, Scenario};
use super::servers::Servers;
use super::{namespace, node, trial};

/// The builds that were recorded, oldest first.
pub const BUILDS: [&str; 5] = ["v1.7.34", "v2.0.11", "v2.1.9", "v2.2.7", "v2.3.4"];
/// By its name the process inside the namespace knows which kind of errand it is on.
pub const ERRAND: &str = "recorded.json";
const RECORD: &str = include_str!("../../fixtures/official-builds.jsonl");

/// One scenario as it was when it was recorded, and who told what of it.
#[derive(Serialize, Deserialize, Clone)]
pub struct Record {
    pub scenario: String,
    /// Of the scenario's file: a scenario that was changed since is another one.
    pub of: String,
    pub told: Vec<ByBuilds>,
}

/// Builds that told the same.
#[derive(Serialize, Deserialize, Clone)]
pub struct ByBuilds {
    pub builds: Vec<String>,
    #[serde(flatten)]
    pub told: Told,
}

impl Record {
    pub fn of_build(&self, build: &str) -> Option<&Told> {
        let told = self.told.iter().find(|one| one.builds.iter().any(|other| other == build));
        told.map(|one| &one.told)
    }
}

#[derive(Serialize, Deserialize)]
struct Errand {
    scenario: PathBuf,
    scratch: PathBuf,
    record: Record,
}

/// What one scenario came to.
pub struct Outcome {
    pub scenario: String,
    /// How many builds were asked about, and each difference; `Err`: it could not be held.
    pub result: Result<(usize, Vec<String>), String>,
}

/// The records by scenario.
pub fn load() -> BTreeMap<String, Record> {
    let lines = RECORD.lines().filter(|line| !line.starts_with('#'));
    let records = lines.map(|line| serde_json::from_str::<Record>(line).unwrap_or_else(|why| panic!("{why}: {line}")));
    records.map(|record| (record.scenario.clone(), record)).collect()
}

/// Tells a scenario from one of the same name that does something else; what is said about it does not count.
pub fn fingerprint(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    table.remove("about");
    format!("{:.12x}", Sha256::digest(table.to_string()))
}

/// Holds the scenario in a namespace of its own.
pub fn run(file: &Path, record: Record, entry: &str) -> Outcome {
    let scenario = record.scenario.clone();
    let scratch = tempfile::tempdir().unwrap();
    let errand = Errand { scenario: file.to_owned(), scratch: scratch.path().to_owned(), record };
    let path = scratch.path().join(ERRAND);
    std::fs::write(&path, serde_json::to_vec(&errand).unwrap()).unwrap();
    let result = namespace::run(entry, &path).map(|()| {
        let evidence = std::fs::read(scratch.path().join("evidence.json")).unwrap();
        serde_json::from_slice(&evidence).unwrap()
    });
    Outcome { scenario, result }
}

/// The other side of `run`, inside the namespace.
pub fn conduct(errand: &Path) {
    let errand: Errand = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let evidence = runtime.block_on(hold(&errand));
    std::fs::write(errand.scratch.join("evidence.json"), serde_json::to_vec(&evidence).unwrap()).unwrap();
}

async fn hold(errand: &Errand) -> (usize, Vec<String>) {
    let scenario = scenario::load(&errand.scenario);
    namespace::bring_up_network(&scenario.addresses());
    let servers = Servers::start(&scenario).await;
    let roots: BTreeMap<&str, PathBuf> = (errand.record.told.iter())
        .flat_map(|one| one.builds.iter().map(|build| series_of(build)))
        .map(|series| (series, errand.scratch.join(series)))
        .collect();
    for (series, root) in &roots {
        node::write(root, &scenario, series, &servers);
        node::write_unit(root, &servers.environment(&scenario));
    }
    // A proxy looks names up where it runs: here, as in the live trials.
    namespace::enter_node(roots.values().next().unwrap());
    let mut found = Vec::new();
    let mut asked = 0;
    for one in &errand.record.told {
        for build in &one.builds {
            let told = tell(&scenario, build, &roots[series_of(build)], &servers).await;
            let differences = one.told.differences(&told).into_iter();
            found.extend(differences.map(|difference| format!("{build}: {difference}")));
            asked += 1;
        }
    }
    (asked, found)
}

/// What pullprobe tells of this build.
async fn tell(scenario: &Scenario, build: &str, root: &Path, servers: &Servers) -> Told {
    servers.begin_anew();
    drop(servers.take_requests());
    let report = trial::ask(&servers.fill_in(&scenario.image), build, root).await;
    Prediction { report, requests: servers.take_requests() }.told()
}

/// Whose configuration and whose scenarios a build shares.
pub fn series_of(build: &str) -> &'static str {
    if build.starts_with("v1.7.") { "1.7" } else { "2.1" }
}

#[test]
fn every_recorded_scenario_says_who_told_what() {
    let records = load();
    assert!(records.len() > 700, "{}", records.len());
    for record in records.values() {
        let file = super::file_of(&record.scenario);
        assert!(file.exists(), "{} is recorded, and there is no such scenario", record.scenario);
        let mut builds: Vec<&str> = record.told.iter().flat_map(|one| &one.builds).map(String::as_str).collect();
        assert!(builds.iter().all(|build| BUILDS.contains(build)), "{}: {builds:?}", record.scenario);
        let count = builds.len();
        builds.sort_unstable();
        builds.dedup();
        assert!(count > 0 && count == builds.len(), "{}: {builds:?}", record.scenario);
    }
}

#[test]
fn a_scenario_is_known_by_what_it_does_and_not_by_what_is_said_about_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        fingerprint(&path)
    };
    let first = write("a.toml", "about = 'One.'\nimage = 'a'\n");
    assert_eq!(first, write("b.toml", "# Other words.\nabout = 'Two.'\nimage = \"a\"\n"));
    assert_ne!(first, write("c.toml", "about = 'One.'\nimage = 'b'\n"));
}
