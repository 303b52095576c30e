//! A fleet as Prometheus knows it: the sample exposition of many nodes, some of which differ.

use std::fmt::Write as _;

use super::super::tools::text;

/// More than any table may show.
const NODES: usize = 120;
/// More than any graph may show.
const REGISTRIES: usize = 40;
/// A node like most others.
pub const ONE_INSTANCE: &str = "10.0.0.1:10048";
/// One with all of `REGISTRIES`.
pub const INSTANCE_OF_MANY: &str = "10.0.0.5:10048";
pub const ONE_REGISTRY: &str = "docker.io";
/// What agents say of themselves beside their own families.
const PROCESS: &str = "process_resident_memory_bytes 1.5e+07\nprocess_cpu_seconds_total 12\n";
const BUCKET: &str = "pullprobe_rate_limit_bucket_info";
/// That of the sample.
const ITS_BUCKET: &str = "9fbed8536e88";

/// For a scrape that keeps the labels it finds.
pub fn fleet() -> String {
    let sample = text("tests/fixtures/deploy/exposition.txt");
    let mut all = String::new();
    for number in 0..NODES {
        let labels =
            format!(r#"cluster="blue",job="pullprobe",node="worker-{number}",instance="10.0.0.{number}:10048""#);
        writeln!(all, "up{{{labels}}} 1").unwrap();
        for line in of_node(&sample, number).lines().filter(|line| !line.starts_with('#')) {
            writeln!(all, "{}", labelled(line, &labels)).unwrap();
        }
    }
    // The scrape's own `up` is that of this text. This agent has gone, and nothing else is known of it.
    all + "up{cluster=\"blue\",job=\"pullprobe\",node=\"gone\",instance=\"10.0.1.1:10048\"} 0\n"
}

fn of_node(sample: &str, number: usize) -> String {
    // Two addresses that the nodes' pulls are counted by.
    let own = format!("{sample}{PROCESS}").replace(ITS_BUCKET, &format!("b{}", number % 2));
    match number {
        2 => own.replace("pullprobe_config_info{hash=\"5f2b8c1d\"}", "pullprobe_config_info{hash=\"0badc0de\"}"),
        // Not told apart by bucket, as agents are that have no key for it.
        3 => own.split_inclusive('\n').filter(|line| !line.starts_with(BUCKET)).collect(),
        4 => own
            .replace("state=\"blocked\"} 0", "state=\"blocked\"} 1")
            .replace("state=\"limited\"} 1", "state=\"limited\"} 0"),
        5 => own + &of_more_registries(sample),
        6 => own.replace(
            "pullprobe_namespace_pullable{namespace=\"docker.io\"} 1",
            "pullprobe_namespace_pullable{namespace=\"docker.io\"} 0",
        ),
        _ => own,
    }
}

/// What the sample says of one registry, of many more.
fn of_more_registries(sample: &str) -> String {
    let of_one: Vec<_> = sample.lines().filter(|line| line.contains(ONE_REGISTRY) && !line.starts_with('#')).collect();
    let more = (0..REGISTRIES).flat_map(|number| {
        let name = format!("registry-{number}.example");
        of_one.iter().map(move |line| {
            line.replace(ONE_REGISTRY, &name).replace("mirror.example", &format!("mirror-{number}.example")) + "\n"
        })
    });
    more.collect()
}

/// With more labels than it has.
fn labelled(line: &str, labels: &str) -> String {
    if let Some((name, rest)) = line.split_once('{') {
        return format!("{name}{{{labels},{rest}");
    }
    let (name, value) = line.split_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    format!("{name}{{{labels}}} {value}")
}

#[test]
fn labels_are_added_before_those_that_are_there() {
    assert_eq!(labelled("up 1", r#"a="b""#), r#"up{a="b"} 1"#);
    assert_eq!(labelled(r#"up{c="d"} 1"#, r#"a="b""#), r#"up{a="b",c="d"} 1"#);
}
