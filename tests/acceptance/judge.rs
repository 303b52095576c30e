//! The judge: real containerd daemons pull, pullprobe predicts, and both must tell the same story.

// A test reports by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compare;
pub mod cri;
pub mod daemon;
mod explained;
mod held;
pub mod namespace;
pub mod node;
mod normalise;
mod observation;
mod observed;
mod recorded;
pub mod scenario;
mod server;
pub mod servers;
mod trial;

use std::collections::VecDeque;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use explained::Figures;
use scenario::Scenario;
use trial::{Job, Trial};

/// Set to record what containerd does into `OBSERVED.md` without asking pullprobe.
const RECORD_VARIABLE: &str = "JUDGE_RECORD";
/// Set to a part of a scenario's name to run the scenarios that contain it, printing every request.
const ONLY_VARIABLE: &str = "JUDGE_ONLY";
/// A pull waits more than it computes.
const TRIALS_PER_PROCESSOR: usize = 2;
const THIS_TEST: &str = "judge::pullprobe_answers_as_real_containerds_do";

#[test]
fn pullprobe_answers_as_real_containerds_do() {
    if let Some(job) = std::env::var_os(namespace::JOB_VARIABLE) {
        let job = Path::new(&job);
        return if job.ends_with(recorded::ERRAND) { recorded::conduct(job) } else { trial::conduct(job) };
    }
    for version in daemon::VERSIONS {
        daemon::executable(version);
    }
    let scenarios = scenario::load_all(&scenarios_directory());
    let recording = std::env::var_os(RECORD_VARIABLE).is_some();
    let only = std::env::var(ONLY_VARIABLE).unwrap_or_default();
    let jobs: VecDeque<Job> = scenarios
        .iter()
        .filter(|scenario| scenario.name.contains(&only))
        .flat_map(|scenario| {
            let file = scenarios_directory().join(&scenario.name).with_extension("toml");
            scenario.versions.iter().map(move |version| Job::new(file.clone(), version, recording))
        })
        .collect();
    assert!(!jobs.is_empty(), "no scenario is named like {only:?}");
    let mut trials = run_all(jobs, &run_twice_in_doubt);
    trials.sort_by(|one, other| (&one.scenario, &one.version).cmp(&(&other.scenario, &other.version)));
    if recording && only.is_empty() {
        let path = scenarios_directory().join("OBSERVED.md");
        std::fs::write(path, observed::render(&scenarios, &trials)).unwrap();
    }
    if !only.is_empty() {
        for trial in &trials {
            println!("{}", observed::in_full(trial));
        }
    }
    let recorded = if recording { Vec::new() } else { ask_about_the_recorded(&scenarios, &only) };
    conclude(&trials, &recorded, recording);
}

/// Scenarios that are newer than the record, or were changed since, are left out of it.
fn ask_about_the_recorded(scenarios: &[Scenario], only: &str) -> Vec<recorded::Outcome> {
    let mut records = recorded::load();
    let mut left_out = 0;
    let mut jobs = VecDeque::new();
    for scenario in scenarios.iter().filter(|scenario| scenario.name.contains(only)) {
        let file = scenarios_directory().join(&scenario.name).with_extension("toml");
        let record = records.remove(&scenario.name).filter(|record| record.of == recorded::fingerprint(&file));
        match record {
            Some(record) => jobs.push_back((file, record)),
            None => left_out += 1,
        }
    }
    println!("{} scenarios with a record of official builds, {left_out} without", jobs.len());
    let run = |(file, record): (PathBuf, recorded::Record)| {
        let first = recorded::run(&file, record.clone(), THIS_TEST);
        let agreed = first.result.as_ref().is_ok_and(|(_, differences)| differences.is_empty());
        if agreed { first } else { recorded::run(&file, record, THIS_TEST) }
    };
    let mut outcomes = run_all(jobs, &run);
    outcomes.sort_by(|one, other| one.scenario.cmp(&other.scenario));
    outcomes
}

fn scenarios_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/pull")
}

/// Runs every job, a few at a time.
fn run_all<J: Send, T: Send>(jobs: VecDeque<J>, run: &(impl Fn(J) -> T + Sync)) -> Vec<T> {
    let processors = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let jobs = Mutex::new(jobs);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..processors.get() * TRIALS_PER_PROCESSOR {
            scope.spawn(|| {
                loop {
                    let Some(job) = jobs.lock().unwrap().pop_front() else {
                        return;
                    };
                    let outcome = run(job);
                    done.lock().unwrap().push(outcome);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// A trial that ends in doubt is held once more: with several at a time on a busy machine, a deadline may
/// pass on one side only. What differs twice differs.
fn run_twice_in_doubt(job: Job) -> Trial {
    let first = trial::run(job.clone(), THIS_TEST);
    let agreed = first.result.as_ref().is_ok_and(|evidence| evidence.disagreements.is_empty());
    if agreed { first } else { trial::run(job, THIS_TEST) }
}

fn conclude(trials: &[Trial], recorded: &[recorded::Outcome], recording: bool) {
    let mut broken = 0;
    let mut disagreements = 0;
    for trial in trials {
        let name = format!("{} on containerd {}", trial.scenario, trial.version);
        match &trial.result {
            Err(reason) => {
                broken += 1;
                println!("BROKEN {name}: {reason}");
            }
            Ok(evidence) => {
                for disagreement in &evidence.disagreements {
                    disagreements += 1;
                    println!("DISAGREEMENT {name}: {disagreement}");
                }
            }
        }
    }
    for outcome in recorded {
        match &outcome.result {
            Err(reason) => {
                broken += 1;
                println!("BROKEN {} as recorded: {reason}", outcome.scenario);
            }
            Ok((_, differences)) => {
                for difference in differences {
                    disagreements += 1;
                    println!("DISAGREEMENT {} as recorded on containerd {difference}", outcome.scenario);
                }
            }
        }
    }
    let count = |key: fn(&Trial) -> &String| trials.iter().map(key).collect::<std::collections::BTreeSet<_>>().len();
    let (scenarios, versions) = (count(|trial| &trial.scenario), count(|trial| &trial.version));
    assert_eq!(broken, 0, "{broken} trials could not be held");
    if recording {
        println!("{scenarios} scenarios, {versions} versions recorded");
        return;
    }
    let figures = Figures::of(trials.iter().filter_map(told));
    figures.print();
    let statements: usize = trials.iter().filter_map(|trial| Some(trial.result.as_ref().ok()?.statements)).sum();
    println!("{} reports, {statements} statements held against the rest of their report", trials.len());
    let answers: usize = recorded.iter().filter_map(|outcome| Some(outcome.result.as_ref().ok()?.0)).sum();
    println!("{answers} recorded answers of official builds");
    let builds = recorded::BUILDS.len();
    println!("{scenarios} scenarios, {versions} versions + {builds} recorded, {disagreements} disagreements");
    assert_eq!(disagreements, 0, "pullprobe's answer is not containerd's");
    if std::env::var_os(ONLY_VARIABLE).is_none() {
        figures.judge();
    }
}

/// The cause that pullprobe found, and what the daemon said.
fn told(trial: &Trial) -> Option<(&str, &str)> {
    let evidence = trial.result.as_ref().ok()?;
    Some((evidence.cause.as_deref()?, evidence.observation.outcome.message()?))
}
