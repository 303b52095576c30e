//! Files that are accepted, and files that are refused in the very words that each of them lists.

use std::path::{Path, PathBuf};

use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = root().join("tests/fixtures/settings").join(directory);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn problems(text: &str) -> Vec<String> {
    parse("pullprobe.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// A refused file ends in comments: each problem that it has, in order. Nothing stands above the
/// fault, so that the lines count as they would without them.
#[test]
fn each_refused_file_is_refused_for_what_it_is_named_after() {
    let files = files("refused");
    assert!(files.len() >= 20);
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let (said, kept): (Vec<&str>, Vec<&str>) = written.lines().partition(|line| line.starts_with("# "));
        let body = kept.join(
            "
",
        ) + "
";
        let expected: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("# ")).collect();
        assert_eq!(problems(&body), expected, "{}", file.display());
    }
}

#[test]
fn an_empty_file_and_empty_sections_are_the_defaults() {
    let files = files("accepted");
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(parse("x", &text), Ok(Settings::default()), "{}", file.display());
    }
}

#[test]
fn the_place_of_a_problem_is_within_the_file() {
    assert!(problems("? ")[0].starts_with("pullprobe.yaml:1:3: found the unknown key"), "{:?}", problems("? "));
}

#[test]
fn every_default_in_the_table_is_the_one_in_force() {
    for key in table::KEYS.iter().filter(|key| !key.default.is_empty()) {
        let depth = key.path.matches('.').count();
        let text = key.path.replace('.', ": {") + ": " + key.default + &"}".repeat(depth);
        assert_eq!(parse("x", &text), Ok(Settings::default()), "{text}");
    }
}

/// Another value than the default of each.
const EVERY_KEY: &str = r#"
node: {host_root: /host, containerd_config: /etc/c.toml, certs_d: "/a:/b", kubelet_root: /var/k, containerd_version: 2.1, platform: linux/arm64, name: worker-3}
targets:
  registries: [docker.io, "r.example:5000", "[::1]:5000"]
  images: [{image: "docker.io/library/busybox:1.36", interval: 15m}, {image: nginx}]
  discover: {certs_d: false, sandbox_image: false, waiting_pods: false, node_images: true, node_pods: true}
probe:
  interval: 1h30m
  timeouts: {dns: 1s, tcp: 2s, tls: 3s, http: 500ms}
  concurrency: 64
  spread_start: false
  follow_private: true
  counted_pulls_per_hour: 2
  counted_pulls_file: /var/lib/pullprobe/pulls
credentials: {kubelet: false, provider_config: /c.yaml, provider_bin_dir: /bin, pull_secrets_dir: /secrets}
web: {listen: [":10049", "127.0.0.1:0", "[::1]:80"], report: off, hosts: [Node.Example], config_file: /web.yaml}
metrics: {detail: full, bucket_key_file: /key/key}
signals: {node_condition: true, events: true, registries: [quay.io], min_hosts: 1, looks: 8, looks_alike: 4}
labels: {node: true}
"#;

#[test]
fn every_key_of_the_contract_is_read() {
    let read = parse("x", EVERY_KEY).unwrap();
    assert!(read.labels.node && read.web.hosts == ["node.example"]);
    assert_eq!((read.web.report, &read.web.config_file), (ReportReaders::Off, &Some("/web.yaml".into())));
    assert_eq!(read.node.certs_d.as_deref(), Some("/a:/b"));
    assert_eq!(read.node.containerd_version, Some(Version::series(2, 1)));
    assert_eq!(read.node.platform, Some(Platform::new("linux", "arm64", "")));
    assert_eq!(read.node.name(|_| None).as_deref(), Some("worker-3"));
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!((&read.node.host_root, &read.node.containerd_config), (&path("/host"), &path("/etc/c.toml")));
    assert_eq!(read.node.kubelet_root, path("/var/k"));
    assert_eq!(read.targets.registries, ["docker.io", "r.example:5000", "[::1]:5000"]);
    let image = |image: &str, minutes| ImageTarget { image: image.into(), interval: Duration::from_mins(minutes) };
    assert_eq!(read.targets.images, [image("docker.io/library/busybox:1.36", 15), image("nginx", 5)]);
    let discover = Discovery {
        certs_d: false,
        sandbox_image: false,
        waiting_pods: Some(false),
        node_images: true,
        node_pods: true,
    };
    assert_eq!(read.targets.discover, discover);
    let seconds = Duration::from_secs;
    let timeouts =
        StageTimeouts { dns: seconds(1), tcp: seconds(2), tls: seconds(3), http: Duration::from_millis(500) };
    let counted_pulls_file = path("/var/lib/pullprobe/pulls");
    let probe = ProbeSettings {
        interval: Duration::from_mins(90),
        timeouts,
        concurrency: 64,
        spread_start: false,
        follow_private: true,
        counted_pulls_per_hour: 2,
        counted_pulls_file,
    };
    assert_eq!(read.probe, probe);
    let credentials = CredentialSettings {
        kubelet: false,
        provider_config: path("/c.yaml"),
        provider_bin_dir: path("/bin"),
        pull_secrets_dir: path("/secrets"),
    };
    assert_eq!(read.credentials, credentials);
    let listen: Vec<String> = read.web.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["[::]:10049", "127.0.0.1:0", "[::1]:80"]);
    assert_eq!(read.metrics, MetricSettings { detail: Detail::Full, bucket_key_file: path("/key/key") });
    let signals = SignalSettings {
        node_condition: true,
        events: true,
        registries: vec!["quay.io".to_owned()],
        min_hosts: 1,
        looks: 8,
        looks_alike: 4,
    };
    assert_eq!(read.signals, signals);
    assert!(read.labels.node);
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    let page = document::document();
    let (_, example) = page.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    assert_eq!(parse("x", example).unwrap().targets.images.len(), 1);
}

#[test]
fn only_the_nodes_name_stands_for_a_variable_and_an_empty_one_is_none() {
    let name = |text: &str, value: Option<&str>| {
        let node = parse("x", text).unwrap().node;
        node.name(|variable| value.filter(|_| variable == "NODE_NAME").map(str::to_owned))
    };
    assert_eq!(name("", Some("worker-3")).as_deref(), Some("worker-3"));
    assert_eq!(name("", Some("")), None);
    assert_eq!(name("node: {name: $OTHER}", Some("worker-3")), None);
    assert_eq!(name("node: {name: fixed}", Some("worker-3")).as_deref(), Some("fixed"));
}

#[test]
fn hostile_files_are_refused_quickly_and_in_few_words() {
    let deep = "[".repeat(500_000);
    let deep_map = "{a: ".repeat(250_000);
    let laughs: Vec<String> = (1..30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]", i - 1)).collect();
    let wide: Vec<String> = (0..60_000).map(|i| format!("key{i}: x")).collect();
    let long_key = format!("{}: 1\n", "k".repeat(100_000));
    let long_value = format!("node: {{host_root: /{}}}\n", "x".repeat(1_000_000));
    let items = format!("targets: {{registries: [{}]}}", "a,".repeat(400_000));
    let too_long = " ".repeat((1 << 20) + 1);
    let began = std::time::Instant::now();
    for text in [deep, deep_map, laughs.join("\n"), wide.join("\n"), long_key, long_value, items, too_long] {
        let problems = problems(&text);
        assert!(!problems.is_empty() && problems.len() <= 100);
        assert!(problems.iter().all(|problem| problem.len() < 1_000), "{problems:?}");
    }
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn an_address_that_another_one_covers_is_refused_where_it_stands() {
    let refused = |list: &str| {
        let problems = parse("f", &format!("web: {{listen: [{list}]}}")).err().unwrap_or_default();
        problems.iter().map(|problem| problem.found.clone()).collect::<Vec<_>>()
    };
    assert_eq!(refused("':1', '127.0.0.1:1', '[::1]:1'"), ["`\"127.0.0.1:1\"`", "`\"[::1]:1\"`"]);
    assert_eq!(refused("'127.0.0.1:1', '0.0.0.0:1'"), ["`\"0.0.0.0:1\"`"]);
    assert_eq!(refused("'127.0.0.1:1', '127.0.0.1:1'"), ["`\"127.0.0.1:1\"`"]);
    for fine in ["':1', ':2'", "'127.0.0.1:1', '127.0.0.2:1', '[::1]:1'", "'0.0.0.0:1', '[::1]:1'", "':0', ':0'"] {
        assert!(refused(fine).is_empty(), "{fine}");
    }
}

#[test]
fn docs_settings_is_what_the_table_says() {
    let path = root().join("docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, document::document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document::document(), "docs/settings.md is stale: run `make docs`");
}

#[test]
fn a_fault_at_the_end_of_the_file_is_in_the_file() {
    for (text, line) in [("a: 1\nprobe: {b", 2), ("probe:\nx}", 2), ("probe: ~\nweb: {}\nnull}", 3), ("probe: [\n", 2)]
    {
        let problems = parse("f", text).unwrap_err();
        let column = text.split('\n').nth(problems[0].line - 1).map(|line| line.chars().count() + 1);
        assert!(problems[0].line <= line && Some(problems[0].column) <= column, "{text:?}: {problems:?}");
    }
}
