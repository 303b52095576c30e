//! kubelet's own keyring, built from Debian's sources of Kubernetes, judges what pullprobe would try for an image:
//! the configurations of `tests/fixtures/credentials`, and random files and pull secrets.
//!
//! kubelet walks Go's maps, so that two spellings of one key come in any order: those are told apart by looking up
//! each question several times, and only their order is then free.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod case;
mod kubelet;
mod random;
mod words;

use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;

use pullprobe::credentials::{CredentialOptions, Credentials};
use pullprobe::host::root::HostRoot;
use pullprobe::image::reference::Reference;
use pullprobe::model::credential::{Credential, CredentialValue};
use pullprobe_lab::chance::Chance;

use super::binary::{report, repository};
use case::Case;

/// Set to the seed of a failure, to make that random set alone.
const SEED_VARIABLE: &str = "KEYRING_SEED";
/// Set to make another number of random sets.
const SETS_VARIABLE: &str = "KEYRING_SETS";
const SETS: u64 = 1200;
const FIRST_SEED: u64 = 20_200_113;
const KUBELET_ROOT: &str = "/var/lib/kubelet";

/// User and password, in the order in which they are tried.
type Logins = Vec<(String, String)>;

#[derive(Default)]
struct Count {
    cases: usize,
    random_order: usize,
    offered: usize,
    refused: usize,
    disagreements: usize,
}

enum Agreement {
    Same,
    /// But for the order of two spellings of one key.
    RandomOrder,
    Differs(String),
}

#[test]
fn kubelets_own_keyring_gives_the_candidates_that_pullprobe_gives() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let mut fixtures = Count::default();
    if number(SEED_VARIABLE).is_none() {
        for (name, case, by_hand) in case::fixtures(&repository("tests/fixtures/credentials")) {
            fixtures.hold(&name, &case, by_hand.as_ref());
        }
    }
    let seeds = match number(SEED_VARIABLE) {
        Some(seed) => seed..seed + 1,
        None => FIRST_SEED..FIRST_SEED + number(SETS_VARIABLE).unwrap_or(SETS),
    };
    let sets = Mutex::new((seeds, Count::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let Some(seed) = sets.lock().unwrap().0.next() else { return };
                    let mut one = Count::default();
                    one.hold(&format!("{SEED_VARIABLE}={seed}"), &random::case(&mut Chance::new(seed)), None);
                    sets.lock().unwrap().1.add(&one);
                }
            });
        }
    });
    let (_, sets) = sets.into_inner().unwrap();
    report(&format!(
        "{} fixtures, {} random sets, {} disagreements ({} documented random order)",
        fixtures.cases,
        sets.cases,
        fixtures.disagreements + sets.disagreements,
        fixtures.random_order + sets.random_order,
    ));
    report(&format!("of the random sets {} offer a login, {} keep kubelet from pulling", sets.offered, sets.refused));
    assert_eq!(fixtures.disagreements + sets.disagreements, 0, "kubelet would try something else");
    if sets.cases >= 1000 {
        assert!(sets.offered > sets.cases / 4 && sets.refused > 20, "the random sets hardly ask anything");
        assert!(sets.random_order > 0 && fixtures.random_order > 0, "no key came in two spellings");
    }
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.random_order += other.random_order;
        self.offered += other.offered;
        self.refused += other.refused;
        self.disagreements += other.disagreements;
    }

    fn hold(&mut self, name: &str, case: &Case, by_hand: Option<&Logins>) {
        let scratch = tempfile::tempdir().unwrap();
        case.write(scratch.path());
        let theirs = kubelet::ask(scratch.path(), case);
        let ours = pullprobe(scratch.path(), case);
        self.cases += 1;
        self.refused += usize::from(theirs.is_err());
        self.offered += usize::from(theirs.as_ref().is_ok_and(|lookups| lookups.iter().any(|one| !one.is_empty())));
        let mut differences = Vec::new();
        match agreement(&theirs, &ours) {
            Agreement::Same => {}
            Agreement::RandomOrder => self.random_order += 1,
            Agreement::Differs(difference) => differences.push(difference),
        }
        if let Some(by_hand) = by_hand
            && let Agreement::Differs(difference) = agreement(&theirs, &Ok(by_hand.clone()))
        {
            differences.push(format!("by hand: {difference}"));
        }
        for difference in differences {
            self.disagreements += 1;
            println!("DISAGREEMENT {name}: {difference}\n{case}");
        }
    }
}

/// What pullprobe would try, or kubelet's words for why there is no pull.
fn pullprobe(scratch: &Path, case: &Case) -> Result<Logins, String> {
    let root = HostRoot::open(scratch.join("node")).unwrap();
    let secrets = scratch.join("secrets");
    let options = CredentialOptions {
        kubelet_root: KUBELET_ROOT.into(),
        kubelet: true,
        pull_secrets_dir: secrets.is_dir().then_some(secrets),
        provider_config: None,
        provider_bin_dir: None,
        may_enter: false,
        home: "/root".into(),
    };
    let credentials = Credentials::load(&root, &options);
    if let Some(failure) = credentials.malformed() {
        return Err(failure.go_message.into_string());
    }
    let image = Reference::parse(&case.image).unwrap();
    let login = |one: &Credential| match &one.value {
        CredentialValue::Basic { username, password } => (username.clone(), password.expose().to_owned()),
        other => panic!("a file gives no {other:?}"),
    };
    Ok(credentials.candidates(&image).iter().map(login).collect())
}

fn agreement(theirs: &Result<Vec<Logins>, String>, ours: &Result<Logins, String>) -> Agreement {
    let lookups = match (theirs, ours) {
        (Ok(lookups), Ok(_)) => lookups,
        (Err(theirs), Err(ours)) if *theirs == kubelet::words_of_1_20(ours) => return Agreement::Same,
        _ => return Agreement::Differs(format!("\n  kubelet:   {theirs:?}\n  pullprobe: {ours:?}")),
    };
    let ours = ours.as_ref().unwrap();
    let first = &lookups[0];
    if lookups.iter().all(|one| one == first) {
        if ours == first {
            return Agreement::Same;
        }
        return Agreement::Differs(format!("\n  kubelet:   {first:?}\n  pullprobe: {ours:?}"));
    }
    // Where all look-ups agree pullprobe has to agree too; the rest has to be the same set.
    let settled = |at: usize| lookups.iter().all(|one| one.get(at) == first.get(at));
    let sorted = |list: &Logins| {
        let mut list = list.clone();
        list.sort();
        list
    };
    let fits = sorted(ours) == sorted(first) && (0..first.len()).all(|at| !settled(at) || ours[at] == first[at]);
    if fits {
        return Agreement::RandomOrder;
    }
    Agreement::Differs(format!("\n  kubelet, in random order: {first:?}\n  pullprobe: {ours:?}"))
}
