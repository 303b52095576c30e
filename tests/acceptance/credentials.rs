//! The credentials that kubelet would offer: written by hand from its rules, listed by the program, and
//! tried one by one at a real containerd.
//!
//! A configuration is a file of `tests/fixtures/credentials`: the node's files, the image, and the
//! candidates that the rule at its head gives. See [`configuration::Configuration`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod configuration;
mod planned;
pub mod pulled;
mod trial;

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pullprobe_lab::node::Node;

use super::binary::{finish, pullprobe, repository};
use super::judge::namespace::JOB_VARIABLE;
use configuration::Configuration;
use trial::Trial;

/// Set to a part of a configuration's name to run only those that contain it.
const ONLY_VARIABLE: &str = "CREDENTIALS_ONLY";
const THIS_TEST: &str = "credentials::candidates_are_those_of_kubelet_and_containerd_takes_the_same_one";
/// A real containerd was there for so many configurations, or the test has shown nothing.
const LEAST_CONFIRMED: usize = 8;
/// A pull waits more than it computes.
const TRIALS_PER_PROCESSOR: usize = 2;

#[test]
fn candidates_are_those_of_kubelet_and_containerd_takes_the_same_one() {
    if let Some(job) = std::env::var_os(JOB_VARIABLE) {
        return trial::conduct(job.as_ref());
    }
    let only = std::env::var(ONLY_VARIABLE).unwrap_or_default();
    let files: Vec<PathBuf> = files().into_iter().filter(|file| file.to_string_lossy().contains(&only)).collect();
    assert!(!files.is_empty(), "no configuration is named like {only:?}");
    let trials = run_all(&files);
    let mut disagreements = 0;
    for trial in &trials {
        for disagreement in &trial.evidence.disagreements {
            disagreements += 1;
            println!("DISAGREEMENT {} on containerd {}: {disagreement}", trial.name, trial.version);
        }
    }
    let confirmed: BTreeSet<&str> =
        trials.iter().filter(|trial| trial.evidence.pulls > 0).map(|trial| &*trial.name).collect();
    let pulls: usize = trials.iter().map(|trial| trial.evidence.pulls).sum();
    println!("{pulls} pulls, one for each candidate until one succeeds, on containerd 1.6, 1.7 and 2.1");
    println!("{} configurations, {} confirmed by pulls, {disagreements} disagreements", files.len(), confirmed.len());
    assert_eq!(disagreements, 0, "pullprobe's candidates are not kubelet's");
    assert!(!only.is_empty() || confirmed.len() >= LEAST_CONFIRMED, "pulls confirmed only {confirmed:?}");
}

/// A rule that nobody can look up is no rule.
#[test]
fn every_configuration_names_the_source_of_its_rule() {
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let rule = text.lines().find_map(|line| line.strip_prefix("# Rule: "));
        let rule = rule.unwrap_or_else(|| panic!("{}: no line begins with `# Rule: `", file.display()));
        assert!(rule.contains(".go"), "{}: `{rule}` names no source", file.display());
        Configuration::load(&file);
    }
}

/// What people read of a plan has what programs read of it.
#[test]
fn the_text_of_a_plan_has_the_candidates_too() {
    for (name, lines) in [
        (
            "secret_before_node_file",
            &[
                "     basic credential offered when it asks: pull-secret:shop/pull, key registry.example",
                "  credential 1: basic from pull-secret:shop/pull (key registry.example, secrets/shop/pull/.dockerconfigjson:2)",
                "  credential 2: basic from kubelet-config-json (key registry.example/team/app, /var/lib/kubelet/config.json:2)",
            ][..],
        ),
        (
            "entry_empty",
            &[
                "  credential 1: basic from kubelet-config-json (key registry.example, /var/lib/kubelet/config.json:2), which is anonymous: it lacks user or password",
            ],
        ),
        (
            "key_with_the_port_that_https_implies",
            &[
                "  credential: none matches, anonymous",
                "  the nearest key is `registry.example:443` (/var/lib/kubelet/config.json:2): it names port 443, the image no port, and the two must be written alike",
            ],
        ),
        ("provider_that_fails", &["  then what the credential provider `lab` gives; a plan does not run it"]),
        (
            "secret_malformed",
            &[
                "  credential: kubelet does not pull at all: pull secret shop/bad: line 2, column 3: other.example: its auth is not base64 (of the standard alphabet)",
            ],
        ),
    ] {
        let configuration = Configuration::load(&repository(&format!("tests/fixtures/credentials/{name}.toml")));
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("node");
        let settings = configuration.write(&root, scratch.path());
        let node = Node::at(&root).unwrap();
        configuration.scenario.files.iter().for_each(|(path, text)| node.write(path, text).unwrap());
        let mut plan = pullprobe(["plan", &configuration.scenario.image]);
        plan.args(["--containerd-version", "2.1", "--platform", "linux/amd64"]).arg("--config").arg(settings);
        let said = finish(plan.arg("--host-root").arg(&root)).stdout;
        let said = said.replace(&format!("{}/", scratch.path().display()), "");
        let told: Vec<&str> = said.lines().filter(|line| lines.contains(line)).collect();
        assert_eq!(told, lines, "{name}:\n{said}");
    }
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository("tests/fixtures/credentials")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A trial that ends in doubt is held once more: on a busy machine a deadline may pass on one side only.
fn run_twice_in_doubt(file: &Path, version: &str) -> Trial {
    let first = trial::run(file, version, THIS_TEST);
    if first.evidence.disagreements.is_empty() { first } else { trial::run(file, version, THIS_TEST) }
}

/// Every configuration on each of its containerds, a few at a time.
fn run_all(files: &[PathBuf]) -> Vec<Trial> {
    let jobs: VecDeque<(PathBuf, String)> = files
        .iter()
        .flat_map(|file| {
            let versions = Configuration::load(file).scenario.versions;
            versions.into_iter().map(|version| (file.clone(), version))
        })
        .collect();
    let jobs = Mutex::new(jobs);
    let trials = Mutex::new(Vec::new());
    let processors = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    std::thread::scope(|scope| {
        for _ in 0..processors.get() * TRIALS_PER_PROCESSOR {
            scope.spawn(|| {
                loop {
                    let Some((file, version)) = jobs.lock().unwrap().pop_front() else { return };
                    let trial = run_twice_in_doubt(&file, &version);
                    trials.lock().unwrap().push(trial);
                }
            });
        }
    });
    let mut trials = trials.into_inner().unwrap();
    trials.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    trials
}
