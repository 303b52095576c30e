//! What is said of an image, whichever way it is asked: JSON, text and metrics of the same world.
//!
//! A scenario is a file of `tests/scenarios/check`: what is there, and what has to be said of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod expect;
pub mod network;
mod said;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::binary::{finish, pullprobe, repository};
use super::world::{Given, World};
use expect::Expect;
use said::Said;

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// As it is asked for; `${pushed}` stands for the digest of what was pushed.
    pub image: String,
    #[serde(default)]
    pub given: Given,
    expect: Expect,
}

impl Scenario {
    fn read(path: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn check(name: &str) {
    hold(name, &Scenario::read(&repository(&format!("tests/scenarios/check/{name}.toml"))));
}

fn hold(name: &str, scenario: &Scenario) {
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
    access_denied
    access_denied_before_sso
    access_denied_by_allow_list
    artifact
    blob_digest_mismatch
    blob_redirect_closed
    blob_redirect_fails
    blob_redirect_nxdomain
    blob_unknown
    blob_unknown_config
    ca_unusable
    build_of_2_0_4_negative_serial
    build_of_2_3_4_negative_serial
    build_of_debian_negative_serial
    build_of_project_negative_serial
    build_of_project_os_features
    build_open_negative_serial
    build_open_os_features
    challenge_invalid
    client_certificate_required_by_nginx
    clock_skew
    config_too_long
    connection_cut_once_since_2_3_2
    counted_pull
    counted_pull_behind_refused_head
    counted_pull_of_index
    credential_provider_failed
    credentials_expired
    credentials_expired_with_401
    credentials_malformed
    credentials_malformed_of_a_hidden_repository
    credentials_malformed_where_none_is_wanted
    credentials_rejected_robot_cut_off
    credentials_rejected_with_line_end
    credentials_shadow_anonymous
    digest_header_missing
    digest_mismatch
    dns_nxdomain
    dns_servfail
    dns_timeout
    filter_blocked
    filter_blocked_at_404
    filter_blocked_by_the_network
    filter_blocked_in_an_envelope
    filter_blocked_in_plain_text
    filter_blocked_with_200
    head_refused
    head_refused_as_missing
    head_refused_by_gateway
    head_refused_by_storage
    head_refused_with_an_error
    hosts_file_invalid_and_upstream_lacks_it
    hosts_file_invalid_elsewhere
    layer_too_long
    layer_too_short
    legally_blocked
    legally_blocked_by_a_page
    login_withheld_behind_redirects
    login_withheld_from_another_token_service
    login_locked
    login_locked_of_a_public_image
    login_locked_with_401
    manifest_invalid
    manifest_redirect_elsewhere
    manifest_redirect_expired
    manifest_stalled
    manifest_too_large
    manifest_unsupported
    mirror_dead
    mirror_lacks_it_and_upstream_dead
    mirror_silent
    mirror_silent_since_2_3
    nested_index
    not_a_registry
    not_a_registry_but_a_login_page
    not_a_registry_but_a_portal
    not_a_registry_in_plain_text
    not_found_or_denied
    over_budget
    over_budget_head_refused
    over_budget_limit_without_number
    over_budget_manifest_breaks_off
    over_budget_told_by_get_only
    password_not_looked_at
    policy_blocked
    policy_blocked_by_perimeter
    policy_blocked_unscanned
    quota_exceeded
    quota_exceeded_without_billing
    rate_limited_by_429
    rate_limited_by_remaining
    rate_limited_until_a_date
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
    registry_silent
    registry_slow
    registry_timeout
    repository_unknown_at_the_token_service
    request_too_large
    request_too_large_for_nginx
    response_invalid
    schema_1_before_2_0
    slow_stage
    status_unexpected
    status_unexpected_406
    storage_bucket_missing
    storage_refused
    storage_refused_by_network_rules
    storage_refused_link_expired
    storage_refused_without_words
    storage_takes_no_token
    storage_takes_no_token_of_old_go
    storage_throttles
    tcp_refused
    tcp_timeout
    throttled
    throttled_with_403
    tls_certificate_unusable
    throttled_once
    tls_closed
    tls_plain_http
    tls_self_signed
    tls_timeout
    token_host_elsewhere
    token_host_refused
    token_gzipped
    token_invalid
    token_invalid_past_its_time
    token_not_trusted
    token_realm_of_a_container
    token_realm_of_its_own_host
    token_service_is_a_page
    token_service_missing
    token_service_refuses_post
    token_service_silent
    wrong_content_type
}

/// Of the content, the credentials, the limits and the blobs; the other causes have scenarios of their own.
#[test]
fn every_cause_that_a_registry_can_lead_to_is_reached() {
    let elsewhere = |cause: &str| {
        ["dns_", "tcp_", "proxy_", "tls_"].iter().any(|kind| cause.starts_with(kind))
            || [
                // No settings file may hold it; `cli` asks for it.
                "reference_invalid",
                "config_invalid",
                "hosts_file_invalid",
                "ca_unusable",
                "http_to_tls_port",
                "clock_skew",
                "disk_full",
                "inodes_exhausted",
                "containerd_unreachable",
                // It is kubelet's, which asks no registry; `why` reaches it.
                "image_never_pulled",
                // It makes no verdict; `hostile` reaches it.
                "limit_reached",
                // No input makes one; a unit test of the agent does.
                "own_fault",
                "unclassified",
            ]
            .contains(&cause)
    };
    let listed = finish(&mut pullprobe(["explain"])).stdout;
    let causes = listed.lines().filter_map(|line| line.split_whitespace().next());
    let reached: BTreeSet<String> = (std::fs::read_dir(repository("tests/scenarios/check")).unwrap())
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .filter_map(|text| toml::from_str::<Scenario>(&text).unwrap().expect.cause)
        .collect();
    let missing: Vec<&str> = causes.filter(|cause| !elsewhere(cause) && !reached.contains(*cause)).collect();
    assert!(listed.contains("repository_unknown") && missing.is_empty(), "no scenario for {missing:?}");
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
