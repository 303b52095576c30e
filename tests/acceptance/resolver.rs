//! Names as containerd resolves them, and as pullprobe says it does: real containerds pull in the worlds of
//! the network scenarios, a witness on the wire notes who was asked for what, and which address was used.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod witness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::binary::{document, finish, report, repository};
use super::judge::daemon::{Containerd, VERSIONS};
use super::judge::namespace;
use super::scenario::{Scenario, network};
use super::world::World;
use witness::{Seen, Witness};

const THIS_TEST: &str = "resolver::containerd_resolves_as_pullprobe_says";
/// Each waits more than it computes.
const TRIALS_AT_A_TIME: usize = 4;
/// Go gives thirty seconds to what pullprobe gives up sooner.
const TOO_SLOW: [&str; 2] = ["tcp_timeout", "tcp_all_addresses_dead"];
/// On one version, for what that version is.
const PARTICULAR: [(&str, &str); 1] = [("tls_large_hello_not_sent", "2.1")];
/// containerd's time for looking up and connecting is over in the midst of these. How far each of the two got
/// is not the same, and half a minute on one version is enough.
const OUT_OF_TIME: [&str; 3] = ["dns_aaaa_dropped_by_all", "dns_suffixes_out_of_time", "tcp_too_little_time_left"];
const OUT_OF_TIME_ON: &str = "2.1";
/// Debian builds its 1.6 with Go 1.19, which takes no answer that is truncated over TCP; Go does since 1.23.
const OF_OLD_GO: (&str, &str) = ("dns_truncated_over_tcp_too", "1.6");

/// One scenario on one containerd.
#[derive(Serialize, Deserialize)]
struct Trial {
    scenario: String,
    version: String,
    /// What happens there is left here.
    scratch: PathBuf,
}

#[test]
fn containerd_resolves_as_pullprobe_says() {
    if let Some(errand) = std::env::var_os(namespace::JOB_VARIABLE) {
        let trial: Trial = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
        return trial.hold();
    }
    let about_names = |name: &&&str| name.starts_with("dns_") || name.starts_with("tcp_");
    let scenarios: Vec<&str> =
        network::NAMES.iter().filter(about_names).filter(|name| !TOO_SLOW.contains(name)).copied().collect();
    let mut trials: Vec<(&str, &str)> =
        scenarios.iter().flat_map(|name| VERSIONS.iter().map(move |version| (*name, *version))).collect();
    trials.retain(|trial| *trial != OF_OLD_GO && (!OUT_OF_TIME.contains(&trial.0) || trial.1 == OUT_OF_TIME_ON));
    trials.extend(PARTICULAR);
    let held = trials.len();
    trials.reverse();
    let (trials, failed) = (Mutex::new(trials), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..TRIALS_AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some((scenario, version)) = trials.lock().unwrap().pop() else { return };
                    // Held once more in doubt: on a busy machine a deadline may pass on one side only.
                    if send(scenario, version).is_err()
                        && let Err(said) = send(scenario, version)
                    {
                        failed.lock().unwrap().push(format!("{scenario} on containerd {version}: {said}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let (scenarios, versions) = (scenarios.len(), VERSIONS.len());
    report(&format!("{scenarios} resolver scenarios, {versions} versions, {} disagreements", failed.len()));
    assert!(held > 0 && failed.is_empty(), "{}", failed.join("\n"));
}

/// Holds a trial in a network namespace of its own.
fn send(scenario: &str, version: &str) -> Result<(), String> {
    let scratch = tempfile::tempdir().unwrap();
    let trial = Trial { scenario: scenario.into(), version: version.into(), scratch: scratch.path().into() };
    let errand = scratch.path().join("errand.json");
    std::fs::write(&errand, serde_json::to_vec(&trial).unwrap()).unwrap();
    namespace::run(THIS_TEST, &errand)
}

impl Trial {
    fn hold(&self) {
        let mut scenario = network::read(&self.scenario);
        of_debian(&self.version).clone_into(&mut scenario.given.containerd);
        let world = World::start(scenario.given.clone());
        let mut witness = Witness::start(&self.scratch.join("packets"));
        let ours = predict(&world, &scenario, &mut witness);
        let theirs = self.pull(&world, &scenario, &mut witness);
        let problems = if OUT_OF_TIME.contains(&self.scenario.as_str()) {
            let both = !ours.pulls && !theirs.pulls && theirs.said.contains(": i/o timeout");
            (!both).then(|| "not both run out of time".to_owned()).into_iter().collect()
        } else {
            compare(&scenario, &ours, &theirs)
        };
        let told = |who, told: &Told| format!("{who} (pulls: {}): {}\n{:#?}", told.pulls, told.said, told.seen);
        let both = [told("pullprobe", &ours), told("containerd", &theirs)].join("\n");
        assert!(problems.is_empty(), "\n- {}\n{both}", problems.join("\n- "));
    }

    fn pull(&self, world: &World, scenario: &Scenario, witness: &mut Witness) -> Told {
        let node = world.node.root();
        namespace::enter_node(node);
        if node.join("run").exists() {
            let status = Command::new("cp").arg("-a").arg(node.join("run/.")).arg("/run/").status().unwrap();
            assert!(status.success());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pulled = runtime.block_on(async {
            let log = self.scratch.join("containerd.log");
            let mut containerd = Containerd::start(&self.version, &[], &log).await.unwrap();
            containerd.cri.pull(&world.expand(&scenario.image), None).await
        });
        let said = pulled.as_ref().err().map(|refusal| refusal.message.clone()).unwrap_or_default();
        Told { pulls: pulled.is_ok(), said, seen: witness.take() }
    }
}

/// The daemons at hand are Debian's builds, with the Go and the defaults of these.
fn of_debian(series: &str) -> &'static str {
    match series {
        "1.6" => "1.6.20~ds1",
        "1.7" => "1.7.24~ds1",
        _ => "2.1.9~ds1",
    }
}

/// What one of the two made of the world.
struct Told {
    pulls: bool,
    said: String,
    seen: Seen,
}

fn predict(world: &World, scenario: &Scenario, witness: &mut Witness) -> Told {
    let image = world.expand(&scenario.image);
    world.settings(&[&image]);
    let answer = document(&finish(world.command("check").args([&image, "--format", "json"])));
    let pulls = answer["images"][0]["pullable"] == true;
    Told { pulls, said: answer["images"][0]["summary"].to_string(), seen: witness.take() }
}

/// pullprobe asks more: every name server, each on its own. What containerd asked it must have asked too,
/// in the same order, and of the servers that containerd turned to it must have asked nothing else.
fn compare(scenario: &Scenario, ours: &Told, theirs: &Told) -> Vec<String> {
    let mut problems = Vec::new();
    if ours.pulls != theirs.pulls {
        problems.push("only one of the two can pull".to_owned());
    }
    if ours.seen.address != theirs.seen.address {
        problems.push(format!("addresses: {:?} and {:?}", ours.seen.address, theirs.seen.address));
    }
    let resolv = scenario.given.files.get("/etc/resolv.conf").map_or("", String::as_str);
    if resolv.contains("rotate") {
        // Which server gets A and which AAAA is a matter of chance in Go.
        let all = |seen: &Seen| seen.questions.iter().map(|one| (one.name.clone(), one.kind.clone())).collect();
        let (ours_all, theirs_all): (std::collections::BTreeSet<_>, std::collections::BTreeSet<_>) =
            (all(&ours.seen), all(&theirs.seen));
        problems.extend((ours_all != theirs_all).then(|| "questions differ".to_owned()));
        for (who, told) in [("pullprobe", ours), ("containerd", theirs)] {
            let begins = told.seen.beginnings();
            let turns = matches!(begins.as_slice(), [a, b, ..] if a != b);
            problems
                .extend((!turns).then(|| format!("{who} does not begin with one server after the other: {begins:?}")));
        }
        return problems;
    }
    let in_turn = resolv.contains("single-request");
    for server in theirs.seen.servers() {
        let (mine, its) = (ours.seen.of(server, in_turn), theirs.seen.of(server, in_turn));
        if mine != its {
            problems.push(format!("{server} was asked {mine:?} and {its:?}"));
        }
    }
    let first = |told: &Told| told.seen.questions.first().map(|one| one.server.clone());
    // pullprobe also asks each server by itself: where all refuse at once, either question may leave first.
    let answered = theirs.seen.address.is_some() && first(theirs).is_some();
    if answered && first(ours) != first(theirs) {
        problems.push("they begin with different name servers".to_owned());
    }
    problems
}

/// The trees of the scenarios are the only ones that this test knows.
#[test]
fn scenarios_about_names_are_many() {
    let files = std::fs::read_dir(repository("tests/scenarios/network")).unwrap();
    let about_names = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("dns_");
    assert!(files.filter(|file| about_names(&file.as_ref().unwrap().path())).count() >= 30);
}
