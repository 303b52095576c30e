//! Every code is provoked by a node, and is documented.

use std::collections::BTreeSet;

use super::CODES;
use crate::model::finding::Severity;
use crate::node::containerd::cases_tests::load;
use crate::node::containerd::{Containerd, ContainerdOptions};

const MAIN: &str = "/etc/containerd/config.toml";
const TWO: &str = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n";
const THREE: &str = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n";
const CERTS: &str = "config_path = '/c'\n";

/// A code, the containerd, config.toml (the start of it by its schema) and other files.
type Provoked = (&'static str, &'static str, String, Vec<(&'static str, &'static str)>);

fn of_faults() -> Vec<Provoked> {
    let two = |rest: &str| format!("{TWO}{rest}");
    let three = |rest: &str| format!("{THREE}{rest}");
    vec![
        ("config_syntax", "2.1.9", "version = 3\nroot = x\n".into(), vec![]),
        ("config_type", "2.1.9", three("config_path = 5\n"), vec![]),
        ("config_import", "2.1.9", "version = 3\nimports = ['x.toml']\n".into(), vec![]),
        ("config_schema", "2.1.9", "version = 4\n".into(), vec![]),
        ("plugin_name_invalid", "1.7.24", "version = 2\n[plugins.cri]\n".into(), vec![]),
        ("config_refused", "2.1.9", "version = 3\n[timeouts]\na = '5'\n".into(), vec![]),
        ("cri_disabled", "1.7.24", "disabled_plugins = ['cri']\n".into(), vec![]),
        ("mirrors_and_config_path", "2.1.9", three("config_path = '/c'\nmirrors = {x = {}}\n"), vec![]),
        ("configs_tls_and_config_path", "1.7.24", two("config_path = '/c'\nconfigs.x.tls.ca_file = '/x'\n"), vec![]),
        ("config_value_invalid", "2.1.9", three("auths.'http://a b'.username = 'x'\n"), vec![]),
    ]
}

fn of_config() -> Vec<Provoked> {
    let two = |rest: &str| format!("{TWO}{rest}");
    let three = |rest: &str| format!("{THREE}{rest}");
    vec![
        ("unknown_key", "2.1.9", three("confg_path = '/c'\n"), vec![]),
        (
            "misplaced_key",
            "2.1.9",
            "version = 3\n[plugins.'io.containerd.cri.v1.images']\nconfig_path = '/c'\n".into(),
            vec![],
        ),
        ("wrong_plugin_section", "2.1.9", two("config_path = '/c'\n").replace("version = 2", "version = 3"), vec![]),
        (
            "section_replaced",
            "1.7.24",
            format!("imports = ['d.toml']\n{}", two(CERTS)),
            vec![("/etc/containerd/d.toml", "[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = 'x'\n")],
        ),
        ("schema_deprecated", "1.7.24", "[plugins.cri]\n".into(), vec![]),
        ("schema_newer", "1.6.20", "version = 3\n".into(), vec![]),
        ("registry_keys_deprecated", "2.1.9", three("mirrors = {x = {}}\n"), vec![]),
        (
            "config_path_unset",
            "2.1.9",
            "version = 3\n".into(),
            vec![("/etc/containerd/certs.d/docker.io/hosts.toml", "")],
        ),
        ("config_path_colon", "2.1.9", three("config_path = '/c:/d'\n"), vec![]),
        (
            "config_path_default_unread",
            "2.2.7",
            "version = 3\n".into(),
            vec![("/etc/docker/certs.d/docker.io/hosts.toml", "")],
        ),
        ("config_path_missing", "2.1.9", three(CERTS), vec![]),
        ("config_path_unusable", "2.1.9", three(CERTS), vec![("/c", "a file")]),
        ("config_path_relative", "2.1.9", three("config_path = 'c'\n"), vec![]),
        (
            "transfer_config_path",
            "2.1.9",
            "version = 3\n[plugins.'io.containerd.transfer.v1.local']\nconfig_path = '/c'\n".into(),
            vec![],
        ),
    ]
}

fn of_registries() -> Vec<Provoked> {
    let three = |rest: &str| format!("{THREE}{rest}");
    vec![
        ("configs_tls_ignored", "2.1.9", three("configs.x.tls.ca_file = '/x'\n"), vec![]),
        ("configs_auth_docker_io", "2.1.9", three("configs.'docker.io'.auth.username = 'x'\n"), vec![]),
        ("containerd_auth_invalid", "2.1.9", three("configs.x.auth.auth = '!'\n"), vec![]),
        (
            "conf_d_not_imported",
            "2.2.7",
            "version = 3\n".into(),
            vec![("/etc/containerd/conf.d/a.toml", "version = 3\n")],
        ),
        (
            "snapshotter_not_unpacked",
            "2.1.9",
            "version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'\n".into(),
            vec![],
        ),
        ("local_pull_forced", "2.1.9", three("mirrors = {x = {}}\n"), vec![]),
        ("import_circular", "2.1.9", "version = 3\nimports = ['config.toml']\n".into(), vec![]),
        (
            "certs_d_unread",
            "2.1.9",
            three(CERTS),
            vec![("/c/x.example/hosts.toml", "#\n"), ("/etc/containerd/certs.d/r.example/hosts.toml", "#\n")],
        ),
        (
            "host_rewrite",
            "2.1.5-k3s1",
            three("config_path = '/c'\n"),
            vec![("/c/r.example/hosts.toml", "[host.'https://m'.rewrite]\nx = 'y'\n")],
        ),
        ("mirror_path_without_v2", "2.1.9", three("mirrors.x.endpoint = ['https://m/proj']\n"), vec![]),
        ("mirror_endpoint_unusable", "2.1.9", three("mirrors.x.endpoint = ['https://m:x']\n"), vec![]),
        ("version_unknown", "9.9", "version = 3\n".into(), vec![]),
    ]
}

/// A code, the containerd and files of `/c`, which is `config_path`.
fn of_certs() -> Vec<Provoked> {
    let hosts = |code, version, text| (code, version, String::new(), vec![("/c/r.example/hosts.toml", text)]);
    let files = |code, files: &[(&'static str, &'static str)]| (code, "2.1.9", String::new(), files.to_vec());
    vec![
        files("host_dir_unusable", &[("/c/r.example", "a file")]),
        files("host_dir_unreachable", &[("/c/registry-1.docker.io/hosts.toml", "#\n")]),
        files("host_dir_hidden", &[("/c/r.example:5000/hosts.toml", "#\n"), ("/c/r.example_5000_/hosts.toml", "#\n")]),
        files("host_dir_empty", &[("/c/r.example/", ""), ("/c/_default/hosts.toml", "#\n")]),
        files("hosts_file_misnamed", &[("/c/r.example/host.toml", "#\n")]),
        files("certificate_files_ignored", &[("/c/r.example/ca.pem", "x")]),
        files("certificate_files_ignored", &[("/c/r.example/hosts.toml", "#\n"), ("/c/r.example/ca.crt", "x")]),
        files("hosts_file_misplaced", &[("/c/hosts.toml", "#\n")]),
        files("hosts_file_empty", &[("/c/r.example/hosts.toml", "")]),
        hosts("override_path_without_v2", "2.1.9", "[host.'https://m/p']\noverride_path = true\n"),
        hosts("scheme_port_mismatch", "2.1.9", "[host.'http://m:443']\n"),
        hosts("secret_world_readable", "2.1.9", "[host.'https://m'.header]\nAuthorization = 'x'\n"),
        hosts("hosts_file_invalid", "2.1.9", "[host.'https://m']\ncapabilities = ['pul']\n"),
        hosts("hosts_file_unknown_key", "2.1.9", "[host.'https://m']\nskip-verify = true\n"),
        hosts("host_vanishes", "2.1.9", "host = {'https://m' = {}}\n"),
        hosts("host_url_unusable", "2.1.9", "[host.'httpbin.example']\n"),
        hosts("host_url_unusable", "2.1.9", "server = 'httpbin.example'\n"),
        hosts("host_userinfo_dropped", "2.1.9", "[host.'https://ann:x@m']\n"),
        hosts("host_path_v2", "2.1.9", "[host.'https://m/v2/proxy']\n"),
        hosts("host_repeated", "2.1.9", "[host.'https://m']\n[host.'https://n']\n[host.'https://m'.header]\nx = 'y'\n"),
        hosts("server_without_settings", "2.1.9", "[host.'https://r.example']\nskip_verify = true\n"),
        hosts("host_scheme_missing", "2.1.9", "[host.'m.example']\n"),
        hosts("header_replaced_by_token", "2.0.5", "[host.'https://m'.header]\nauthorization = 'x'\n"),
        files("registry_port_differs", &[("/c/10.2.3.4/hosts.toml", "server = 'https://10.2.3.4:5000'\n")]),
        files("hosts_file_too_deep", &[("/c/r.example/team/hosts.toml", "#\n")]),
        files("spegel_backup", &[("/c/_backup/r.example/hosts.toml", "#\n")]),
        hosts("host_without_resolve", "2.1.9", "[host.'https://m']\ncapabilities = ['pull']\n"),
        hosts("no_host_resolves", "2.1.9", "server = 'https://m'\ncapabilities = ['pull']\n"),
        hosts("server_docker_io", "2.1.9", "server = 'https://docker.io'\n"),
        hosts("root_capabilities_ignored", "2.1.9", "capabilities = ['pull']\n"),
        hosts("tls_file_unusable", "2.1.9", "[host.'https://m']\nca = '/nothing'\n"),
        hosts("tls_path_relative", "2.1.9", "[host.'https://m']\nclient = [['a', '/b']]\n"),
        hosts("skip_verify", "2.1.9", "[host.'https://m']\nskip_verify = true\n"),
        hosts("plain_http", "2.1.9", "[host.'http://m']\n"),
        hosts("http_upgraded", "2.1.9", "[host.'http://m']\nskip_verify = true\n"),
        hosts("dial_timeout_ignored", "2.0.6", "[host.'https://m']\ndial_timeout = '1s'\n"),
        hosts("dial_timeout_odd", "2.1.9", "[host.'https://m']\ndial_timeout = '-1s'\n"),
    ]
}

fn all() -> Vec<Provoked> {
    [of_faults(), of_config(), of_registries(), of_certs()].concat()
}

fn provoke((_, version, config, files): &Provoked) -> Containerd {
    let certs = format!("{THREE}{CERTS}");
    let config = if config.is_empty() { &certs } else { config };
    let mut all = files.clone();
    let main = (MAIN, config.as_str());
    all.retain(|(path, _)| *path != MAIN);
    let mut all: Vec<(&str, &str)> = all;
    all.push(main);
    load(&all, version)
}

#[test]
fn every_code_is_provoked_and_none_is_unlisted() {
    let mut seen = BTreeSet::new();
    for provoked in &all() {
        let found = provoke(provoked).findings;
        let codes: BTreeSet<&str> = found.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(provoked.0), "{} on {}: {found:#?}", provoked.0, provoked.1);
        assert!(found.iter().all(|finding| !finding.message.is_empty() && !finding.fix.is_empty()));
        seen.extend(codes);
    }
    seen.extend(load(&[], "2.1.9").findings.iter().map(|finding| finding.code));
    let (_keep, root) = crate::node::containerd::cases_tests::node(&[]);
    seen.extend(Containerd::load(&root, &ContainerdOptions::default()).findings.iter().map(|finding| finding.code));
    seen.insert(too_many_directories());
    seen.extend(links_to_nothing());
    seen.extend(what_is_not_read());
    assert_eq!(seen, CODES.iter().copied().collect());
}

fn too_many_directories() -> &'static str {
    let config = format!("{THREE}{CERTS}");
    let (dir, root) = crate::node::containerd::cases_tests::node(&[(MAIN, &config)]);
    for n in 0..=crate::mirrors::certs_d::DIRECTORY_LIMIT {
        std::fs::create_dir_all(dir.path().join(format!("c/r{n}.example"))).unwrap();
    }
    let found = Containerd::load(&root, &ContainerdOptions::default()).findings;
    found.iter().find(|finding| finding.severity == Severity::Error).unwrap().code
}

fn links_to_nothing() -> [&'static str; 2] {
    let config = format!("{THREE}{CERTS}");
    let (dir, root) = crate::node::containerd::cases_tests::node(&[(MAIN, &config), ("/c/a.example/", "")]);
    std::os::unix::fs::symlink("/nothing", dir.path().join("c/a.example/hosts.toml")).unwrap();
    std::os::unix::fs::symlink("/nothing", dir.path().join("c/b.example")).unwrap();
    let found = Containerd::load(&root, &ContainerdOptions::default()).findings;
    let of = |path: &str| found.iter().find(|finding| finding.file.as_deref() == Some(path)).unwrap().code;
    [of("/c/a.example/hosts.toml"), of("/c/b.example")]
}

/// What containerd may well read: a large file, and one that is no file (a pipe, a device).
fn what_is_not_read() -> Vec<&'static str> {
    let config = format!("{THREE}{CERTS}");
    let (dir, root) =
        crate::node::containerd::cases_tests::node(&[(MAIN, &config), ("/c/a.example/", ""), ("/c/b.example/", "")]);
    let large = "#\n".repeat(crate::containerd::reader::FILE_LIMIT / 2 + 1);
    std::fs::write(dir.path().join("c/a.example/hosts.toml"), large).unwrap();
    let pipe = dir.path().join("c/b.example/hosts.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = Containerd::load(&root, &ContainerdOptions::default());
    for domain in ["a.example", "b.example"] {
        let failure = crate::plan::plan(&found, domain).fatal.unwrap();
        assert!(failure.inconclusive && failure.detail.contains(&format!("/c/{domain}/hosts.toml")), "{failure:?}");
    }
    assert_eq!(crate::plan::plan(&found, "c.example").fatal, None);
    let codes: Vec<&str> =
        found.findings.iter().map(|finding| finding.code).filter(|code| *code != "version_assumed").collect();
    assert_eq!(codes, ["file_unread", "file_unread"]);
    codes
}

#[test]
fn a_file_up_to_the_limit_is_read_and_a_larger_one_leaves_the_answer_open() {
    let limit = crate::containerd::reader::FILE_LIMIT;
    let settings = format!("{THREE}config_path = '/x'\n");
    let of_size = |size: usize| format!("{settings}{}\n", "#".repeat(size - settings.len() - 1));
    let whole = load(&[(MAIN, &of_size(limit))], "2.1.9");
    assert_eq!((whole.config_path, whole.fatal), (vec!["/x".to_owned()], None));
    let larger = load(&[(MAIN, &of_size(limit + 1))], "2.1.9");
    let failure = crate::plan::plan(&larger, "r.example").fatal.unwrap();
    assert!(failure.inconclusive && failure.detail.contains("larger than 1 MiB"), "{failure:?}");
    let codes: Vec<&str> = larger.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["file_unread"]);
}

#[test]
fn a_fix_never_names_a_section_or_a_version_that_containerd_refuses_there() {
    let fix = |version: &str, files: &[(&str, &str)], code: &str| {
        let found = load(files, version).findings;
        found.into_iter().find(|finding| finding.code == code).unwrap().fix
    };
    let old = "[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/c'\n";
    for version in ["1.6.20", "1.7.24"] {
        let said = fix(version, &[(MAIN, old)], "wrong_plugin_section");
        assert!(
            said.contains("`version = 2`") && said.contains("[plugins.\"io.containerd.grpc.v1.cri\".registry]"),
            "{said}"
        );
    }
    let imports = "version = 2\nimports = ['d.toml']\n";
    let drop_in = [(MAIN, imports), ("/etc/containerd/d.toml", "[plugins.cri]\n")];
    assert!(
        fix("2.3.4", &drop_in, "schema_deprecated").contains("`version = 2`"),
        "higher than that of the root is refused"
    );
    let short = [(MAIN, imports), ("/etc/containerd/d.toml", "[plugins.cri.registry]\nconfig_path = '/c'\n")];
    let found = load(&short, "2.1.9");
    assert_eq!(found.config_path, ["/c"]);
    assert!(!found.findings.iter().any(|finding| finding.code == "wrong_plugin_section"), "{:?}", found.findings);
}

#[test]
fn every_code_has_its_paragraph() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
    for code in CODES {
        assert!(text.contains(&format!("\n**`{code}`**")), "docs/findings.md does not tell of {code}");
    }
}

#[test]
fn a_finding_stands_at_the_line_and_column_of_its_cause() {
    let place = |provoked: Provoked| {
        let found = provoke(&provoked).findings;
        let finding = found.iter().find(|finding| finding.code == provoked.0).unwrap();
        (finding.file.clone().unwrap(), finding.line(), finding.column())
    };
    let of = |code: &str| all().into_iter().find(|provoked| provoked.0 == code).unwrap();
    assert_eq!(place(of("unknown_key")), (MAIN.into(), Some(3), Some(1)));
    assert_eq!(place(of("config_path_colon")), (MAIN.into(), Some(3), Some(15)));
    assert_eq!(place(of("configs_tls_ignored")), (MAIN.into(), Some(3), Some(11)));
    assert_eq!(place(of("mirrors_and_config_path")), (MAIN.into(), Some(4), Some(12)));
    let hosts = "/c/r.example/hosts.toml";
    assert_eq!(place(of("hosts_file_invalid")), (hosts.into(), Some(2), Some(17)));
    assert_eq!(place(of("hosts_file_unknown_key")), (hosts.into(), Some(2), Some(1)));
    assert_eq!(place(of("host_vanishes")), (hosts.into(), Some(1), Some(9)));
}

#[test]
fn a_misspelt_key_is_answered_with_the_nearest() {
    let fix = |provoked: Provoked| {
        provoke(&provoked).findings.into_iter().find(|finding| finding.code == provoked.0).unwrap().fix
    };
    let of = |code: &str| all().into_iter().find(|provoked| provoked.0 == code).unwrap();
    assert_eq!(fix(of("unknown_key")), "did you mean `config_path`?");
    assert_eq!(fix(of("hosts_file_unknown_key")), "did you mean `skip_verify`?");
}

/// Whose containerd reads a file decides, and not where the file lies.
#[test]
fn rewrite_is_known_to_the_containerd_of_k3s_and_rke2_wherever_its_files_lie() {
    for (version, known) in [("2.1.5-k3s1", true), ("1.7.27-k3s1", true), ("v2.1.5", false), ("v1.7.27", false)] {
        let start = if version.contains("1.7") { TWO } else { THREE };
        for place in ["/c", "/k/agent/etc/containerd/certs.d"] {
            let (config, hosts) =
                (format!("{start}config_path = '{place}'\n"), format!("{place}/r.example/hosts.toml"));
            let rewrite = "[host.'https://m'.rewrite]\n'^(.*)$' = 'all/$1'\n";
            let found = load(&[(MAIN, &config), (&hosts, rewrite)], version);
            let codes: BTreeSet<_> = found.findings.iter().map(|finding| finding.code).collect();
            let told = (codes.contains("host_rewrite"), codes.contains("hosts_file_unknown_key"));
            assert_eq!(told, (known, !known), "{version} {place}");
            let planned = crate::plan::plan(&found, "r.example").hosts[0].rewrites.apply("a");
            assert_eq!(planned.unwrap(), if known { "all/a" } else { "a" }, "{version} {place}");
        }
        let mirrors = format!(
            "{start}[{}.mirrors.'r.example']\nendpoint = ['https://m']\nrewrite = {{ '^' = 'all/' }}\n",
            registry(start)
        );
        let found = load(&[("/k/agent/etc/containerd/config.toml", ""), (MAIN, &mirrors)], version);
        let planned = crate::plan::plan(&found, "r.example").hosts[0].rewrites.apply("a");
        assert_eq!(planned.unwrap(), if known { "all/a" } else { "a" }, "{version}");
    }
}

fn registry(start: &str) -> &str {
    start.rsplit_once('[').unwrap().1.trim_end().trim_end_matches(']')
}

/// The files are links to those of `..data`.
#[test]
fn what_a_volume_keeps_beside_its_files_is_no_directory_of_a_registry() {
    let hosts = "server = 'https://r.example'\n[host.'https://m.example']\n";
    for place in
        ["/c/r.example/..data", "/c/r.example/..2026_11_29_19_00_00.1", "/c/..data", "/c/..2026_11_29_19_00_00.1"]
    {
        let config = format!("{THREE}{CERTS}");
        let kept = format!("{place}/hosts.toml");
        let found = load(&[(MAIN, &config), ("/c/r.example/hosts.toml", hosts), (&kept, hosts)], "2.1.9");
        let codes: Vec<&str> = found.findings.iter().map(|finding| finding.code).collect();
        assert_eq!((codes, found.registry.namespaces()), (vec![], vec!["r.example".to_owned()]), "{place}");
    }
}

#[test]
fn a_sound_node_has_no_warnings() {
    let hosts = "server = 'https://registry-1.docker.io'\n[host.'https://m.example']\ncapabilities = ['pull', 'resolve']\ndial_timeout = '5s'\n[host.'https://m.example'.header]\nx = 'y'\n";
    for version in ["1.7.24", "2.1.9", "2.2.7", "2.3.4"] {
        let start = if version.starts_with('1') { TWO } else { THREE };
        let config = format!("{start}{CERTS}headers = {{ a = ['b'] }}\n");
        let found = load(&[(MAIN, &config), ("/c/docker.io/hosts.toml", hosts)], version).findings;
        let expected: &[&str] = if version == "1.7.24" { &["dial_timeout_ignored"] } else { &[] };
        assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), expected, "{version}");
    }
}

#[test]
fn no_secret_is_in_any_finding_or_plan() {
    let hosts = [
        "[host.'https://m.example'.header]\nAuthorization = 'Bearer hunter2'\n[host.'https://ann:hunter2@m.example']\nca = '/nothing'\n",
        "[host.'https://ann:hunter2@m.example?t=hunter2']\nskip_verify = true\n[host.'http://ann:hunter2@m.example']\n",
        "[host.'https://ann:hunter2@m.example:x']\n",
        "[host.'https:ann:hunter2@m.example']\ncapabilities = ['pull']\n",
        "host = { 'https://ann:hunter2@m.example' = {} }\nserver = 'https:ann:hunter2@m'\n",
    ];
    let configs = [
        format!(
            "{THREE}{CERTS}configs.x.auth = {{ username = 'ann', password = 'hunter2' }}\nheaders = {{ a = ['hunter2'] }}\n"
        ),
        format!("{THREE}{CERTS}configs.y.auth = {{ auth = 'aHVudGVyMg==' }}\n"),
        format!("{THREE}mirrors.'r.example'.endpoint = ['https://ann:hunter2@m/p', 'https://ann:hunter2@m:x']\n"),
        format!("{TWO}configs.x.auth = 'hunter2'\n"),
        format!("{TWO}headers.a = 'hunter2'\n"),
        format!("{TWO}auths.'https://ann:hunter2@m m'.username = 'x'\n"),
        format!("{TWO}auths.'https://ann:hunter2@m'.user = 'x'\n"),
    ];
    for (config, hosts) in configs.iter().flat_map(|config| hosts.iter().map(move |hosts| (config, *hosts))) {
        for version in ["1.7.24", "2.1.9"] {
            let found = load(&[(MAIN, config), ("/c/r.example/hosts.toml", hosts)], version);
            let plan = crate::plan::plan(&found, "r.example");
            let shown = format!("{:?} {:?} {plan:?}", found.findings, found.fatal);
            assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{config}{hosts}: {shown}");
        }
    }
}
