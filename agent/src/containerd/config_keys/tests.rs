//! Every key of every table with a value that it does not take; an acceptance test asks the daemons the same.

use super::table::{Key, Kind, Sections};
use super::{SERIES_1_6, SERIES_1_7, SERIES_2_1, SERIES_2_2, SERIES_2_3};
use crate::containerd::config::FaultKind;
use crate::node::containerd::cases_tests::load;

const MAIN: &str = "/etc/containerd/config.toml";

/// Section, path and a value of the wrong type, for all keys of a table.
fn wrong(sections: &Sections) -> Vec<(String, String, &'static str)> {
    fn below(keys: &[Key], above: &str, found: &mut Vec<(String, &'static str)>) {
        for key in keys {
            let path = format!("{above}{}", key.name);
            if key.name != "[]" {
                found.push((path.clone(), if key.kind == Kind::Text { "1" } else { "'x'" }));
            }
            below(&key.below, &format!("{path}."), found);
        }
    }
    let mut all = Vec::new();
    for (id, keys) in sections {
        let mut found = Vec::new();
        below(keys, "", &mut found);
        all.extend(found.into_iter().map(|(path, value)| (id.clone(), path, value)));
    }
    all
}

/// A file with one key of a plugin.
fn file(schema: u32, id: &str, path: &str, value: &str) -> String {
    let mut parts: Vec<&str> = path.split('.').map(|part| if part == "*" { "x" } else { part }).collect();
    let key = parts.pop().unwrap();
    let list = parts.contains(&"[]");
    parts.retain(|part| *part != "[]");
    let header =
        [vec![format!("plugins.'{id}'")], parts.iter().map(|&part| part.to_owned()).collect()].concat().join(".");
    let header = if list { format!("[[{header}]]") } else { format!("[{header}]") };
    format!("version = {schema}\n{header}\n{key} = {value}\n")
}

#[test]
fn a_wrong_type_in_any_key_of_any_plugin_ends_containerd() {
    for (sections, version, schema, least) in [
        (&SERIES_1_6, "1.6.20", 2, 130),
        (&SERIES_1_7, "1.7.24", 2, 170),
        (&SERIES_2_1, "2.1.9", 3, 150),
        (&SERIES_2_2, "2.2.7", 3, 165),
        (&SERIES_2_3, "2.3.4", 4, 185),
    ] {
        let wrong = wrong(sections);
        assert!(wrong.len() >= least, "{version}: {}", wrong.len());
        for (id, path, value) in wrong {
            let containerd = load(&[(MAIN, &file(schema, &id, &path, value))], version);
            let fault = containerd.fatal.unwrap_or_else(|| panic!("{version}: {id} {path} = {value}"));
            assert_eq!((fault.kind, fault.place.line()), (FaultKind::WrongType, 3), "{version}: {id} {path} = {value}");
            let finding = containerd.findings.iter().find(|finding| finding.code == "config_type");
            assert!(finding.is_some(), "{version}: {id} {path}: {:?}", containerd.findings);
        }
    }
}

fn stops(version: &str, text: &str) -> Option<String> {
    let fatal = load(&[(MAIN, text)], version).fatal.filter(|fault| fault.kind == FaultKind::WrongType);
    fatal.map(|fault| fault.message)
}

#[test]
fn a_key_is_checked_where_a_release_has_it() {
    let erofs = "version = 3\n[plugins.'io.containerd.snapshotter.v1.erofs']\nset_immutable = 'x'\n";
    assert_eq!(["2.0.11", "2.1.3"].map(|version| stops(version, erofs)), [None, None]);
    assert!(["2.1.4", "2.2.7", "2.3.4"].iter().all(|version| stops(version, erofs).is_some()));
    let transfer = "version = 2\n[plugins.'io.containerd.transfer.v1.local']\nconfig_path = 1\n";
    assert!(stops("1.7.0", transfer).is_none() && stops("1.7.1", transfer).is_some());
    assert!(stops("1.6.39", transfer).is_none() && stops("2.0.11", transfer).is_some());
    for (section, key, since, before) in [
        ("transfer.v1.local", "max_concurrent_unpacks = 'x'", "2.2.0", "2.1.9"),
        ("snapshotter.v1.erofs", "default_size = 1", "2.2.0", "2.1.9"),
        ("differ.v1.erofs", "enable_tar_index = 'x'", "2.2.0", "2.1.9"),
        ("nri.v1.nri", "default_validator.enable = 'x'", "2.2.0", "2.1.9"),
        ("nri.v1.nri", "default_validator.reject_sysctl_adjustment = 'x'", "2.2.1", "2.2.0"),
        ("nri.v1.nri", "default_validator = 'x'", "2.3.0", "2.1.9"),
        ("cri.v1.runtime", "enable_criu = 'x'", "2.2.7", "2.2.6"),
        ("cri.v1.runtime", "enable_criu = 'x'", "2.3.4", "2.3.3"),
        ("cri.v1.runtime", "stats_collect_period = 1", "2.3.0", "2.2.7"),
        ("differ.v1.erofs", "enable_dmverity = 'x'", "2.3.0", "2.2.7"),
        ("server.v1.grpc", "uid = 'x'", "2.3.0", "2.2.7"),
        ("shim.v1.manager", "socket_dir = 1", "2.3.0", "2.2.7"),
    ] {
        let text = format!("version = 3\n[plugins.'io.containerd.{section}']\n{key}\n");
        assert!(stops(since, &text).is_some() && stops(before, &text).is_none(), "{section} {key}");
    }
    let cdi = "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nenable_cdi = 'x'\n";
    assert!(stops("2.2.7", cdi).unwrap().ends_with("EnableCDI of type bool"));
    assert!(stops("2.3.4", cdi).unwrap().ends_with("EnableCDI of type *bool"));
    for (key, since, before) in
        [("grpc.tcp_tls_common_name", "2.2.0", "2.1.9"), ("debug.log_trace_id", "2.3.0", "2.2.7")]
    {
        let text = format!("version = 3\n{key} = 1\n");
        assert!(stops(since, &text).is_some() && stops(before, &text).is_none(), "{key}");
    }
    // Nobody has asked these.
    let scheduler = "version = 2\n[plugins.'io.containerd.gc.v1.scheduler']\nmutation_threshold = 'x'\n";
    assert!(stops("1.5.18", scheduler).is_none() && stops("2.9.0", scheduler).is_none());
    let selinux = "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\nenable_selinux = 'false'\n";
    for version in ["1.6.0", "1.6.39", "1.7.0", "1.7.34", "2.0.0", "2.0.11", "2.1.0", "2.2.7", "2.3.4"] {
        assert!(stops(version, selinux).is_some(), "{version}");
    }
}

#[test]
fn a_section_that_is_not_read_ends_nothing() {
    let scheduler = "[plugins.'io.containerd.gc.v1.scheduler']\nmutation_threshold = 'x'\n";
    for version in ["1.6.20", "1.7.24", "2.1.9"] {
        let off = format!("version = 2\ndisabled_plugins = ['io.containerd.gc.v1.scheduler']\n{scheduler}");
        assert_eq!(stops(version, &off), None, "{version}");
        let unknown = "version = 2\n[plugins.'io.containerd.gc.v1.other']\nmutation_threshold = 'x'\n";
        assert_eq!(stops(version, unknown), None, "{version}");
    }
    // Without a version 1.x has the short name, and 2.x takes both.
    let short = "[plugins.scheduler]\nmutation_threshold = 'x'\n";
    assert!(["1.6.20", "1.7.24", "2.1.9"].iter().all(|version| stops(version, short).is_some()));
    assert_eq!(["1.6.20", "1.7.24"].map(|version| stops(version, scheduler)), [None, None]);
    assert!(stops("2.1.9", scheduler).is_some());
}

#[test]
fn the_last_file_has_the_last_word_on_a_value_too() {
    let main =
        "version = 2\nimports = ['d.toml']\n[plugins.'io.containerd.gc.v1.scheduler']\nmutation_threshold = 'x'\n";
    let over = "version = 2\n[plugins.'io.containerd.gc.v1.scheduler']\nmutation_threshold = 7\n";
    let other = "version = 2\n[plugins.'io.containerd.gc.v1.scheduler']\npause_threshold = 0.1\n";
    for version in ["1.7.24", "2.1.9"] {
        let fatal = |drop_in: &str| load(&[(MAIN, main), ("/etc/containerd/d.toml", drop_in)], version).fatal;
        assert_eq!(fatal(over), None, "{version}");
        // 1.x replaces the whole section, 2.x only the key.
        assert_eq!(fatal(other).is_some(), version == "2.1.9", "{version}");
    }
}

#[test]
fn what_cannot_be_carried_over_ends_containerd_2() {
    let cri = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'";
    for (rest, wanted) in [
        (".cni]\nbin_dir = ['/opt/cni/bin']\n", "[]interface {}, not string"),
        (".containerd]\nruntimes = []\n", "[]interface {}, not map[string]interface {}"),
        (".containerd.runtimes]\nrunc = 'x'\n", "string, not map[string]interface {}"),
    ] {
        let words = stops("2.1.9", &format!("{cri}{rest}")).unwrap();
        assert_eq!(words, format!("panic: interface conversion: interface {{}} is {wanted}"));
    }
    assert!(stops("2.1.9", "version = 2\n[plugins]\n'io.containerd.grpc.v1.cri' = 1\n").is_some());
    assert!(stops("2.1.9", "version = 2\n[plugins]\n'io.containerd.no.v1.such' = 1\n").is_none());
}

#[test]
fn a_key_of_the_file_below_a_header_is_named() {
    let codes = |text: &str| {
        let findings = load(&[(MAIN, text)], "2.1.9").findings;
        let told = findings.into_iter().filter(|finding| ["misplaced_key", "unknown_key"].contains(&finding.code));
        told.map(|finding| (finding.code, finding.line().unwrap())).collect::<Vec<_>>()
    };
    let cni = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.cni]\n";
    let dotted = "plugins.'io.containerd.grpc.v1.cri'.registry.config_path = '/c'\n";
    assert_eq!(codes(&format!("{cni}{dotted}")), [("misplaced_key", 3)]);
    assert_eq!(codes(&format!("{cni}imports = ['/x/*.toml']\n")), [("misplaced_key", 3)]);
    assert_eq!(codes("version = 2\n[grpc]\ndisabled_plugins = ['cri']\n"), [("misplaced_key", 3)]);
    assert_eq!(
        codes("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nimports = []\n"),
        [("misplaced_key", 3)]
    );
    assert_eq!(codes(&format!("version = 2\n{dotted}{}", "[plugins.'io.containerd.gc.v1.scheduler']\n")), []);
    // Whatever a runtime's options are, they are the runtime's.
    let options = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.x.options]\nimports = 'x'\n";
    assert_eq!(codes(options), []);
}

#[test]
fn plugins_that_a_pull_needs_are_those_of_the_version() {
    let off = |version: &str, id: &str| {
        let fatal =
            load(&[(MAIN, &format!("version = 2\ndisabled_plugins = ['io.containerd.{id}']\n"))], version).fatal;
        fatal.is_some_and(|fault| fault.kind == FaultKind::CriDisabled)
    };
    let all = ["1.6.20", "1.7.24", "2.0.11", "2.1.9", "2.2.7", "2.3.4"];
    for (id, needed) in [
        ("differ.v1.walking", [true; 6]),
        ("runtime.v2.shim", [false, true, false, false, false, false]),
        ("sandbox.controller.v1.shim", [false, false, true, true, true, true]),
        ("transfer.v1.local", [false, false, false, true, true, true]),
        ("image-verifier.v1.bindir", [false, false, false, true, true, false]),
        ("mount-manager.v1.bolt", [false, false, false, false, true, true]),
        ("server.v1.grpc", [false, false, false, false, false, true]),
        ("snapshotter.v1.zfs", [false; 6]),
    ] {
        assert_eq!(all.map(|version| off(version, id)), needed, "{id}");
    }
}

#[test]
fn a_drop_in_with_a_higher_schema_was_refused_for_a_while() {
    let main = "version = 2\nimports = ['d.toml']\n";
    let fatal = |version: &str| load(&[(MAIN, main), ("/etc/containerd/d.toml", "version = 3\n")], version).fatal;
    assert!(["2.3.0", "2.3.4", "2.3"].iter().all(|version| fatal(version).is_some()));
    assert!(["2.2.7", "2.3.5", "2.4.0"].iter().all(|version| fatal(version).is_none()));
}

/// 1.5 is one whose keys nobody has asked for.
#[test]
fn a_secret_of_the_wrong_type_is_not_shown() {
    let registry = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n";
    let values = [
        "48151623",
        "'48151623'",
        "['48151623']",
        "48151623.5",
        "99999999948151623999",
        "{ x = '48151623' }",
        "[{ x = '48151623' }]",
    ];
    let keys = [
        "configs.'r'.auth.password",
        "configs.'r'.auth",
        "configs.'r'",
        "configs",
        "auths.'r'.auth",
        "auths",
        "headers.a",
        "headers",
    ];
    for (key, value) in keys.iter().flat_map(|key| values.iter().map(move |value| (key, value))) {
        for version in ["1.5.18", "1.6.20", "1.7.24", "2.1.9"] {
            let told = load(&[(MAIN, &format!("{registry}{key} = {value}\n"))], version);
            let shown = format!("{:?} {:?}", told.fatal, told.findings);
            assert!(!shown.contains("48151623"), "{version} {key} = {value}: {shown}");
        }
    }
    let mirror = format!("{registry}mirrors.'r'.endpoint = 'https://ann:48151623@m'\n");
    for version in ["1.5.18", "1.7.24"] {
        let told = load(&[(MAIN, &mirror)], version).fatal.unwrap();
        assert!(!told.message.contains("48151623"), "{told:?}");
    }
}
