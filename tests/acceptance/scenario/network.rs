//! What the way to a registry does to a pull: each scenario in a network namespace of its own, with real
//! name servers, proxies and firewalls.

use std::collections::BTreeSet;

use super::super::binary::repository;
use super::super::judge::namespace;
use super::super::world::Given;
use super::Scenario;

const DIRECTORY: &str = "tests/scenarios/network";
/// What a registry holds that does not say otherwise.
const USUAL_CONTENT: &str = "
repository = 'demo/app'
tag = '1.0'
content = {index = {manifests = [{platform = 'linux/amd64'}, {platform = 'linux/arm64/v8'}]}}
";

/// The scenario of this name, its registries filled.
pub fn read(name: &str) -> Scenario {
    let mut scenario = Scenario::read(&repository(&format!("{DIRECTORY}/{name}.toml")));
    fill(&mut scenario.given);
    scenario
}

fn fill(given: &mut Given) {
    for registry in &mut given.registries {
        if registry.push.is_empty() {
            registry.push.push(toml::from_str(USUAL_CONTENT).unwrap());
        }
    }
}

/// Outside of a namespace, goes into one; inside, holds the scenario.
fn check(entry: &str, name: &str) {
    if std::env::var_os(namespace::JOB_VARIABLE).is_some() {
        super::hold(name, &read(name));
    } else if let Err(said) = namespace::run(entry, &repository(DIRECTORY)) {
        panic!("{said}");
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let (_, module) = module_path!().split_once("::").unwrap();
            check(&format!("{module}::{}", stringify!($name)), stringify!($name));
        })*

        /// Every scenario of the directory.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    clock_skew_finding
    clock_skew
    dns_aaaa_dropped
    dns_aaaa_dropped_by_all
    dns_aaaa_dropped_single_request
    dns_aaaa_dropped_slowly
    dns_aaaa_nxdomain
    dns_alias_chain
    dns_alias_loop
    dns_alias_to_nothing
    dns_attempts
    dns_before_hosts_file
    dns_dial_timeout
    dns_edns_refused
    dns_first_silent
    dns_fourth_nameserver
    dns_garbage
    dns_hosts_file_alias
    dns_hosts_file_last
    dns_hosts_file_outdated
    dns_hosts_file_right
    dns_hosts_file_zone
    dns_nameserver_ipv6
    dns_nameserver_link_local
    dns_nameserver_zone_unknown
    dns_ndots_suffixes_first
    dns_no_address
    dns_no_nameserver_line
    dns_no_reload
    dns_no_route
    dns_not_asked
    dns_nsswitch_mymachines
    dns_nsswitch_notfound_return
    dns_nsswitch_resolve
    dns_nxdomain
    dns_nxdomain_is_final
    dns_only_ipv6
    dns_option_unknown
    dns_port_closed
    dns_refused
    dns_refused_without_upstream
    dns_rejected_by_firewall
    dns_resolv_conf_dangling
    dns_resolv_conf_missing
    dns_resolv_conf_of_network_manager
    dns_resolv_conf_of_systemd
    dns_rotate
    dns_search_hijack
    dns_search_suffix_serves
    dns_second_denies
    dns_servfail
    dns_single_request_reopen
    dns_stub_stopped
    dns_suffixes_out_of_time
    dns_timeout
    dns_truncated
    dns_truncated_over_tcp_too
    dns_truncated_tcp_blocked
    dns_truncated_tcp_rejected
    dns_use_vc
    dns_use_vc_refused
    dns_wrong_id
    http_to_tls_port
    no_proxy_network_of_a_name
    no_proxy_network_of_an_address
    no_proxy_port
    no_proxy_semicolons
    no_proxy_star
    no_proxy_star_inside
    no_proxy_suffix
    proxy_denies_host
    proxy_denies_plain_registry
    proxy_denies_port
    proxy_finds_no_registry
    proxy_finds_plain_registry_dead
    proxy_hangs
    proxy_is_no_socks
    proxy_is_refused
    proxy_name_unknown
    proxy_only_ntlm
    proxy_password_with_hash
    proxy_of_environment_file
    proxy_of_running_process
    proxy_passes_on_plain_http
    proxy_port_closed
    proxy_right_password
    proxy_serves
    proxy_silent
    proxy_socks_finds_no_registry
    proxy_socks_right_password
    proxy_socks_serves
    proxy_socks_wants_password
    proxy_socks_wrong_password
    proxy_speaks_plain_http
    proxy_tls_serves
    proxy_tls_untrusted
    proxy_tls_untrusted_of_plain_registry
    proxy_url_invalid
    proxy_waits_for_plain_registry
    proxy_wants_password
    proxy_wants_password_of_plain_registry
    proxy_wrong_password
    redirect_bad_scheme
    redirect_loop
    redirect_target_blocked
    redirect_target_expired
    redirect_target_refused
    redirect_target_unknown
    redirect_to_plain_http
    redirect_unusable
    redirect_without_location
    tcp_all_addresses_dead
    tcp_ipv4_silent
    tcp_ipv6_refused
    tcp_ipv6_silent
    tcp_ipv6_without_route
    tcp_no_route
    tcp_one_address_dead
    tcp_prohibited
    tcp_refused
    tcp_reset
    tcp_timeout
    tcp_too_little_time_left
    tls_address_without_name
    tls_ca_of_certificate_folder
    tls_ca_of_hosts_toml
    tls_client_certificate_refused
    tls_client_certificate_required
    tls_client_certificate_required_tls12
    tls_client_certificate_serves
    tls_closed
    tls_closed_by_middlebox
    tls_common_name_only
    tls_cross_signed
    tls_cross_signed_known
    tls_expired
    tls_expired_intermediate
    tls_expired_root
    tls_garbage
    tls_incomplete_chain
    tls_large_hello_forbidden
    tls_large_hello_lost
    tls_large_hello_lost_open
    tls_large_hello_not_sent
    tls_name_mismatch
    tls_name_unknown_to_server
    tls_no_common_cipher
    tls_not_yet_valid
    tls_only_1_1
    tls_only_cbc
    tls_only_rsa_key_exchange
    tls_only_rsa_key_exchange_taken
    tls_only_sha1_signatures
    tls_only_sha1_signatures_open
    tls_plain_http
    tls_certificate_client_only
    tls_certificate_unknown_critical
    tls_self_signed
    tls_skip_verify
    tls_ssl_cert_dir
    tls_ssl_cert_file
    tls_ssl_cert_file_missing
    tls_timeout
    tls_unknown_authority
    tls_untrusted_root
    tls_whole_bundle
    tls_whole_bundle_1_6
    tls_wrong_ca_of_hosts_toml
}

/// A file that no test reads says nothing.
#[test]
fn every_scenario_file_is_a_test() {
    let files = std::fs::read_dir(repository(DIRECTORY)).unwrap();
    let found: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let listed: BTreeSet<String> = NAMES.iter().map(|name| format!("{name}.toml")).collect();
    assert_eq!(found, listed);
    assert!(listed.len() >= 60, "only {} scenarios", listed.len());
}

#[test]
fn every_cause_of_the_network_is_reached() {
    let families = ["dns_", "tcp_", "proxy_", "tls_", "http_to_tls_port", "clock_", "redirect_"];
    let text = std::fs::read_to_string(repository("docs/causes.md")).unwrap();
    let causes = text.lines().filter_map(|line| line.strip_prefix("## `")?.split('`').next());
    let causes: BTreeSet<&str> = causes.filter(|cause| families.iter().any(|start| cause.starts_with(start))).collect();
    assert!(causes.len() > 20, "docs/causes.md names only {causes:?}");
    let scenarios: Vec<Scenario> = NAMES.iter().map(|name| read(name)).collect();
    let reached: BTreeSet<&str> = scenarios.iter().filter_map(|one| one.expect.cause.as_deref()).collect();
    let missing: Vec<_> = causes.difference(&reached).collect();
    assert!(missing.is_empty(), "no scenario reaches {missing:?}");
    assert!(!reached.contains("unclassified"));
}
