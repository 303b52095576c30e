//! What is said of an image, whichever way it is asked: JSON, text and metrics of the same world.
//!
//! A scenario is a file of `tests/scenarios/check`: what is there, and what has to be said of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod expect;
mod said;

use serde::Deserialize;

use super::binary::repository;
use super::world::{Given, World};
use expect::Expect;
use said::Said;

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// As it is asked for; `${pushed}` stands for the digest of what was pushed.
    image: String,
    #[serde(default)]
    given: Given,
    expect: Expect,
}

fn check(name: &str) {
    let text = std::fs::read_to_string(repository(&format!("tests/scenarios/check/{name}.toml"))).unwrap();
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    let world = World::start(scenario.given.clone());
    let image = world.expand(&scenario.image);
    world.settings(&[&image]);
    let said = Said::of(&world, &image);
    let mut problems = Vec::new();
    scenario.expect.judge_json(&said, &mut problems);
    scenario.expect.judge_text(&said, &mut problems);
    scenario.expect.judge_agent(&said, &mut problems);
    scenario.expect.judge_cost(world.counted_pulls(), &mut problems);
    assert!(problems.is_empty(), "{name}.toml:\n- {}\n\n{}", problems.join("\n- "), said.shown());
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        /// A file that no test reads says nothing.
        #[test]
        fn every_scenario_file_is_a_test() {
            let mut listed = vec![$(concat!(stringify!($name), ".toml")),*];
            listed.sort_unstable();
            let files = std::fs::read_dir(repository("tests/scenarios/check")).unwrap();
            let mut found: Vec<String> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, listed);
        }
    };
}

scenarios! {
    blob_unknown
    ca_unusable
    challenge_invalid
    counted_pull
    credentials_shadow_anonymous
    digest_mismatch
    dns_nxdomain
    dns_servfail
    dns_timeout
    hosts_file_invalid_elsewhere
    legally_blocked
    manifest_invalid
    mirror_dead
    not_a_registry
    not_found_or_denied
    over_budget
    rate_limited_by_429
    rate_limited_by_remaining
    real_credentials_missing
    real_credentials_rejected
    real_good_by_digest
    real_good_image
    real_manifest_unknown
    real_platform_mismatch_of_index
    real_platform_mismatch_of_manifest
    real_private_good_credential
    real_repository_unknown
    real_tls_expired
    real_tls_name_mismatch
    real_tls_unknown_authority
    redirect_invalid
    registry_error
    registry_timeout
    tcp_refused
    tcp_timeout
    throttled
    tls_closed
    tls_plain_http
    tls_self_signed
    tls_timeout
    token_invalid
}

#[test]
fn a_word_that_a_scenario_does_not_know_is_refused() {
    let text = |given: &str| {
        format!("image = 'a'\n[given]\n{given}\n[expect]\nexit_code = 0\nattempts = []\nendpoints = []\n")
    };
    let read = |given: &str| toml::from_str::<Scenario>(&text(given)).map(drop);
    assert_eq!(read("containerd = '2.1'"), Ok(()));
    assert!(read("containrd = '2.1'").is_err());
}
