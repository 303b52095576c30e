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
mod same_version;
pub mod scenario;
mod server;
pub mod servers;
mod trial;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use explained::Figures;
use scenario::Scenario;
use trial::{Job, Trial};

/// Set to record what containerd does into `OBSERVED.md` without asking pullprobe; of the chosen scenarios, if any.
const RECORD_VARIABLE: &str = "JUDGE_RECORD";
/// Set to a part of a scenario's name to run the scenarios that contain it, printing every request.
const ONLY_VARIABLE: &str = "JUDGE_ONLY";
/// A pull waits more than it computes.
const TRIALS_PER_PROCESSOR: usize = 2;
/// Of all scenarios; fewer would show that some are passed over.
const COMPARED_AT_LEAST: usize = 800;
const RECORDED_AT_LEAST: usize = 700;
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
            let file = file_of(&scenario.name);
            scenario.versions.iter().map(move |version| Job::new(file.clone(), version, recording))
        })
        .collect();
    assert!(!jobs.is_empty(), "no scenario is named like {only:?}");
    let mut trials = run_all(jobs, &run_twice_in_doubt);
    trials.sort_by(|one, other| (&one.scenario, &one.version).cmp(&(&other.scenario, &other.version)));
    if recording {
        let path = scenarios_directory().join("OBSERVED.md");
        let before = (!only.is_empty()).then(|| std::fs::read_to_string(&path).unwrap());
        std::fs::write(path, observed::render(&scenarios, &trials, before.as_deref())).unwrap();
    }
    if !only.is_empty() {
        for trial in &trials {
            println!("{}", observed::in_full(trial));
        }
    }
    if recording {
        conclude_recording(&trials);
        return;
    }
    let records = recorded::load();
    let same_version = same_version::hold(&trials, &records);
    let recorded = ask_about_the_recorded(&scenarios, records, &only);
    conclude(&trials, &recorded, &same_version, only.is_empty());
}

/// Scenarios that are newer than the record, or were changed since, are left out of it.
fn ask_about_the_recorded(
    scenarios: &[Scenario],
    mut records: BTreeMap<String, recorded::Record>,
    only: &str,
) -> Vec<recorded::Outcome> {
    let (mut without, mut changed) = (0, 0);
    let mut jobs = VecDeque::new();
    for scenario in scenarios.iter().filter(|scenario| scenario.name.contains(only)) {
        let file = file_of(&scenario.name);
        match records.remove(&scenario.name) {
            Some(record) if record.of == recorded::fingerprint(&file) => jobs.push_back((file, record)),
            Some(_) => changed += 1,
            None => without += 1,
        }
    }
    println!("record of official builds: {} scenarios; {without} are newer, {changed} were changed since", jobs.len());
    if only.is_empty() {
        assert!(records.is_empty(), "recorded, and there are no such scenarios: {:?}", records.keys());
        assert!(jobs.len() >= RECORDED_AT_LEAST, "{} scenarios have a record that counts", jobs.len());
    }
    let run = |(file, record): (PathBuf, recorded::Record)| {
        let first = recorded::run(&file, record.clone(), THIS_TEST);
        let agreed = first.result.as_ref().is_ok_and(|(_, differences)| differences.is_empty());
        if agreed { first } else { recorded::run(&file, record, THIS_TEST) }
    };
    let mut outcomes = run_all(jobs, &run);
    outcomes.sort_by(|one, other| one.scenario.cmp(&other.scenario));
    outcomes
}

fn file_of(scenario: &str) -> PathBuf {
    scenarios_directory().join(scenario).with_extension("toml")
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
    let agreed = first.result.as_ref().is_ok_and(|evidence| evidence.disagreements.iter().all(Vec::is_empty));
    if agreed { first } else { trial::run(job, THIS_TEST) }
}

fn conclude_recording(trials: &[Trial]) {
    let broken = trials.iter().filter_map(|trial| Some((trial, trial.result.as_ref().err()?)));
    let broken = broken.map(|(trial, reason)| println!("BROKEN {}: {reason}", trial.name())).count();
    assert_eq!(broken, 0, "{broken} trials could not be held");
    println!("{} scenarios, {} versions recorded", distinct(trials, |trial| &trial.scenario), versions(trials));
}

/// Prints what was compared, and fails where anything differs. `whole`: no scenario was left out.
fn conclude(trials: &[Trial], recorded: &[recorded::Outcome], same_version: &same_version::Held, whole: bool) {
    let broken = print_broken(trials, recorded);
    let disagreements = print_disagreements(trials, recorded, same_version);
    let figures = Figures::of(trials.iter().filter_map(told));
    figures.print();
    let evidence = || trials.iter().filter_map(|trial| trial.result.as_ref().ok());
    let reports = evidence().filter(|evidence| evidence.disagreements.is_some()).count();
    let statements: usize = evidence().map(|evidence| evidence.statements).sum();
    println!("{reports} reports, {statements} statements held against the rest of their report");
    let answers: usize = recorded.iter().filter_map(|outcome| Some(outcome.result.as_ref().ok()?.0)).sum();
    println!("{answers} recorded answers of official builds, in {} scenarios", recorded.len());
    println!("{} records held against the daemon of the same version", same_version.scenarios);
    let is_compared = |trial: &&Trial| trial.result.as_ref().is_ok_and(|evidence| evidence.disagreements.is_some());
    let compared = distinct(trials.iter().filter(is_compared), |trial| &trial.scenario);
    let observed = distinct(trials, |trial| &trial.scenario) - compared;
    println!("{observed} scenarios observed and not compared: no node that kubelet runs on is in such a state");
    let (versions, builds) = (versions(trials), recorded::BUILDS.len());
    println!("{compared} scenarios, {versions} versions + {builds} recorded, {disagreements} disagreements");
    assert_eq!(broken, 0, "{broken} trials could not be held");
    assert_eq!(disagreements, 0, "pullprobe's answer is not containerd's");
    if whole {
        assert!(compared >= COMPARED_AT_LEAST, "{compared} scenarios were compared");
        figures.judge();
        same_version.judge_whole();
    }
}

fn print_broken(trials: &[Trial], recorded: &[recorded::Outcome]) -> usize {
    let live = trials.iter().filter_map(|trial| Some((trial.name(), trial.result.as_ref().err()?)));
    let recorded = recorded.iter();
    let recorded = recorded
        .filter_map(|outcome| Some((format!("{} as recorded", outcome.scenario), outcome.result.as_ref().err()?)));
    live.chain(recorded).map(|(name, reason)| println!("BROKEN {name}: {reason}")).count()
}

fn print_disagreements(trials: &[Trial], recorded: &[recorded::Outcome], same_version: &same_version::Held) -> usize {
    let mut count = 0;
    let mut print = |what: String| {
        count += 1;
        println!("DISAGREEMENT {what}");
    };
    for trial in trials {
        let found = trial.result.iter().flat_map(|evidence| &evidence.disagreements).flatten();
        found.for_each(|disagreement| print(format!("{}: {disagreement}", trial.name())));
    }
    for outcome in recorded {
        let found = outcome.result.iter().flat_map(|(_, differences)| differences);
        found.for_each(|difference| print(format!("{} as recorded on containerd {difference}", outcome.scenario)));
    }
    same_version.differences.iter().for_each(|difference| print(difference.clone()));
    count
}

fn distinct<'t>(trials: impl IntoIterator<Item = &'t Trial>, key: fn(&Trial) -> &String) -> usize {
    trials.into_iter().map(key).collect::<BTreeSet<_>>().len()
}

fn versions(trials: &[Trial]) -> usize {
    distinct(trials, |trial| &trial.version)
}

/// The cause that pullprobe found, and what the daemon said.
fn told(trial: &Trial) -> Option<(&str, &str)> {
    let evidence = trial.result.as_ref().ok()?;
    Some((evidence.cause.as_deref()?, evidence.observation.outcome.message()?))
}
