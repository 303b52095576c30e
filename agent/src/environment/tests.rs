//! Units, drop-ins and processes as they are found on nodes.

use std::fs;
use std::path::Path;

use super::*;
use crate::model::host::Scheme;
use crate::version::Version;

/// A host root with these files.
pub fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoot) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = HostRoot::open(dir.path()).unwrap();
    (dir, root)
}

fn load(files: &[(&str, &str)]) -> DaemonEnvironment {
    let (_keep, root) = node(files);
    DaemonEnvironment::load(&root, Some(Path::new("/proc")))
}

fn shown(environment: &DaemonEnvironment) -> Vec<(&str, &str, &str)> {
    environment.variables.iter().map(|v| (v.name.as_str(), v.value.expose(), &*v.origin.to_string().leak())).collect()
}

const UNIT: &str = "/usr/lib/systemd/system/containerd.service";

#[test]
fn drop_ins_apply_by_name_over_all_directories_and_empty_resets() {
    let environment = load(&[
        (UNIT, "[Service]\nEnvironment=A=unit\nExecStart=/usr/bin/containerd\n"),
        ("/etc/systemd/system/containerd.service.d/50-b.conf", "[Service]\nEnvironment=\nEnvironment=\"A=etc\" B=2\n"),
        ("/usr/lib/systemd/system/containerd.service.d/50-b.conf", "[Service]\nEnvironment=A=masked\n"),
        (
            "/usr/lib/systemd/system/containerd.service.d/60-c.conf",
            "[Service]\nEnvironment=C=3\nExecStart=\nExecStart=-/usr/local/bin/containerd --config=/etc/c.toml -a /run/c.sock\n",
        ),
        ("/run/systemd/system/containerd.service.d/10-a.conf", "[Service]\nEnvironment=A=run D=4\n"),
    ]);
    let dir = "/etc/systemd/system/containerd.service.d/50-b.conf";
    let c = "/usr/lib/systemd/system/containerd.service.d/60-c.conf:2";
    assert_eq!(
        shown(&environment),
        [("A", "etc", &*format!("{dir}:3")), ("B", "2", &format!("{dir}:3")), ("C", "3", c)]
    );
    assert_eq!(environment.config_argument(), Some("/etc/c.toml"));
    assert_eq!(environment.address_argument(), Some("/run/c.sock"));
    assert_eq!(environment.root_argument(), None);
}

#[test]
fn environment_files_win_over_environment_lines_and_export_is_found() {
    let environment = load(&[
        (
            UNIT,
            "[Service]\nEnvironmentFile=-/etc/missing\nEnvironmentFile=/etc/default/%N\nEnvironment=HTTPS_PROXY=http://unit:1\nEnvironmentFile=/etc/gone\n",
        ),
        ("/etc/default/containerd", "HTTPS_PROXY=\"http://user:p%40ss@file:2\"\nexport NO_PROXY=x\n"),
    ]);
    assert_eq!(shown(&environment), [("HTTPS_PROXY", "http://user:p%40ss@file:2", "/etc/default/containerd:1")]);
    let found: Vec<_> = environment.findings.iter().map(|f| (f.code, f.file.as_deref(), f.line())).collect();
    assert_eq!(
        found,
        [
            ("unit_line_ignored", Some("/etc/default/containerd"), Some(2)),
            ("environment_file_missing", Some(UNIT), Some(5))
        ]
    );
    let decision = ProxyRules::of(&environment, Version::NEWEST).decide(Scheme::Https, "r.example", 443);
    assert_eq!(decision.proxy.unwrap().to_string(), "http://file:2");
}

/// systemd's `config_parse_unit_env_file` wants a whole path, and goes on without the line.
#[test]
fn an_environment_file_whose_path_is_not_absolute_is_not_read() {
    for path in ["etc/default/containerd", "-./etc/default/containerd"] {
        let environment = load(&[
            (UNIT, &format!("[Service]\nEnvironmentFile={path}\n")),
            ("/etc/default/containerd", "HTTPS_PROXY=http://file:2\n"),
        ]);
        assert!(shown(&environment).is_empty(), "{path}: {:?}", shown(&environment));
        let found: Vec<_> = environment.findings.iter().map(|f| (f.code, f.file.as_deref(), f.line())).collect();
        assert_eq!(found, [("unit_line_ignored", Some(UNIT), Some(2))], "{path}");
    }
}

#[test]
fn the_distribution_that_brings_containerd_comes_first_and_its_prefix_counts() {
    let environment = load(&[
        (UNIT, "[Service]\nEnvironment=HTTPS_PROXY=http://docker:1\n"),
        (
            "/etc/systemd/system/k3s-agent.service",
            "[Service]\nEnvironmentFile=-/etc/systemd/system/k3s-agent.service.env\nExecStart=/usr/local/bin/k3s agent --config /etc/k3s.yaml\n",
        ),
        (
            "/etc/systemd/system/k3s-agent.service.env",
            "HTTPS_PROXY='http://k3s:1'\nCONTAINERD_HTTPS_PROXY='http://only:2'\n",
        ),
    ]);
    assert_eq!(environment.unit, Some("k3s-agent.service"));
    assert_eq!(environment.https_proxy().unwrap().value.expose(), "http://only:2");
    assert_eq!(environment.config_argument(), None, "that is k3s's own file");
}

#[test]
fn what_the_files_set_and_the_process_has_not_waits_for_a_restart() {
    let environment = load(&[
        (
            UNIT,
            "[Service]\nExecStart=/usr/bin/containerd\nEnvironment=HTTP_PROXY=http://same:1 NO_PROXY=.example\n\
             Environment=HTTPS_PROXY=http://ann:hunter2@late:2 COLOR=on\n",
        ),
        ("/proc/71/comm", "containerd\n"),
        ("/proc/71/environ", "HTTP_PROXY=http://same:1\0NO_PROXY=.other\0no_proxy=more\0"),
    ]);
    assert!(environment.https_proxy().is_none());
    let told: Vec<_> =
        environment.findings.iter().map(|one| (one.code, one.line().unwrap(), one.message.as_str())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let [(code, line, message), (other_code, other_line, other)] = told[..] else { panic!("{told:?}") };
    assert_eq!((code, line, other_code, other_line), ("newer_than_containerd", 3, "newer_than_containerd", 4));
    assert!(
        message.contains("(process 71)") && message.contains("NO_PROXY") && other.contains("HTTPS_PROXY"),
        "{told:?}"
    );
    assert!(!format!("{:?}", environment.findings).contains("hunter2"));
}

#[test]
fn a_running_process_outweighs_the_files() {
    let environment = load(&[
        (UNIT, "[Service]\nEnvironment=HTTPS_PROXY=http://file:1\n"),
        ("/proc/7/comm", "containerd-shim\n"),
        ("/proc/70/comm", "containerd\n"),
        ("/proc/70/cgroup", "0::/system.slice/docker.service\n"),
        ("/proc/70/environ", "HTTPS_PROXY=http://docker:1\0"),
        ("/proc/71/comm", "containerd\n"),
        ("/proc/71/cgroup", "0::/system.slice/containerd.service\n"),
        ("/proc/71/environ", "PATH=/bin\0https_proxy=http://live:2\0"),
        ("/proc/71/cmdline", "/usr/bin/containerd\0-c\0/etc/live.toml\0"),
    ]);
    assert_eq!((environment.pid, environment.config_argument()), (Some(71), Some("/etc/live.toml")));
    let proxy = environment.https_proxy().unwrap();
    assert_eq!((proxy.value.expose(), &*proxy.origin.to_string()), ("http://live:2", "/proc/71/environ"));
}

#[test]
fn the_manager_s_default_environment_is_under_the_unit_s_own() {
    let environment = load(&[
        ("/etc/systemd/system.conf", "[Manager]\nDefaultEnvironment=HTTP_PROXY=http://all:1 X=1\n"),
        (UNIT, "[Service]\nEnvironment=X=2\nUnsetEnvironment=HTTP_PROXY=http://other:1\n"),
    ]);
    assert_eq!(
        shown(&environment),
        [("HTTP_PROXY", "http://all:1", "/etc/systemd/system.conf:2"), ("X", "2", &format!("{UNIT}:2"))]
    );
}

#[test]
fn what_the_manager_passes_on_counts_as_far_as_a_file_tells_it() {
    let environment = load(&[
        (
            "/etc/systemd/system.conf",
            "[Manager]\nDefaultEnvironment=A=all\nManagerEnvironment=A=own HTTPS_PROXY=http://own:1 B=3\n",
        ),
        (UNIT, "[Service]\nPassEnvironment=A HTTPS_PROXY NO_PROXY NO_PROXY TERM\nEnvironment=A=unit\n"),
    ]);
    let conf = "/etc/systemd/system.conf:3";
    assert_eq!(shown(&environment), [("HTTPS_PROXY", "http://own:1", conf), ("A", "unit", &format!("{UNIT}:3"))]);
    let found: Vec<_> =
        environment.findings.iter().map(|f| (f.code, f.message.contains("NO_PROXY"), f.line())).collect();
    assert_eq!(found, [("environment_passed_on", true, Some(2))]);
}

#[test]
fn settings_that_go_reads_differently_are_found_without_showing_a_password() {
    let environment = load(&[(
        UNIT,
        "[Service]\nEnvironment=HTTPS_PROXY=http://user:hunt#er2@proxy:1 NO_PROXY=a.*.b,*.fine,http://x,c\n",
    )]);
    let codes: Vec<_> = environment.findings.iter().map(|f| (f.code, f.line())).collect();
    assert_eq!(
        codes,
        [("proxy_url_invalid", Some(2)), ("no_proxy_entry_useless", Some(2)), ("no_proxy_entry_useless", Some(2))]
    );
    assert!(!format!("{environment:?}").contains("hunt"));
}

#[test]
fn a_proxy_url_among_the_exceptions_is_told_of_without_its_password() {
    let environment = load(&[(UNIT, "[Service]\nEnvironment=NO_PROXY=http://user:hunter2@proxy.example:3128\n")]);
    let [finding] = &environment.findings[..] else { panic!("{:?}", environment.findings) };
    assert!(finding.message.contains("proxy.example:3128") && !finding.message.contains("hunter2"), "{finding:?}");
}

#[test]
fn a_node_without_any_known_service_has_an_empty_environment() {
    let environment = load(&[("/etc/hostname", "x")]);
    assert_eq!((environment.unit, environment.variables.len(), environment.findings.len()), (None, 0, 0));
}

/// systemd and the kernel have other limits: whatever stands in such a file, a proxy too, may count.
#[test]
fn a_file_that_is_too_large_is_not_taken_for_one_that_is_not_there() {
    let large = format!("[Service]\n{}\n", "#".repeat(FILE_LIMIT));
    let unit = (UNIT, "[Service]\nEnvironmentFile=/etc/default/containerd\nExecStart=/usr/bin/containerd\n");
    let settings = (UNIT, "[Service]\nEnvironmentFile=-/etc/default/c*\nExecStart=/usr/bin/containerd\n");
    let file = ("/etc/default/containerd", large.as_str());
    let drop_in = ("/etc/systemd/system/containerd.service.d/a.conf", large.as_str());
    for files in [vec![(UNIT, large.as_str())], vec![unit, file], vec![settings, file], vec![unit, drop_in]] {
        let loaded = load(&files);
        let Some(error) = loaded.closed else { panic!("{:?}", files[0].0) };
        assert!(error.is_too_large() && loaded.unit == Some("containerd.service"), "{error}");
        assert!(!loaded.findings.iter().any(|finding| finding.code == "environment_file_missing"));
    }
    let manager = load(&[unit, ("/etc/default/containerd", ""), ("/etc/systemd/system.conf", &large)]);
    assert!(manager.closed.is_some_and(|error| error.is_too_large()));
}

#[test]
fn an_environment_of_a_process_that_is_too_large_leaves_it_open() {
    let environ = format!("HTTPS_PROXY=http://p:1\0{}", "x".repeat(FILE_LIMIT));
    let process =
        |environ| load(&[(UNIT, "[Service]\n"), ("/proc/7/comm", "containerd\n"), ("/proc/7/environ", environ)]);
    assert_eq!(process("A=1\0").closed, None);
    let large = process(&environ);
    assert!(large.closed.as_ref().is_some_and(|error| error.path() == Path::new("/proc/7/environ")), "{large:?}");
    assert_eq!(large.pid, None);
}

#[test]
fn a_file_that_is_too_large_leaves_kubelets_environment_open() {
    let large = format!("[Service]\n{}\n", "#".repeat(FILE_LIMIT));
    let kubelet =
        ("/usr/lib/systemd/system/kubelet.service", "[Service]\nEnvironment=A=1\nExecStart=/usr/bin/kubelet\n");
    let of = |files: &[(&str, &str)]| {
        let (_keep, root) = node(files);
        DaemonEnvironment::of_kubelet(&root)
    };
    let drop_in = ("/etc/systemd/system/kubelet.service.d/a.conf", large.as_str());
    assert_eq!((of(&[kubelet]).closed, of(&[kubelet]).variables.len()), (None, 1));
    assert!(of(&[kubelet, drop_in]).closed.is_some_and(|error| error.is_too_large()));
}
