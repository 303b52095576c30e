//! containerd's own cases about the hosts of a registry, and what real daemons were seen to do.

use go::place::{Position, SourceLocation};
use serde_json::{Value as Json, json};

use super::registry_mirrors::{default_scheme, endpoints};
use super::{Plan, address, plan};
use crate::cases::{Case, Cases};
use crate::mirrors::registry::Mirror;
use crate::model::host::{RegistryHost, Role};
use crate::model::rewrites::Rewrites;
use crate::node::containerd::cases_tests::{load, releases, without_referrers};
use crate::version::Version;

const CERTS: &str = "/etc/containerd/certs.d";

/// The plan for a registry whose certs.d has the given files, on a node that reads certs.d.
fn planned(version: &str, domain: &str, files: &[(&str, &str)]) -> Plan {
    let version: Version = version.parse().unwrap();
    let section = if version.major >= 2 { "io.containerd.cri.v1.images" } else { "io.containerd.grpc.v1.cri" };
    let config =
        format!("version = {}\n[plugins.'{section}'.registry]\nconfig_path = '{CERTS}'\n", version.config_schema());
    let paths: Vec<String> = files.iter().map(|(path, _)| format!("{CERTS}/{path}")).collect();
    let mut all: Vec<(&str, &str)> = paths.iter().zip(files).map(|(path, (_, text))| (path.as_str(), *text)).collect();
    all.push(("/etc/containerd/config.toml", &config));
    plan(&load(&all, &version.to_string()), domain)
}

fn with_config(version: &str, domain: &str, config: &str) -> Plan {
    plan(&load(&[("/etc/containerd/config.toml", config)], version), domain)
}

fn urls(plan: &Plan) -> Vec<String> {
    assert_eq!(plan.fatal, None);
    plan.hosts.iter().map(|host| format!("{}{}", host.endpoint, host.path)).collect()
}

/// Says of a host what the case says of it.
fn described(host: &RegistryHost, keys: &Json) -> Json {
    let mut found = json!({
        "url": format!("{}{}", host.endpoint, host.path),
        "capabilities": host.capabilities.names(),
        "skip_verify": host.tls.skip_verify,
        "http_fallback": host.http_fallback,
    });
    found.as_object_mut().unwrap().retain(|key, _| keys.get(key).is_some());
    found
}

#[test]
fn the_hosts_of_a_registry_are_those_of_containerd() {
    for case in Cases::of_kind("configured_hosts") {
        let Case { id, versions, input, expected, .. } = &case;
        let domain = input["image_host"].as_str().unwrap();
        let own = format!("{domain}/hosts.toml");
        let mut files: Vec<(&str, &str)> = Vec::new();
        if let Some(text) = input["hosts_toml"].as_str() {
            files.push((&own, text));
        }
        for (path, text) in input["certs_dir"].as_object().into_iter().flatten() {
            files.push((path, text.as_str().filter(|text| !text.starts_with('(')).unwrap_or("")));
        }
        for version in releases(versions).into_iter().filter(|version| !case.skips(*version)) {
            let found = planned(&version.to_string(), domain, &files);
            assert_eq!(found.fatal, None, "{id} on {version}");
            let wanted = without_referrers(&expected["hosts"], version);
            let wanted = wanted.as_array().unwrap();
            let hosts: Vec<Json> = found.hosts.iter().zip(wanted).map(|(host, keys)| described(host, keys)).collect();
            assert_eq!((found.hosts.len(), json!(hosts)), (wanted.len(), json!(wanted)), "{id} on {version}");
        }
    }
}

#[test]
fn the_first_scheme_and_the_fallback_of_a_registry_without_settings_are_containerds() {
    for Case { id, versions, input, expected, .. } in Cases::of_kind("first_scheme_and_http_fallback") {
        let set_by_ctr = !input["default_scheme"].is_null() || input["default_tls"] == json!(true);
        assert!(!set_by_ctr, "{id} cannot come about in a pull of kubelet");
        for version in releases(&versions) {
            let found = planned(&version.to_string(), input["image_host"].as_str().unwrap(), &[]);
            let [host] = &found.hosts[..] else { panic!("{id}: {found:?}") };
            let seen = json!({"first_scheme": host.endpoint.scheme.as_str(), "http_fallback": host.http_fallback});
            assert_eq!(seen, expected, "{id} on {version}");
        }
    }
}

#[test]
fn localhost_is_told_by_its_spelling() {
    let cases = [Cases::of_kind("is_localhost"), Cases::of_kind("match_localhost")].concat();
    for Case { id, input, expected, .. } in cases {
        assert_eq!(json!(address::is_localhost(input["host"].as_str().unwrap())), expected["localhost"], "{id}");
    }
}

#[test]
fn the_namespace_is_sent_to_every_other_host() {
    for Case { id, input, expected, .. } in Cases::of_kind("ns_parameter") {
        let found =
            address::namespace_query(input["request_host"].as_str().unwrap(), input["image_host"].as_str().unwrap());
        assert_eq!(json!(found), expected["ns"], "{id}");
    }
}

#[test]
fn deprecated_mirrors_end_in_the_registry_unless_they_name_it() {
    for Case { id, input, expected, .. } in Cases::of_kind("deprecated_mirror_endpoints") {
        let place = SourceLocation::new("config.toml", Position::START);
        let endpoint = |json: &Json| (json.as_str().unwrap().to_owned(), place.clone());
        let list = |json: &Json| json.as_array().unwrap().iter().map(endpoint).collect();
        let mirrors: Vec<Mirror> = input["mirrors"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, json)| Mirror {
                name: name.clone(),
                endpoints: list(json),
                rewrites: Rewrites::default(),
                place: place.clone(),
            })
            .collect();
        let found = endpoints(&mirrors, input["image_host"].as_str().unwrap()).unwrap();
        let found: Vec<String> = found.into_iter().map(|(endpoint, _)| endpoint).collect();
        assert_eq!(json!(found), expected["endpoints"], "{id}");
    }
    for Case { id, input, expected, .. } in Cases::of_kind("deprecated_default_scheme") {
        assert_eq!(json!(default_scheme(input["host"].as_str().unwrap())), expected["scheme"], "{id}");
    }
}

#[test]
fn a_deprecated_mirror_with_a_path_gets_no_v2() {
    for Case { id, versions, input, expected, .. } in Cases::of_kind("deprecated_mirror_request_path") {
        for version in releases(&versions) {
            let section = if version.major >= 2 { "io.containerd.cri.v1.images" } else { "io.containerd.grpc.v1.cri" };
            let config = format!(
                "version = {}\n[plugins.'{section}'.registry.mirrors.'r.example']\nendpoint = [{}]\n",
                version.config_schema(),
                input["endpoint"]
            );
            let found = with_config(&version.to_string(), "r.example", &config);
            let path = format!(
                "{}/{}/manifests/{}",
                found.hosts[0].path,
                input["repository"].as_str().unwrap(),
                input["tag"].as_str().unwrap()
            );
            assert_eq!(json!(path), expected["url_path"], "{id} on {version}");
            assert_eq!(found.hosts[0].capabilities.names(), ["pull", "resolve"]);
        }
    }
}

#[test]
fn a_host_is_used_for_a_step_only_with_all_its_capabilities() {
    for Case { id, versions, input, expected, .. } in Cases::of_kind("capability_check") {
        for version in releases(&versions) {
            let hosts = format!("[host.'https://m.example']\ncapabilities = {}\n", input["host_has"]);
            let found = planned(&version.to_string(), "r.example", &[("r.example/hosts.toml", &hosts)]);
            let has = found.hosts[0].capabilities.names();
            let usable = input["needed"].as_array().unwrap().iter().all(|need| has.contains(&need.as_str().unwrap()));
            assert_eq!(json!(usable), expected["usable"], "{id} on {version}");
        }
    }
}

#[test]
fn localhost_follows_the_rules_of_each_release() {
    let first = |version: &str, domain: &str| {
        let found = planned(version, domain, &[]);
        let host = &found.hosts[0];
        (host.endpoint.scheme.as_str(), host.http_fallback, host.tls.skip_verify == Some(true))
    };
    assert_eq!(first("1.6.8", "localhost:5000"), ("https", false, false));
    assert_eq!(first("1.6.20", "localhost:443"), ("http", false, true));
    assert_eq!(first("1.6.25", "localhost:443"), ("https", false, true));
    assert_eq!(first("1.7.7", "localhost:80"), ("https", true, true));
    assert_eq!(first("1.7.8", "localhost:80"), ("http", false, false));
    assert_eq!(first("2.1.9", "localhost"), ("https", false, true));
    assert_eq!(first("2.1.9", "localhost:5000"), ("https", true, true));
    assert_eq!(first("2.1.9", "[::1]"), ("https", false, false));
}

#[test]
fn without_config_path_the_mirror_rules_hold_up_to_2_1_and_only_for_the_classic_client() {
    let first = |version: &str, config: &str| {
        let found = with_config(version, "localhost:5000", config);
        (found.hosts[0].endpoint.to_string(), found.hosts[0].http_fallback)
    };
    let plain = ("http://localhost:5000".to_owned(), false);
    let verified = ("https://localhost:5000".to_owned(), true);
    assert_eq!(first("1.6.20", "version = 2\n"), plain);
    assert_eq!(first("1.7.24", "version = 2\n"), plain);
    assert_eq!(first("2.1.9", "version = 3\n"), verified);
    let local = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = true\n";
    assert_eq!(first("2.1.9", local), plain);
    assert_eq!(first("2.2.7", local), verified);
}

#[test]
fn an_http_host_with_tls_settings_is_asked_over_https_first() {
    let first = |version: &str, hosts: &str| {
        urls(&planned(version, "r.example", &[("r.example/hosts.toml", hosts)]))[0].clone()
    };
    let set = "[host.'http://m.example:5000']\nskip_verify = false\n";
    assert_eq!(first("1.6.20", set), "http://m.example:5000/v2");
    assert_eq!(first("1.7.24", set), "https://m.example:5000/v2");
    let bare = "[host.'http://m.example']\nskip_verify = true\n";
    assert_eq!(first("1.7.23", bare), "http://m.example/v2");
    assert_eq!(first("1.7.24", bare), "https://m.example/v2");
    let empty = "[host.'http://m.example']\nca = []\n";
    assert_eq!(first("2.1.9", empty), "https://m.example/v2");
}

#[test]
fn the_order_of_hosts_and_a_host_twice_are_as_seen_of_real_daemons() {
    let hosts = "[host.'https://b.example']\n[host.'https://a.example']\n[host.'https://b.example'.header]\nx = 'y'\n";
    let authorities = |version: &str, hosts: &str| -> Vec<String> {
        planned(version, "r.example", &[("r.example/hosts.toml", hosts)])
            .hosts
            .into_iter()
            .map(|host| host.endpoint.authority.into_string())
            .collect()
    };
    assert_eq!(authorities("1.7.24", hosts), ["b.example", "a.example", "r.example"]);
    assert_eq!(authorities("2.1.9", hosts), ["b.example", "a.example", "b.example", "r.example"]);
    for inline in ["host = {'https://a.example' = {}}\n", "host.'https://a.example'.skip_verify = true\n"] {
        assert_eq!(authorities("1.7.24", inline), ["a.example", "r.example"]);
        assert_eq!(authorities("2.1.9", inline), ["r.example"]);
    }
    let named_below_first =
        "[host.'https://b.example'.header]\nx = 'y'\n[host.'https://a.example']\n[host.'https://b.example']\n";
    assert_eq!(authorities("1.7.24", named_below_first), ["b.example", "a.example", "r.example"]);
    let inline_last = "[host.'https://b.example']\n[host]\n'https://a.example' = {}\n";
    assert_eq!(authorities("1.7.24", inline_last), ["a.example", "b.example", "r.example"]);
    assert_eq!(authorities("1.6.20", "\u{feff}[host.'https://a.example']\n"), ["a.example", "r.example"]);
    assert_eq!(authorities("2.1.9", "\u{feff}[host.'https://a.example']\n"), ["r.example"]);
    assert_eq!(authorities("2.1.9", "server = ''\n[host.'https://a.example']\n"), ["a.example", "r.example"]);
    assert_eq!(authorities("1.7.24", "server = 'https://m.example'\n"), ["r.example"]);
    assert_eq!(authorities("2.1.9", "server = 'https://m.example'\n"), ["m.example"]);
}

#[test]
fn what_ends_every_pull_of_a_registry_has_containerds_words() {
    let fatal =
        |version: &str, domain: &str, files: &[(&str, &str)]| planned(version, domain, files).fatal.unwrap().go_message;
    let ca = [("r.example/hosts.toml", "[host.'https://good.example']\n[host.'https://m.example']\nca = 'ca.pem'\n")];
    let words = "unable to read CA cert \"/etc/containerd/certs.d/r.example/ca.pem\": open /etc/containerd/certs.d/r.example/ca.pem: no such file or directory";
    assert_eq!(fatal("2.1.9", "r.example", &ca), words);
    assert_eq!(
        fatal("2.1.9", "r.example", &[("r.example", "a file")]),
        "open /etc/containerd/certs.d/r.example/hosts.toml: not a directory"
    );
    assert_eq!(
        fatal("1.7.24", "r.example", &[("r.example/hosts.toml/", "")]),
        "read /etc/containerd/certs.d/r.example/hosts.toml: is a directory"
    );
    assert_eq!(planned("2.1.9", "other.example", &ca).fatal, None);
}

#[test]
fn a_config_toml_that_keeps_cri_from_loading_ends_every_plan() {
    let config =
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/c'\nmirrors = {x = {}}\n";
    let failure = with_config("1.7.24", "docker.io", config).fatal.unwrap();
    assert_eq!(failure.go_message, "invalid plugin config: `mirrors` cannot be set when `config_path` is provided");
    assert!(failure.detail.starts_with("/etc/containerd/config.toml:4: "), "{}", failure.detail);
}

#[test]
fn deprecated_tls_settings_go_with_the_host_they_name_in_1_and_nowhere_in_2() {
    let config = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.configs.'r.example'.tls]\ninsecure_skip_verify = true\n";
    assert_eq!(with_config("1.7.24", "r.example", config).hosts[0].tls.skip_verify, Some(true));
    assert_eq!(with_config("2.1.9", "r.example", config).hosts[0].tls.skip_verify, None);
    assert_eq!(with_config("1.7.24", "other.example", config).hosts[0].tls.skip_verify, None);
    let half = config.replace("insecure_skip_verify = true", "cert_file = '/c'");
    let failure = with_config("1.6.20", "r.example", &half).fatal.unwrap();
    assert_eq!(
        failure.go_message,
        "get TLSConfig for registry \"https://r.example\": cert file \"/c\" was specified, but no corresponding key file was specified"
    );
    assert_eq!(with_config("1.6.20", "other.example", &half).fatal, None);
    let missing = config.replace("insecure_skip_verify = true", "ca_file = '/nothing.pem'");
    let failure = with_config("1.7.24", "r.example", &missing).fatal.unwrap();
    assert_eq!(
        failure.go_message,
        "get TLSConfig for registry \"https://r.example\": failed to load CA file: open /nothing.pem: no such file or directory"
    );
}

#[test]
fn a_certificate_that_only_pullprobe_does_not_read_leaves_the_answer_open() {
    let config = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.configs.'r.example'.tls]\nca_file = '/etc/large.pem'\n";
    let large = "x".repeat((1 << 20) + 1);
    let found = load(&[("/etc/containerd/config.toml", config), ("/etc/large.pem", &large)], "1.7.24");
    let failure = plan(&found, "r.example").fatal.unwrap();
    assert!(failure.inconclusive && failure.detail.contains("larger than 1 MiB"), "{failure:?}");
    assert_eq!(found.findings.iter().filter(|finding| finding.code == "file_unread").count(), 1);
}

#[test]
fn containerds_own_credentials_go_to_the_host_they_name() {
    let with = |host: &str, domain: &str| {
        let config = format!(
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.configs.'{host}'.auth]\nauth = 'YW5uOnNlY3JldA=='\n"
        );
        let found = with_config("2.1.9", domain, &config);
        found.hosts[0].own_credential.clone().map(|credential| credential.login().unwrap().0.to_owned())
    };
    assert_eq!(with("r.example", "r.example").as_deref(), Some("ann"));
    assert_eq!(with("docker.io", "docker.io"), None);
    assert_eq!(with("registry-1.docker.io", "docker.io").as_deref(), Some("ann"));
}

#[test]
fn hosts_that_are_the_registry_itself_are_upstream_and_others_are_mirrors() {
    let hosts = "server = 'https://m.example'\n[host.'https://r.example:443']\n";
    let found = planned("2.1.9", "r.example", &[("r.example/hosts.toml", hosts)]);
    let roles: Vec<Role> = found.hosts.iter().map(|host| host.role).collect();
    assert_eq!(roles, [Role::Upstream, Role::Mirror]);
    let queries: Vec<Option<&str>> = found.hosts.iter().map(|host| host.namespace_query.as_deref()).collect();
    assert_eq!(queries, [Some("r.example"), Some("r.example")]);
}

#[test]
fn a_host_that_is_no_url_is_left_out_and_said_so() {
    for name in ["httpbin.example", "https:m.example", "httpx://m.example"] {
        let hosts = format!("[host.'{name}']\n");
        let found = planned("2.1.9", "r.example", &[("r.example/hosts.toml", &hosts)]);
        assert_eq!(urls(&found), ["https://r.example/v2"], "{name}");
        assert_eq!(
            found.notes.iter().map(|note| (note.code, note.line())).collect::<Vec<_>>(),
            [("host_url_unusable", Some(1))],
            "{name}"
        );
    }
    let found = planned("2.1.9", "r.example", &[("r.example/hosts.toml", "server = 'httpbin.example'\n")]);
    assert_eq!(urls(&found), ["https://r.example/v2"]);
}

#[test]
fn a_colon_without_a_port_is_dropped_and_an_impossible_port_stays_to_be_met() {
    let hosts = "[host.'https://m.example:']\n[host.'https://r.example:']\n[host.'https://n.example:99999']\n";
    let found = planned("2.1.9", "r.example", &[("r.example/hosts.toml", hosts)]);
    let expected =
        ["https://m.example/v2", "https://r.example/v2", "https://n.example:99999/v2", "https://r.example/v2"];
    assert_eq!(urls(&found), expected);
    // containerd compares the name before it drops the colon.
    assert_eq!(found.hosts[1].namespace_query.as_deref(), Some("r.example"));
}

#[test]
fn global_headers_come_before_a_hosts_own() {
    let config = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/c'\nheaders = { a = ['1', '2'] }\n";
    let files = [
        ("/etc/containerd/config.toml", config),
        ("/c/r.example/hosts.toml", "[host.'https://m.example'.header]\na = '3'\n"),
    ];
    let found = plan(&load(&files, "2.1.9"), "r.example");
    let sent: Vec<&str> = found.hosts[0].headers.iter().map(|(_, value)| value.expose()).collect();
    assert_eq!(sent, ["1", "2", "3"]);
}

#[test]
fn what_is_wrong_is_named_with_the_line_that_says_it() {
    let mirrors = |endpoint: &str| {
        format!(
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'r.example']\nendpoint = [\n'https://m',\n{endpoint}]\n"
        )
    };
    for endpoint in ["'://'", "'https://[::1'", "'http://a b'", "'https://m:abc'", "'m:abc'"] {
        let failure = with_config("1.7.24", "r.example", &mirrors(endpoint)).fatal.unwrap();
        assert!(failure.detail.starts_with("/etc/containerd/config.toml:5: get registry endpoints: "), "{failure:?}");
        assert!(failure.go_message.starts_with("get registry endpoints: "), "{failure:?}");
    }
    for endpoint in ["'ftp://x'", "''"] {
        let found = with_config("1.7.24", "r.example", &mirrors(endpoint));
        assert_eq!(found.hosts.len(), 2, "{endpoint}");
        let notes: Vec<_> = found.notes.iter().map(|note| (note.code, note.line())).collect();
        assert_eq!(notes, [("host_url_unusable", Some(5))], "{endpoint}");
    }
    let hosts =
        "server = 'https://r.example'\n[host.'https://m.example']\ncapabilities = ['pull']\n\nca = ['/nothing']\n";
    let failure = planned("2.1.9", "r.example", &[("r.example/hosts.toml", hosts)]).fatal.unwrap();
    assert!(failure.detail.ends_with("(named by /etc/containerd/certs.d/r.example/hosts.toml:5)"), "{failure:?}");
}
