//! containerd's own cases about its files, run by identity: every case of these kinds either runs
//! or is listed with the reason why it does not.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::{Containerd, ContainerdOptions};
use crate::cases::{Case, Cases};
use crate::host::root::{EntryKind, HostRoot};
use crate::mirrors::certs_d::{self, CertsRoot, HostDir, RootState, Selection};
use crate::mirrors::hosts_toml::{self, HostSpec};
use crate::model::credential::CredentialValue;
use crate::version::{PullMode, Version};

/// A node's root with the given files.
pub(crate) fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoot) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        if text.is_empty() && path.to_string_lossy().ends_with('/') {
            std::fs::create_dir_all(&path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = HostRoot::open(dir.path()).unwrap();
    (dir, root)
}

pub(crate) fn load(files: &[(&str, &str)], version: &str) -> Containerd {
    let (_keep, root) = node(files);
    let options = ContainerdOptions { version: Some(version.parse().unwrap()), ..ContainerdOptions::default() };
    Containerd::load(&root, &options)
}

/// Releases that a case's `versions` speaks for: the ends of the range and one between.
pub(crate) fn releases(versions: &str) -> Vec<Version> {
    let list: &[&str] = match versions {
        "all" => &["1.6.20", "1.6.39", "1.7.24", "1.7.34", "2.0.11", "2.1.9", "2.2.7", "2.3.4"],
        ">=2.0" => &["2.0.0", "2.1.9", "2.2.7", "2.3.4"],
        ">=2.0.7" => &["2.0.7", "2.1.0", "2.3.4"],
        ">=1.6.32, >=1.7.16" => &["1.6.32", "1.7.16", "2.0.0", "2.3.4"],
        ">=1.7.30, >=2.0.8, >=2.1.6, >=2.2.1" => &["1.7.30", "2.0.8", "2.1.9", "2.2.1", "2.3.4"],
        ">=2.0.11 (2.0.x), >=2.2.6 (2.2.x), >=2.3.0; NOT 1.6, 1.7, 2.1.*" => &["2.0.11", "2.2.6", "2.3.0"],
        ">=2.1.3" => &["2.1.3", "2.1.9", "2.3.4"],
        ">=2.3.3" => &["2.3.3", "2.3.4"],
        "1.6.*-2.1.2" => &["1.6.20", "1.7.24", "2.0.11", "2.1.2"],
        "1.6.*,1.7.*,2.0.*" => &["1.6.20", "1.7.34", "2.0.11"],
        "2.1.3-2.3.1 (retry counts one lower from 2.3.2 for 408/429)" => &["2.1.3", "2.2.7", "2.3.1"],
        "all (2.3.3+ adds one diagnostic GET after HEAD)" => &["1.6.20", "1.7.24", "2.1.9", "2.3.4"],
        ">=2.1" | ">=2.1.0" => &["2.1.0", "2.1.9", "2.2.7", "2.3.4"],
        ">=2.2.0" | ">=2.2.0 up to main@301026e5" => &["2.2.0", "2.2.7", "2.3.4"],
        ">=2.3.0" => &["2.3.0", "2.3.4"],
        ">=1.7.32" => &["1.7.32", "2.0.0", "2.3.4"],
        ">=1.7.24" => &["1.7.24", "1.7.34", "2.0.0", "2.3.4"],
        ">=1.6.25, >=1.7.7" => &["1.6.25", "1.7.8", "1.7.34", "2.0.0", "2.3.4"],
        "1.6.*,1.7.*" => &["1.6.0", "1.6.39", "1.7.0", "1.7.34"],
        "1.6.* and 1.7.0-1.7.31" => &["1.6.39", "1.7.0", "1.7.31"],
        "<2.2.0" => &["1.6.39", "1.7.34", "2.0.11", "2.1.9"],
        "2.0-2.2" | "2.0-2.2 (4 in 2.3)" => &["2.0.0", "2.1.9", "2.2.7"],
        "2.0.7-2.0.*" => &["2.0.7", "2.0.11"],
        "2.1.*" => &["2.1.0", "2.1.9"],
        "2.2.0-2.2.1" => &["2.2.0", "2.2.1"],
        "2.1.0-2.3.4 and main@301026e5, transfer mode" => &["2.1.0", "2.2.7", "2.3.4"],
        other => panic!("a range that no test knows: {other}"),
    };
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {json}"))
}

fn strings(json: &Json) -> Vec<String> {
    json.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

/// What the cases say of one host.
fn described(spec: &HostSpec) -> Json {
    let url = spec.url.as_ref();
    let mut header = serde_json::Map::new();
    for (name, value) in &spec.headers {
        let values = header.entry(name.clone()).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value.expose()));
    }
    json!({
        "scheme": url.map_or("", |url| &url.scheme),
        "host": url.map_or("", |url| &url.authority),
        "path": url.map_or("", |url| &url.path),
        "capabilities": spec.capabilities.names(),
        "ca": spec.tls.ca.clone().unwrap_or_default(),
        "client": spec.tls.client.iter().map(|(c, k)| json!([c, k.clone().unwrap_or_default()])).collect::<Vec<_>>(),
        "skip_verify": spec.tls.skip_verify,
        "header": header,
        "dial_timeout": spec.dial_timeout.map(|limit| format!("{}s", limit.length.as_secs())),
    })
}

/// The cases write `referrers` among "all"; older releases do not have it.
pub(crate) fn without_referrers(hosts: &Json, version: Version) -> Json {
    let mut hosts = hosts.clone();
    for host in hosts.as_array_mut().unwrap().iter_mut().filter(|_| !version.knows_referrers()) {
        if let Some(words) = host["capabilities"].as_array_mut() {
            words.retain(|word| word != "referrers");
        }
    }
    hosts
}

#[test]
fn hosts_toml_is_decoded_as_containerd_does() {
    for case in Cases::of_kind("parse_hosts_toml") {
        // containerd's own test of an empty key file has no base directory; with one, the empty
        // path would become the directory.
        let base = if case.id == "hosts-parse-004" { "" } else { text(&case.input, "base_dir") };
        for version in releases(&case.versions) {
            let parsed = hosts_toml::parse(text(&case.input, "toml").as_bytes(), "hosts.toml", base, version)
                .unwrap_or_else(|rejection| panic!("{} on {version}: {rejection:?}", case.id));
            let found: Vec<Json> = parsed.hosts.iter().chain([&parsed.server]).map(described).collect();
            let expected = without_referrers(&case.expected["hosts"], version);
            assert_eq!(json!(found), expected, "{} on {version}", case.id);
        }
    }
}

#[test]
fn a_hosts_toml_that_containerd_rejects_is_rejected_with_its_place() {
    let reasons = [
        ("hosts-parse-e01", 1, "invalid `host` tree"),
        ("hosts-parse-e02", 2, "unknown capability referrers"),
        ("hosts-parse-e03", 2, "unknown capability pul"),
        ("hosts-parse-e04", 2, "invalid type for \"ca\""),
        ("hosts-parse-e05", 2, "invalid pair for \"client\""),
        ("hosts-parse-e06", 2, "missing unit"),
        ("hosts-parse-e07", 2, "invalid type for \"x-a\""),
        ("hosts-parse-e08", 2, "table"),
        ("hosts-parse-e09", 1, ""),
    ];
    for case in Cases::of_kind("hosts_toml_rejected") {
        let (_, line, reason) =
            reasons.iter().find(|(id, ..)| *id == case.id).unwrap_or_else(|| panic!("{} has no reason", case.id));
        for version in releases(&case.versions) {
            let rejection =
                hosts_toml::parse(text(&case.input, "toml").as_bytes(), "hosts.toml", "/d", version).unwrap_err();
            assert!(rejection.reason.contains(reason), "{} on {version}: {}", case.id, rejection.reason);
            assert_eq!(rejection.place.line(), *line, "{} on {version}", case.id);
        }
    }
}

#[test]
fn a_certificate_that_is_not_there_fails_the_registry_in_containerds_words() {
    for case in Cases::of_kind("hosts_toml_hard_error") {
        let hosts = text(&case.input, "toml");
        let mut files = vec![("/etc/certs/h/hosts.toml", hosts)];
        if case.input["files"].is_object() {
            files.push(("/etc/certs/h/notpem.txt", text(&case.input["files"], "notpem.txt")));
        }
        for version in releases(&case.versions) {
            let (_keep, root) = node(&files);
            let loaded = certs_d::load_root(&mut crate::containerd::reader::Reader::new(&root), "/etc/certs", version);
            let Selection::Directory(directory) = certs_d::select(std::slice::from_ref(&loaded), "h") else { panic!() };
            let fault = directory.hosts[0].tls.clone().unwrap_err();
            let expected = text(&case.expected, "error").replace("/certs/", "/etc/certs/");
            assert_eq!(fault.go_message, expected, "{} on {version}", case.id);
        }
    }
}

#[test]
fn the_directory_of_a_registry_is_found_as_containerd_does() {
    for case in Cases::of_kind("host_dir_lookup") {
        let existing = strings(&case.input["existing"]);
        let files: Vec<(String, &str)> = existing.iter().map(|dir| (format!("{dir}/keep"), "")).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let written = strings(&case.input["roots"]).join(":").replace(" (config_path string)", "");
        for version in releases(&case.versions) {
            let (_keep, root) = node(&files);
            let mode = if case.id == "hostdir-008" { PullMode::Transfer } else { PullMode::Local };
            let paths = crate::containerd::pull_mode::directories(&written, mode);
            let names = certs_d::candidates(text(&case.input, "host"));
            let tried: Vec<String> =
                paths.iter().flat_map(|path| names.iter().map(move |name| format!("{path}/{name}"))).collect();
            assert_eq!(tried, strings(&case.expected["candidates"]), "{}", case.id);
            let mut reader = crate::containerd::reader::Reader::new(&root);
            let roots: Vec<CertsRoot> =
                paths.iter().map(|path| certs_d::load_root(&mut reader, path, version)).collect();
            let selected = match certs_d::select(&roots, text(&case.input, "host")) {
                Selection::Directory(directory) => json!(directory.path),
                Selection::Nothing => Json::Null,
                Selection::Fault(words) | Selection::Unread(words) => panic!("{}: {words}", case.id),
            };
            assert_eq!(selected, case.expected["selected"], "{} on {version}", case.id);
        }
    }
}

#[test]
fn certificate_files_are_told_by_their_endings() {
    for case in Cases::of_kind("docker_cert_files") {
        let names = strings(&case.input["files"]);
        let names = names.iter().map(|name| (name.split(' ').next().unwrap().to_owned(), EntryKind::File));
        let keys = certs_d::certificate_keys(text(&case.input, "dir"), &names.collect::<Vec<_>>());
        let client: Vec<Json> = keys.client.iter().map(|(c, k)| json!([c, k.clone().unwrap_or_default()])).collect();
        let found = json!([{"ca": keys.ca.unwrap_or_default(), "client": client}]);
        assert_eq!(found, case.expected["hosts"], "{}", case.id);
    }
}

#[test]
fn a_hosts_toml_of_no_length_counts_as_absent() {
    let (_keep, root) = node(&[("/c/r.example/hosts.toml", ""), ("/c/r.example/ca.crt", "no certificate")]);
    let loaded = certs_d::load_root(&mut crate::containerd::reader::Reader::new(&root), "/c", Version::NEWEST);
    let RootState::Listed { entries, .. } = loaded.state else { panic!() };
    let HostDir::Hosts(directory) = &entries["r.example"] else { panic!() };
    assert!(matches!(directory.source, certs_d::Source::CertificateFiles));
    assert_eq!(directory.server.tls.clone().unwrap_err().go_message, "unable to load CA cert \"/c/r.example/ca.crt\"");
}

/// `[plugins]` with the images plugin's keys, in the schema that the version writes.
fn images_config(version: Version, keys: &Json) -> String {
    let mut config = format!("version = {}\n[plugins.\"io.containerd.cri.v1.images\"]\n", version.config_schema());
    for (key, value) in keys.as_object().unwrap() {
        let value: toml::Value = serde_json::from_value(match key.as_str() {
            "registry.mirrors" => {
                value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), json!({"endpoint": v}))).collect()
            }
            _ => value.clone(),
        })
        .unwrap();
        writeln!(config, "{key} = {value}").unwrap();
    }
    config
}

#[test]
fn the_pull_mode_is_forced_by_the_settings_that_containerd_names() {
    for case in Cases::of_kind("pull_mode") {
        for version in releases(&case.versions) {
            let config = images_config(version, &case.input["images_plugin"]);
            let found = load(&[("/etc/containerd/config.toml", &config)], &version.to_string());
            let local = found.pull_mode == PullMode::Local;
            assert_eq!(
                json!(local),
                case.expected["local_pull"],
                "{} on {version}: {}",
                case.id,
                found.pull_mode_reason
            );
        }
    }
    let config = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = true\n";
    assert_eq!(
        load(&[("/etc/containerd/config.toml", config)], "2.0.11").pull_mode_reason,
        "containerd 2.0.11 always pulls with its classic client"
    );
}

#[test]
fn an_empty_config_path_has_the_default_of_the_version() {
    let found = |version: &str, config: &str| load(&[("/etc/containerd/config.toml", config)], version);
    for case in Cases::of_kind("default_config_path") {
        let version = text(&case.input, "version");
        let mirrors = case.input["mirrors"].as_object().unwrap();
        let config = images_config(
            version.parse().unwrap(),
            &if mirrors.is_empty() { json!({}) } else { json!({"registry.mirrors": mirrors}) },
        );
        let containerd = found(version, &config);
        if let Some(error) = case.expected["error"].as_str() {
            assert!(containerd.fatal.unwrap().message.ends_with(error), "{}", case.id);
            continue;
        }
        assert_eq!(containerd.config_path.join("+"), text(&case.expected, "config_path"), "{}", case.id);
        assert_eq!(containerd.pull_mode, PullMode::Transfer, "{}", case.id);
    }
    let local = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = true\n";
    assert_eq!(found("2.2.7", local).config_path, ["/etc/containerd/certs.d", "/etc/docker/certs.d"]);
    let mirrors = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry.mirrors.x]\n";
    assert_eq!(found("2.2.2", mirrors).fatal, None);
}

#[test]
fn what_may_not_be_combined_is_refused_as_containerd_does() {
    for case in Cases::of_kind("registry_config_validation") {
        for version in releases(&case.versions) {
            let section = if version.major >= 2 { "io.containerd.cri.v1.images" } else { "io.containerd.grpc.v1.cri" };
            let registry: toml::Value = serde_json::from_value(case.input["registry"].clone()).unwrap();
            let schema = version.config_schema();
            let config = format!("version = {schema}\n[plugins.\"{section}\"]\nregistry = {registry}\n");
            let found = load(&[("/etc/containerd/config.toml", &config)], &version.to_string());
            let error = found.fatal.as_ref().map(|fault| fault.message.split_once(": ").unwrap().1);
            assert_eq!(json!(error), case.expected["error"], "{} on {version}", case.id);
            if case.id == "validate-001" {
                let credential = &found.registry.credentials["gcr.io"];
                let named = matches!(&credential.value, CredentialValue::Basic { username, .. } if username == "test");
                assert!(named, "{} on {version}: {credential:?}", case.id);
            }
            if case.id == "validate-006" {
                assert!(found.registry.tls.is_empty(), "{} on {version}", case.id);
            }
        }
    }
}

#[test]
fn the_transfer_service_unpacks_only_what_is_configured() {
    for case in Cases::of_kind("transfer_unpack_config") {
        if case.id == "unpack-010" {
            let config = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'nydus'\n";
            for version in releases(&case.versions) {
                let found = load(&[("/etc/containerd/config.toml", config)], &version.to_string());
                assert_eq!(found.unpack_error.as_deref(), case.expected["error"].as_str(), "{version}");
            }
            assert_eq!(load(&[("/etc/containerd/config.toml", config)], "2.0.11").unpack_error, None);
            continue;
        }
        let named = |json: &Json| json.as_str().unwrap().replace("<host>", "");
        let configured: Vec<(String, String)> = case.input["configured"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (named(&pair[0]), named(&pair[1])))
            .collect();
        let wanted = &case.input["wanted"];
        let found = crate::containerd::pull_mode::unpacks(
            &configured,
            &named(&wanted["platform"]),
            text(wanted, "snapshotter"),
            "linux/riscv64",
        );
        let expected = case.expected["match"].as_array().map(|pair| (named(&pair[0]), named(&pair[1])));
        assert_eq!(found.cloned(), expected, "{}", case.id);
    }
}

/// The kinds that `config_tests` runs.
#[test]
fn every_case_of_the_configuration_is_run_somewhere() {
    let run = super::config_tests::CASES;
    let kinds = [
        Cases::of_kind("config_merge"),
        Cases::of_kind("config_imports"),
        Cases::of_kind("config_load"),
        Cases::of_kind("config_merge_plugins"),
        Cases::of_kind("config_migration"),
    ];
    for Case { id, kind, .. } in kinds.concat() {
        assert!(run.contains(&id.as_str()), "{id} of {kind} is not run");
    }
}

#[test]
fn the_options_take_the_place_of_the_configured_directories() {
    let files = [
        (
            "/etc/containerd/config.toml",
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry.mirrors.x]\nendpoint=['https://m']\n",
        ),
        ("/new/r.example/hosts.toml", "[host.'https://m.example']\n"),
    ];
    let (_keep, root) = node(&files);
    let options = ContainerdOptions {
        certs_d: Some(vec![PathBuf::from("/new")]),
        version: Some(Version::new(2, 1, 9)),
        ..ContainerdOptions::default()
    };
    let found = Containerd::load(&root, &options);
    assert_eq!((found.config_path, found.fatal), (vec!["/new".to_owned()], None));
}
