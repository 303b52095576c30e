//! config.toml: imports, merging, schemas and the faults that keep containerd from starting.

use go::toml::Table;

use super::Containerd;
use super::cases_tests::{load, node};
use crate::containerd::config::imports;
use crate::containerd::reader::Reader;
use crate::version::{PullMode, Version, VersionSource};

/// The cases of containerd that run below, each named in the test that runs it. config-001 and
/// config-002 ask for more keys than are read here: `oom_score`, `state` and `timeouts` have no
/// part in a pull, so their merging is asked of `root` and the plugin lists.
pub const CASES: &[&str] = &[
    "config-001",
    "config-002",
    "config-003",
    "config-004",
    "config-005",
    "config-006",
    "config-007",
    "config-008",
    "config-009",
    "config-010",
    "config-011",
    "config-012",
    "config-013",
    "config-014",
    "config-015",
    "migrate-001",
    "migrate-002",
    "migrate-003",
];

const MAIN: &str = "/etc/containerd/config.toml";
const OLD: &str = "[plugins.'io.containerd.grpc.v1.cri'";
const NEW: &str = "[plugins.'io.containerd.cri.v1.images'";

fn found(version: &str, files: &[(&str, String)]) -> Containerd {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    load(&files, version)
}

fn main_and_drop_in(version: &str, main: &str, drop_in: &str) -> Containerd {
    found(version, &[(MAIN, main.to_owned()), ("/etc/containerd/d.toml", drop_in.to_owned())])
}

fn message(containerd: &Containerd) -> &str {
    containerd.fatal.as_ref().map_or("", |fault| &fault.message)
}

#[test]
fn lists_unite_and_an_empty_scalar_does_not_override() {
    // config-001, config-002
    let main = "version = 2\nimports = ['d.toml']\nroot = '/old'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n";
    let drop_in = "root = '/new'\ndisabled_plugins = ['io.containerd.n.v1.x', 'io.containerd.grpc.v1.cri']\n";
    let containerd = main_and_drop_in("2.1.9", main, drop_in);
    assert_eq!(containerd.root.to_str(), Some("/new"));
    assert_eq!(containerd.fatal.unwrap().place.line(), 4);
    assert_eq!(main_and_drop_in("2.1.9", main, "root = ''\n").root.to_str(), Some("/old"));
    assert_eq!(main_and_drop_in("1.7.24", main, "root = ''\n").root.to_str(), Some("/old"));
}

#[test]
fn imports_name_files_beside_their_own() {
    // config-003, config-004
    let files = [("/d/config_2.toml", "x"), ("/d/config_1.toml", "x"), ("/d/test.toml", "x")];
    let (_keep, root) = node(&files);
    let resolve = |list: &str, version: &str| {
        let table = go::toml::parse(&format!("imports = {list}"), "", go::toml::Dialect::Two).unwrap();
        let found = imports::resolve(&mut Reader::new(&root), "/d/root.toml", &table, version.parse().unwrap());
        found.unwrap().into_iter().map(|import| import.path).collect::<Vec<_>>()
    };
    let all = ["/d/config_1.toml", "/d/config_2.toml", "/d/test.toml", "/d/current.toml"];
    assert_eq!(resolve("['/d/config_*.toml', '/d/./test.toml', 'current.toml']", "2.2.7"), all);
    assert_eq!(resolve("['config_*.toml']", "2.2.7"), all[..2]);
    assert_eq!(resolve("['config_?.toml']", "2.2.7"), ["/d/config_?.toml"]);
    // Until 1.6.29 and 1.7.16 a relative pattern started where containerd does.
    assert_eq!(resolve("['config_*.toml']", "1.7.15"), Vec::<String>::new());
    assert_eq!(resolve("['d/config_*.toml']", "1.6.20"), all[..2]);
    assert_eq!(
        imports::resolve(&mut Reader::new(&root), "/x", &Table::default(), Version::NEWEST).unwrap(),
        Vec::<imports::Import>::new()
    );
}

#[test]
fn every_file_is_read_once_breadth_first() {
    // config-005, config-006, config-015
    let files = [
        (MAIN, "version = 2\nroot = '/r'\nimports = ['b.toml', 'config.toml']\n".to_owned()),
        (
            "/etc/containerd/b.toml",
            "imports = ['config.toml', 'b.toml', 'c/*.toml']\ndisabled_plugins = ['io.containerd.v1.xyz']\n".to_owned(),
        ),
        ("/etc/containerd/c/2.toml", "imports = []\n".to_owned()),
        ("/etc/containerd/c/1.toml", String::new()),
        ("/etc/containerd/conf.d/a.toml", "root = '/unread'\n".to_owned()),
    ];
    for version in ["1.6.20", "1.7.24", "2.1.9"] {
        let containerd = found(version, &files);
        let expected = ["config.toml", "b.toml", "c/1.toml", "c/2.toml"].map(|name| format!("/etc/containerd/{name}"));
        let expected = if version == "1.6.20" { &expected[..2] } else { &expected[..] };
        assert_eq!(containerd.config_files, expected, "{version}");
        assert_eq!(containerd.root.to_str(), Some("/r"), "{version}");
    }
}

#[test]
fn plugin_sections_merge_deeply_in_2_and_are_replaced_whole_in_1() {
    // config-008, config-009, config-010, config-012
    let main = |id: &str| {
        format!(
            "version = 2\nimports = ['d.toml']\n{id}.registry]\nconfig_path = '/y'\nheaders = {{ a = ['1', '2'] }}\n{id}]\nsandbox_image = 'p'\n"
        )
    };
    let drop_in =
        format!("version = 2\n{OLD}]\nmax_concurrent_downloads = 5\n{OLD}.registry]\nheaders = {{ a = ['3'] }}\n");
    let deep = main_and_drop_in("2.1.9", &main(OLD), &drop_in);
    assert_eq!(
        (deep.config_path, deep.sandbox_image.as_deref(), deep.pull_mode),
        (vec!["/y".to_owned()], Some("p"), PullMode::Local)
    );
    let headers: Vec<&str> = deep.registry.headers.iter().map(|(_, value)| value.expose()).collect();
    assert_eq!(headers, ["3"]);
    for version in ["1.6.20", "1.7.24"] {
        let whole = main_and_drop_in(version, &main(OLD), &drop_in);
        assert!(whole.config_path.is_empty(), "{version}");
        assert_ne!(whole.sandbox_image.as_deref(), Some("p"), "{version}");
    }
    // Unlike a key of the file itself, an empty string in a plugin section does override.
    assert!(
        main_and_drop_in("2.1.9", &main(OLD), &format!("{OLD}.registry]\nconfig_path = ''\n")).config_path.is_empty()
    );
}

#[test]
fn schemas_of_files_may_differ_and_each_series_mends_that_in_its_way() {
    // config-011, config-013
    let main = format!("version = 2\nimports = ['d.toml']\n{OLD}.registry]\nconfig_path = '/two'\n");
    for version in ["2.0.11", "2.1.9"] {
        assert!(main_and_drop_in(version, &main, "version = 3\n").config_path.is_empty(), "{version}");
    }
    let refused = main_and_drop_in("2.3.4", &main, "version = 3\n");
    assert_eq!(message(&refused), "drop-in config version 3 higher than root config version 2");
    let newer = format!("version = 3\nimports = ['d.toml']\n{NEW}.registry]\nconfig_path = '/three'\n");
    let older = format!("version = 2\n{OLD}.registry]\nconfig_path = '/two'\n");
    for version in ["2.0.11", "2.1.9", "2.3.4"] {
        assert_eq!(main_and_drop_in(version, &newer, &older).config_path, ["/two"], "{version}");
    }
    let refused = main_and_drop_in("1.7.24", &main, "version = 3\n");
    assert_eq!(message(&refused), "failed to load TOML from /etc/containerd/d.toml: unsupported config version `3`");
}

#[test]
fn a_file_without_a_version_is_of_schema_1() {
    // config-007, config-014
    let short = "[plugins.cri.registry]\nconfig_path = '/y'\n";
    let long = format!("{OLD}.registry]\nconfig_path = '/y'\n");
    let path = |version: &str, text: &str| found(version, &[(MAIN, text.to_owned())]).config_path.concat();
    for (version, of_short, of_long) in
        [("1.6.20", "/y", ""), ("1.7.24", "/y", ""), ("2.0.11", "", ""), ("2.1.9", "", ""), ("2.3.4", "/y", "/y")]
    {
        assert_eq!((path(version, short).as_str(), path(version, &long).as_str()), (of_short, of_long), "{version}");
    }
    let disabled = found("2.1.9", &[(MAIN, "disabled_plugins = ['cri']\n".into())]);
    assert!(message(&disabled).contains("io.containerd.grpc.v1.cri is listed in disabled_plugins"));
    let disabled = found("1.7.24", &[(MAIN, "disabled_plugins = ['cri']\n".into())]);
    assert!(message(&disabled).contains("cri is listed in disabled_plugins"));
}

#[test]
fn settings_of_the_old_plugin_move_to_the_new_one() {
    // migrate-001, migrate-002, migrate-003
    let section = "sandbox_image = 'p:1'\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/c'\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\nsnapshotter = 'zfs'\n";
    let config = format!("version = 2\n{OLD}]\n{section}");
    for version in ["2.0.0", "2.1.9", "2.2.7", "2.3.4"] {
        let moved = found(version, &[(MAIN, config.clone())]);
        assert_eq!(
            (moved.sandbox_image.as_deref(), moved.config_path.concat().as_str()),
            (Some("p:1"), "/c"),
            "{version}"
        );
        assert_eq!(moved.snapshotter, "overlayfs", "{version}");
        let with_runtimes = format!("{config}[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n");
        assert_eq!(found(version, &[(MAIN, with_runtimes)]).snapshotter, "zfs", "{version}");
    }
    assert_eq!(found("1.7.24", &[(MAIN, config)]).snapshotter, "zfs");
    // The section of the old name in a file of schema 3: only 2.3 has a schema above to move it to.
    let of_three = format!("version = 3\n{OLD}.registry]\nconfig_path = '/c'\n");
    assert_eq!(found("2.1.9", &[(MAIN, of_three.clone())]).config_path.concat(), "");
    assert_eq!(found("2.3.4", &[(MAIN, of_three)]).config_path.concat(), "/c");
}

#[test]
fn plugin_names_are_those_of_the_version() {
    let path = |version: &str, text: String| {
        let containerd = found(version, &[(MAIN, text)]);
        containerd.fatal.map_or_else(|| containerd.config_path.concat(), |fault| fault.message)
    };
    let section = |schema: u32, id: &str| format!("version = {schema}\n{id}.registry]\nconfig_path = '/c'\n");
    let bad = "failed to load TOML from /etc/containerd/config.toml: ";
    assert_eq!(
        path("1.7.24", section(2, "[plugins.cri")),
        format!("{bad}invalid plugin key URI \"cri\" expect io.containerd.x.vx")
    );
    assert_eq!(path("2.1.9", section(2, "[plugins.cri")), "");
    assert_eq!(path("1.7.24", section(2, NEW)), "");
    assert_eq!(path("2.1.9", section(2, NEW)), "/c");
    assert_eq!(path("2.1.9", section(3, NEW)), "/c");
    assert_eq!(
        path("2.1.9", section(4, NEW)),
        format!("{bad}expected containerd config version equal to or less than `3`, got `4`")
    );
    assert_eq!(path("2.3.4", section(4, NEW)), "/c");
    assert_eq!(path("1.7.24", section(3, NEW)), format!("{bad}unsupported config version `3`"));
    assert_eq!(path("1.6.20", section(3, NEW)), "");
    assert_eq!(path("1.6.20", section(3, OLD)), "/c");
    assert_eq!(path("1.6.32", section(3, OLD)), format!("{bad}unsupported config version `3`"));
    let disabled = "version = 2\ndisabled_plugins = ['cri']\n".to_owned();
    assert_eq!(
        path("2.1.9", disabled.clone()),
        format!("{bad}invalid disabled plugin URI \"cri\" expect io.containerd.x.vx")
    );
    assert_eq!(path("1.7.24", disabled), format!("{bad}invalid disabled plugin URI \"cri\" expect io.containerd.x.vx"));
}

#[test]
fn faults_are_told_in_containerds_words_with_their_place() {
    let fault = |version: &str, text: &str| {
        let fault = found(version, &[(MAIN, text.to_owned())]).fatal.unwrap();
        let at = fault.place.position;
        (fault.message, at.map_or(0, |at| at.line), at.map_or(0, |at| at.column))
    };
    let number = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n  config_path = 5\n";
    assert_eq!(fault("1.7.24", number), ("(3, 3): Can't convert 5(int64) to string".into(), 3, 3));
    assert_eq!(
        fault("2.1.9", number),
        ("toml: cannot decode TOML integer into struct field config.Registry.ConfigPath of type string".into(), 3, 17)
    );
    let mirror = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.x]\n  endpoint = 'https://m'\n";
    assert_eq!(fault("1.7.24", mirror).0, "(3, 3): Can't convert https://m(string) to []string(slice)");
    assert_eq!(
        fault("2.1.9", mirror).0,
        "toml: cannot decode TOML string into struct field config.Mirror.Endpoints of type []string"
    );
    let root = "version = 2\nroot = 5\n";
    assert_eq!(
        fault("1.7.24", root).0,
        "failed to unmarshal TOML: (2, 8): Can't convert 5(int64) to string".replace("(2, 8)", "(2, 1)")
    );
    assert_eq!(fault("2.1.9", root), ("failed to unmarshal TOML at row 2 column 8: toml: cannot decode TOML integer into struct field config.Config.Root of type string".into(), 2, 8));
    let syntax = fault("2.1.9", "version = 2\nroot = x\n");
    assert!(syntax.0.starts_with("it does not read /etc/containerd/config.toml at line 2, column 8: "), "{}", syntax.0);
    assert_eq!((syntax.1, syntax.2), (2, 8));
    let syntax = fault("1.7.24", "version = 2\nroot = x\n").0;
    assert_eq!(syntax, "failed to load TOML: /etc/containerd/config.toml: (2, 8): no value can start with x");
    let missing = "version = 2\nimports = ['nothing.toml']\n";
    assert_eq!(fault("2.1.9", missing).0, "open /etc/containerd/nothing.toml: no such file or directory");
    assert_eq!(
        fault("1.7.24", missing).0,
        "failed to load TOML: /etc/containerd/nothing.toml: open /etc/containerd/nothing.toml: no such file or directory"
    );
    assert!(fault("2.1.9", "\u{feff}version = 2\n").0.contains("at line 1, column 1"));
    assert_eq!(found("1.7.24", &[(MAIN, "\u{feff}version = 2\n".into())]).fatal, None);
    let timeout = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nimage_pull_progress_timeout = '5'\n";
    assert_eq!(
        fault("2.1.9", timeout).0,
        "invalid cri image config: invalid image pull progress timeout: time: missing unit in duration \"5\""
    );
}

#[test]
fn keys_are_told_apart_by_case_as_each_library_does() {
    let root = |version: &str, key: &str| {
        found(version, &[(MAIN, format!("version = 2\n{key} = '/q'\n"))]).root.to_str() == Some("/q")
    };
    assert_eq!(["root", "ROOT", "Root", "rOOt"].map(|key| root("1.7.24", key)), [true, true, false, false]);
    assert_eq!(["root", "ROOT", "Root", "rOOt"].map(|key| root("2.1.9", key)), [true; 4]);
}

#[test]
fn newer_toml_is_refused_as_each_library_does() {
    let starts = |version: &str, text: &str| found(version, &[(MAIN, format!("version = 2\n{text}"))]).fatal.is_none();
    assert_eq!([starts("1.7.24", "x = { a = 1, }\n"), starts("2.1.9", "x = { a = 1, }\n")], [false, false]);
    assert_eq!([starts("1.7.24", "x = {\n a = 1 }\n"), starts("2.1.9", "x = {\n a = 1 }\n")], [true, false]);
    assert!(starts("2.1.9", "x = { a = [\n 1,\n ], b = '''\n''' }\n"));
}

#[test]
fn the_version_is_told_by_the_file_where_it_can_be() {
    let told = |config: Option<&str>| {
        let files: Vec<(&str, &str)> = config.map(|text| (MAIN, text)).into_iter().collect();
        let (_keep, root) = node(&files);
        let found = Containerd::load(&root, &super::ContainerdOptions::default());
        (found.version.to_string(), found.version_source)
    };
    assert_eq!(told(Some("version = 4\n")), ("2.3".into(), VersionSource::Config));
    assert_eq!(told(Some("version = 3\n")), ("2.2".into(), VersionSource::Config));
    assert_eq!(
        told(Some("version = 2\n[plugins.'io.containerd.cri.v1.images']\n")),
        ("2.2".into(), VersionSource::Config)
    );
    assert_eq!(told(Some("version = 2\n")), ("2.3".into(), VersionSource::Assumed));
    assert_eq!(told(None), ("2.3".into(), VersionSource::Assumed));
}

#[test]
fn the_hash_differs_when_any_file_does() {
    let config = format!("version = 3\n{NEW}.registry]\nconfig_path = '/c'\n");
    let hash =
        |hosts: &str| found("2.1.9", &[(MAIN, config.clone()), ("/c/r/hosts.toml", hosts.to_owned())]).content_hash;
    assert_eq!(hash("[host.x]\n"), hash("[host.x]\n"));
    assert_ne!(hash("[host.x]\n"), hash("[host.y]\n"));
}

#[test]
fn what_ends_containerd_beside_its_registry_settings_is_told() {
    let told = |version: &str, text: &str| message(&found(version, &[(MAIN, text.to_owned())])).to_owned();
    for version in ["1.6.20", "1.7.24", "2.1.9"] {
        let missing = "version = 2\nrequired_plugins = ['io.containerd.grpc.v1.none']\n";
        assert_eq!(told(version, missing), "required plugin [io.containerd.grpc.v1.none] not included");
        assert_eq!(told(version, "version = 2\ntimeouts.a = 'x'\n"), "unable to parse x into a time duration");
        assert_eq!(told(version, "version = 2\ndebug.format = 'JSON'\n"), "unknown log format: JSON");
        assert_eq!(
            told(version, "version = 2\ntimeouts.a = '-5s'\nrequired_plugins = ['io.containerd.grpc.v1.cri']\n"),
            ""
        );
        let proxied = |kind: &str| format!("version = 2\n[proxy_plugins.a]\ntype = '{kind}'\naddress = '/x'\n");
        assert_eq!(told(version, &proxied("snapshot")), "");
        assert!(told(version, &proxied("x")).starts_with("panic: plugin: no type"));
        assert!(told(version, "version = 2\nimports = ['/x/[*']\n").ends_with("syntax error in pattern"));
        assert!(told(version, "version = 2\nstream_processors.a.accepts = 'x'\n").contains("[]string"));
        assert_eq!(told(version, "version = -1\n").is_empty(), version != "2.1.9");
    }
    let named = |section: &str, rest: &str| format!("version = 2\n{OLD}.containerd{section}\n{rest}");
    let refuses = |version: &str, text: &str| told(version, text).contains("no corresponding runtime");
    for version in ["1.6.20", "1.7.24", "2.1.9"] {
        assert!(refuses(version, &named("]", "default_runtime_name = 'none'\n")), "{version}");
        assert!(
            !refuses(version, &named("]", "default_runtime_name = 'x'\nruntimes.x.runtime_type = 'y'\n")),
            "{version}"
        );
        assert_eq!(refuses(version, &named(".runtimes.x]", "runtime_type = 'y'\n")), version != "2.1.9", "{version}");
    }
    let disabled = |name: &str| format!("version = 2\ndisabled_plugins = ['io.containerd.{name}']\n");
    for (name, versions) in [
        ("snapshotter.v1.overlayfs", &["1.6.20", "1.7.24", "2.1.9"][..]),
        ("runtime.v2.task", &["1.6.20", "1.7.24", "2.1.9"]),
        ("runtime.v1.linux", &["1.6.20", "1.7.24"]),
        ("transfer.v1.local", &["2.1.9"]),
        ("internal.v1.restart", &[]),
    ] {
        for version in ["1.6.20", "1.7.24", "2.1.9"] {
            assert_eq!(!told(version, &disabled(name)).is_empty(), versions.contains(&version), "{name} {version}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_end_only_the_newer_library() {
    let read = |version: &str| {
        let version: Version = version.parse().unwrap();
        go::toml::read(b"# caf\xe9\na = 1\n", MAIN, version.dialect()).map(|table| table.entries.len())
    };
    assert_eq!(read("1.7.24"), Ok(1));
    let refused = read("2.1.9").unwrap_err();
    assert_eq!((refused.at.line, refused.at.column), (1, 6));
}
