//! What real containerds make of config.toml, asked again: every spelling that is on record, every key of every plugin
//! with a value that it does not take, and the keys that `containerd config default` prints.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use pullprobe_lab::node::Node;
use serde::Deserialize;

use super::super::binary::repository;
use super::super::judge::daemon::{VERSIONS, executable};
use super::confirm::{Daemon, Start};

const SPELLINGS: &str = "tests/fixtures/toml/config.toml";
/// Daemons that are started, and not only asked to print: of each series this many.
const STARTED: usize = 30;

#[derive(Deserialize)]
struct Fixture {
    variant: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    text: String,
    #[serde(default)]
    open: bool,
    #[serde(rename = "1.6")]
    of_1_6: String,
    #[serde(rename = "1.7")]
    of_1_7: String,
    #[serde(rename = "2.1")]
    of_2_1: String,
}

impl Variant {
    fn recorded(&self) -> [&str; 3] {
        [&self.of_1_6, &self.of_1_7, &self.of_2_1]
    }
}

/// What `containerd config dump` says of a file: it reads it as the daemon does when it starts.
fn dump(series: &str, directory: &Path, name: &str, text: &str) -> Result<String, String> {
    let file = directory.join(format!("{name}-{series}.toml"));
    std::fs::write(&file, text).unwrap();
    let done = Command::new(executable(series)).arg("-c").arg(&file).args(["config", "dump"]).output().unwrap();
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).replace(file.to_str().unwrap(), "FILE");
    let first =
        said.lines().find(|line| line.starts_with("containerd: ") || line.starts_with("panic: ")).unwrap_or(&said);
    Err(first.trim_start_matches("containerd: ").to_owned())
}

/// The registry's `config_path` of a printed configuration.
fn config_path(dump: &str) -> Option<String> {
    let mut section = "";
    for line in dump.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let of_registry = section.ends_with(".registry]")
            && (section.contains("grpc.v1.cri\".") || section.contains("cri.v1.images'."));
        if of_registry && line.starts_with("config_path = ") {
            let table: toml::Table = toml::from_str(line).unwrap();
            return table["config_path"].as_str().map(str::to_owned);
        }
    }
    None
}

/// Two at a time: daemons take a while to print.
fn in_parallel<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let half = items.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let ask = &ask;
        let workers: Vec<_> =
            items.chunks(half).map(|chunk| scope.spawn(move || chunk.iter().map(ask).collect::<Vec<_>>())).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

#[test]
fn every_spelling_on_record_is_what_daemons_make_of_it() {
    let text = std::fs::read_to_string(repository(SPELLINGS)).unwrap();
    let variants = toml::from_str::<Fixture>(&text).unwrap().variant;
    assert!(variants.len() > 200, "{}", variants.len());
    let directory = tempfile::tempdir().unwrap();
    let answers = in_parallel(&variants, |variant| {
        VERSIONS.map(|series| match dump(series, directory.path(), &variant.name, &variant.text) {
            Ok(dump) => format!("reads {}", config_path(&dump).as_deref().unwrap_or("?")),
            Err(words) => format!("refused: {words}"),
        })
    });
    if std::env::var_os("UPDATE_TOML").is_some_and(|value| value == "1") {
        return record(&text, &variants, &answers);
    }
    let pairs = variants.iter().zip(&answers);
    let wrong: Vec<String> = pairs
        .filter(|(variant, answers)| variant.recorded() != answers.each_ref().map(String::as_str))
        .map(|(variant, answers)| format!("{}: {answers:?}, on record {:?}", variant.name, variant.recorded()))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), variants.len(), wrong.join("\n"));
}

fn record(text: &str, variants: &[Variant], answers: &[[String; 3]]) {
    let mut written = text.split("[[variant]]").next().unwrap().to_owned();
    // JSON's strings are TOML's.
    let quoted =
        |text: &str| serde_json::to_string(text).unwrap().replace('\u{feff}', "\\ufeff").replace('\u{7f}', "\\u007f");
    for (variant, answers) in variants.iter().zip(answers) {
        write!(written, "[[variant]]\nname = {}\n", quoted(&variant.name)).unwrap();
        if variant.open {
            written.push_str("open = true\n");
        }
        writeln!(written, "text = {}", quoted(&variant.text)).unwrap();
        for (series, answer) in VERSIONS.iter().zip(answers) {
            writeln!(written, "{} = {}", quoted(series), quoted(answer)).unwrap();
        }
        written.push('\n');
    }
    std::fs::write(repository(SPELLINGS), written).unwrap();
}

/// The hosts that a client says it asks, each once, or why it drops the file.
fn hosts_asked(log: &str) -> String {
    if let Some((_, after)) = log.split_once("failed to decode") {
        let quoted = after.split_once("error=").map_or("", |(_, words)| words).lines().next().unwrap_or_default();
        // Go's quotes are JSON's as far as these words go; without quotes it is one word.
        let words = match serde_json::Deserializer::from_str(quoted).into_iter::<String>().next() {
            Some(Ok(words)) => words,
            _ => quoted.split(' ').next().unwrap().to_owned(),
        };
        return format!("rejected: {}", words.lines().next().unwrap());
    }
    let mut asked: Vec<String> = Vec::new();
    for url in log.split("url=\"").skip(1) {
        let mut parts = url.splitn(4, '/');
        let host = format!("{}//{}", parts.next().unwrap(), parts.nth(1).unwrap());
        if !asked.contains(&host) {
            asked.push(host);
        }
    }
    format!("asks {}", asked.join(" "))
}

#[test]
fn every_spelling_of_hosts_toml_on_record_is_what_daemons_make_of_it() {
    let text = std::fs::read_to_string(repository("tests/fixtures/toml/hosts.toml")).unwrap();
    let variants = toml::from_str::<Fixture>(&text).unwrap().variant;
    let mut wrong = Vec::new();
    for (index, series) in VERSIONS.into_iter().enumerate() {
        let node = Node::temporary().unwrap();
        node.write("/etc/containerd/config.toml", "version = 2\n").unwrap();
        let mut daemon = Daemon::spawn(series, &node.path("/etc"));
        daemon.start();
        daemon.wait_until_it_listens();
        for variant in &variants {
            node.write("/etc/containerd/certs.d/r.example/hosts.toml", &variant.text).unwrap();
            let answer = hosts_asked(&daemon.pull(series, &node, "r.example/library/x:1"));
            if answer != variant.recorded()[index] {
                wrong.push(format!("{} {series}: {answer}, on record {}", variant.name, variant.recorded()[index]));
            }
        }
    }
    assert!(variants.len() > 30 && wrong.is_empty(), "{} of {}:\n{}", wrong.len(), variants.len(), wrong.join("\n"));
}

/// A line of a table: section, key with the tables above it, and Go's type.
struct Known {
    section: String,
    path: String,
    kind: String,
}

fn known(series: &str) -> Vec<Known> {
    let text = std::fs::read_to_string(repository(&format!("agent/src/containerd/config_keys/{series}.txt"))).unwrap();
    let mut section = "";
    let mut known = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(id) = line.strip_prefix('[') {
            section = id.trim_end_matches(']');
        } else {
            let columns: Vec<&str> = line.split('\t').collect();
            known.push(Known { section: section.into(), path: columns[0].into(), kind: columns[2].into() });
        }
    }
    known
}

impl Known {
    /// A file with nothing but this key, with a value of another type.
    fn wrong(&self, series: &str) -> String {
        let mut parts: Vec<&str> = self.path.split('.').map(|part| if part == "*" { "x" } else { part }).collect();
        let key = parts.pop().unwrap();
        let list = parts.contains(&"[]");
        let plugin = format!("plugins.\"{}\"", self.section);
        let above = parts.iter().copied().filter(|part| *part != "[]");
        let header = [plugin.as_str()].into_iter().chain(above).collect::<Vec<_>>().join(".");
        let header = if list { format!("[[{header}]]") } else { format!("[{header}]") };
        let value = if ["string", "devmapper.fsType"].contains(&self.kind.as_str()) { "1" } else { "\"x\"" };
        format!("version = {}\n{header}\n{key} = {value}\n", schema(series))
    }
}

fn schema(series: &str) -> u32 {
    if series.starts_with('1') { 2 } else { 3 }
}

#[test]
fn no_daemon_takes_a_wrong_type_in_any_key_of_any_plugin() {
    for series in VERSIONS {
        let directory = tempfile::tempdir().unwrap();
        let keys = known(series);
        let numbered: Vec<(usize, &Known)> = keys.iter().enumerate().collect();
        let taken = in_parallel(&numbered, |(number, key)| {
            dump(series, directory.path(), &number.to_string(), &key.wrong(series)).is_ok()
        });
        let wrong: Vec<String> = keys
            .iter()
            .zip(taken)
            .filter(|(_, taken)| *taken)
            .map(|(key, _)| format!("{} {}", key.section, key.path))
            .collect();
        assert!(wrong.is_empty(), "containerd {series} of {} keys takes {wrong:?}", keys.len());
    }
}

#[test]
fn no_daemon_starts_with_one_either() {
    for series in VERSIONS {
        let keys = known(series);
        let step = keys.len() / STARTED;
        let mut started = 0;
        for key in keys.iter().step_by(step) {
            let node = Node::temporary().unwrap();
            node.write("/etc/containerd/config.toml", key.wrong(series)).unwrap();
            let mut daemon = Daemon::spawn(series, &node.path("/etc"));
            assert_eq!(daemon.start(), Start::Refused, "containerd {series}: {} {}", key.section, key.path);
            started += 1;
        }
        assert!(started >= STARTED, "{series}: {started}");
    }
}

/// The keys of a printed section, with `*` for names; what is below a runtime's `options` is the runtime's.
fn printed(table: &toml::Table, above: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let named = ["containerd.runtimes.", "pinned_images."].contains(&above);
        let path = format!("{above}{}", if named { "*" } else { key });
        match value {
            toml::Value::Table(inner) if key != "options" => printed(inner, &format!("{path}."), found),
            toml::Value::Array(items) => {
                found.insert(path.clone());
                let tables = items.iter().filter_map(toml::Value::as_table);
                tables.for_each(|inner| printed(inner, &format!("{path}.[]."), found));
            }
            _ => drop(found.insert(path)),
        }
    }
}

#[test]
fn the_tables_have_every_key_that_daemons_print() {
    for series in VERSIONS {
        let done = Command::new(executable(series)).args(["config", "default"]).output().unwrap();
        let default: toml::Table = toml::from_str(std::str::from_utf8(&done.stdout).unwrap()).unwrap();
        let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for key in known(series) {
            tables.entry(key.section).or_default().insert(key.path);
        }
        let plugins = default["plugins"].as_table().unwrap();
        assert_eq!(
            tables.keys().collect::<Vec<_>>(),
            plugins.keys().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
        for (id, section) in plugins {
            let mut keys = BTreeSet::new();
            printed(section.as_table().unwrap(), "", &mut keys);
            let missing: Vec<&String> = keys.difference(&tables[id]).collect();
            assert!(missing.is_empty(), "containerd {series}: {id} has {missing:?}");
        }
    }
}
