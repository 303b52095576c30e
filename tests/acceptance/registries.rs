//! Seventeen registries as they really answer, and what the program says of each of their failures.
//!
//! A fixture is a file of `tests/fixtures/registries`: the hosts, and situations with what has to be
//! said of them. What is left out of an expectation has to be null or empty in the answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeMap;

use pullprobe_lab::registry::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

use super::binary::{document, finish, repository};
use super::world::{Given, Login, World};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Hosts that hold content and must never see a credential.
    #[serde(default)]
    never_told: Vec<String>,
    given: Given,
    situations: BTreeMap<String, Situation>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    image: String,
    /// kubelet's config.json.
    #[serde(default)]
    credentials: BTreeMap<String, Login>,
    /// By host: rules before the registry's own.
    #[serde(default)]
    faults: BTreeMap<String, Vec<Fault>>,
    expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    pullable: Option<bool>,
    cause: Option<String>,
    #[serde(default)]
    also_possible: Vec<String>,
    stage: Option<String>,
    host: Option<String>,
    /// Where the content comes from, when it is another host.
    redirect_host: Option<String>,
    /// Those keys of the quota that the registry tells.
    #[serde(default)]
    rate_limit: BTreeMap<String, Value>,
    /// Words of the registry that a reader has to see.
    #[serde(default)]
    says: Vec<String>,
}

fn replay(name: &str) {
    let path = repository(&format!("tests/fixtures/registries/{name}.toml"));
    let fixture: Fixture =
        toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    let mut problems = Vec::new();
    for (title, situation) in &fixture.situations {
        let found = ask(&fixture, situation);
        problems.extend(found.iter().map(|problem| format!("{title}: {problem}")));
    }
    assert!(problems.is_empty(), "{name}.toml:\n- {}", problems.join("\n- "));
}

/// What is wrong with the answer.
fn ask(fixture: &Fixture, situation: &Situation) -> Vec<String> {
    let mut given = fixture.given.clone();
    given.credentials.clone_from(&situation.credentials);
    for (host, faults) in &situation.faults {
        let registry = given.registries.iter_mut().find(|registry| registry.host == *host);
        let registry = registry.unwrap_or_else(|| panic!("no registry {host}"));
        registry.faults = [faults.clone(), std::mem::take(&mut registry.faults)].concat();
    }
    let world = World::start(given);
    // An index and its manifest are two requests where a registry counts them.
    let options = ["--format", "json", "--log-level", "error", "--counted-pulls", "2"];
    let finished = finish(world.command("check").arg(&situation.image).args(options));
    let document = document(&finished);
    let mut problems = situation.expect.judge(&document["images"][0]);
    for host in &fixture.never_told {
        let told = world.at(host).requests().iter().any(|request| request.header("authorization").is_some());
        if told {
            problems.push(format!("a credential went to {host}"));
        }
    }
    if !problems.is_empty() {
        problems.push(format!("{:#}", document["images"][0]));
    }
    problems
}

impl Expect {
    fn judge(&self, image: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        let mut same = |what: &str, found: &Value, wanted: Value| {
            if *found != wanted {
                problems.push(format!("{what}: found {found}, expected {wanted}"));
            }
        };
        same("pullable", &image["pullable"], json!(self.pullable));
        same("cause", &image["cause"], json!(self.cause));
        same("also_possible", &image["also_possible"], json!(self.also_possible));
        same("stage", &image["stage"], json!(self.stage));
        same("host", &image["host"], json!(self.host));
        same("redirect_host", &image["blob"]["redirect_host"], json!(self.redirect_host));
        for (key, wanted) in &self.rate_limit {
            same(&format!("rate_limit.{key}"), &image["rate_limit"][key], wanted.clone());
        }
        for words in &self.says {
            if !image.to_string().contains(words) {
                problems.push(format!("it does not say `{words}`"));
            }
        }
        problems
    }
}

macro_rules! registries {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        /// A file that no test reads says nothing.
        #[test]
        fn every_fixture_is_a_test() {
            let mut listed = vec![$(concat!(stringify!($name), ".toml")),*];
            listed.sort_unstable();
            let files = std::fs::read_dir(repository("tests/fixtures/registries")).unwrap();
            let mut found: Vec<String> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, listed);
        }
    };
}

registries! {
    acr
    artifactory
    distribution
    docker_hub
    ecr
    ecr_public
    gcr
    ghcr
    gitlab
    harbor
    mcr
    nexus
    nvcr
    quay
    registry_k8s_io
    spegel
    zot
}
