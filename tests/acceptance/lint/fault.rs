//! One planted fault: a fixture directory named after it, with `expect.toml` saying what is to be found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::path::PathBuf;

use pullprobe_lab::node::Node;
use serde::Deserialize;
use serde_json::Value;

use super::super::binary::{Finished, document, finish, pullprobe, repository};
use super::tree::{self, Extra, Material};

pub struct Fault {
    pub name: String,
    directory: PathBuf,
    expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// One sentence: what somebody did.
    mistake: String,
    /// Whose rules.
    containerd: String,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    node: Extra,
    /// All that is to be said, in order.
    finding: Vec<Finding>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    code: String,
    severity: String,
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    /// A part of the message.
    message: String,
    /// A part of the fix.
    fix: String,
}

impl Fault {
    /// All of `tests/fixtures/lint`, by name.
    pub fn all() -> Vec<Self> {
        let mut directories: Vec<PathBuf> =
            std::fs::read_dir(repository("tests/fixtures/lint")).unwrap().map(|entry| entry.unwrap().path()).collect();
        directories.sort();
        directories.into_iter().map(Self::read).collect()
    }

    fn read(directory: PathBuf) -> Self {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(directory.join("expect.toml")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expect: Expect = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!expect.finding.is_empty() && expect.mistake.ends_with('.'), "{name}");
        Self { name, directory, expect }
    }

    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.expect.finding.iter().map(|finding| finding.code.as_str())
    }

    /// `X.Y` of the containerd whose rules are meant.
    pub fn series(&self) -> &str {
        self.expect.containerd.rsplit_once('.').map_or("", |(series, _)| series)
    }

    /// config.toml as it is when somebody has done what the fix says.
    pub fn mended(&self) -> Option<String> {
        std::fs::read_to_string(self.directory.join("mended.toml")).ok()
    }

    /// What `lint` says of a node by this fault's rules.
    pub fn lint(&self, node: &Node) -> Finished {
        let mut command = pullprobe(["lint", "--host-root"]);
        command.arg(node.root()).args(["--containerd-version", &self.expect.containerd]);
        finish(&mut command)
    }

    pub fn node(&self, material: &Material) -> Node {
        tree::plant(&self.directory, &self.expect.node, material)
    }

    /// Runs `lint` on the node, for programs and for people.
    pub fn judge(&self, material: &Material) -> Result<(), String> {
        let node = self.node(material);
        let run = |format: &str| {
            let mut command = pullprobe(["lint", "--format", format, "--host-root"]);
            command.arg(node.root()).args(["--containerd-version", &self.expect.containerd]);
            finish(command.args(&self.expect.arguments))
        };
        let (json, text) = (run("json"), run("text"));
        let wrong: Vec<String> = [self.exit_codes(&json, &text), self.document(&json), self.text(&text)].concat();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "== {} ({})\n{}\nsaid:\n{}{}",
            self.name,
            self.expect.mistake,
            wrong.join("\n"),
            text.stdout,
            text.stderr
        ))
    }

    fn exit_codes(&self, json: &Finished, text: &Finished) -> Vec<String> {
        let has_error = self.expect.finding.iter().any(|finding| finding.severity == "error");
        let expected = Some(i32::from(has_error));
        let both = [("json", json), ("text", text)];
        both.iter()
            .filter(|(_, run)| run.code != expected)
            .map(|(format, run)| format!("{format}: exit code {:?}, expected {expected:?}", run.code))
            .collect()
    }

    fn document(&self, json: &Finished) -> Vec<String> {
        let document = document(json);
        let said = document["findings"].as_array().unwrap();
        let mut wrong: Vec<String> = Vec::new();
        if said.len() != self.expect.finding.len() {
            wrong.push(format!("{} findings, expected {}", said.len(), self.expect.finding.len()));
        }
        for (said, expected) in said.iter().zip(&self.expect.finding) {
            wrong.extend(expected.compare(said));
        }
        wrong
    }

    fn text(&self, text: &Finished) -> Vec<String> {
        let lines: Vec<&str> = text.stdout.lines().collect();
        let starts: Vec<String> = self.expect.finding.iter().map(Finding::start).collect();
        let missing = starts.iter().filter(|start| !lines.iter().any(|line| line.starts_with(start.as_str())));
        let mut wrong: Vec<String> = missing.map(|start| format!("text: no line begins with `{start}`")).collect();
        let findings = lines.iter().filter(|line| !line.starts_with("  ") && line.ends_with(']')).count();
        let fixes = lines.iter().filter(|line| line.starts_with("  fix: ")).count();
        if (findings, fixes) != (starts.len(), starts.len()) {
            wrong.push(format!("text: {findings} findings and {fixes} fixes, expected {}", starts.len()));
        }
        wrong
    }
}

impl Finding {
    fn compare(&self, said: &Value) -> Vec<String> {
        let at = format!("{} in {}", self.code, self.file.as_deref().unwrap_or("no file"));
        let expected: [(&str, Value); 5] = [
            ("code", self.code.as_str().into()),
            ("severity", self.severity.as_str().into()),
            ("file", self.file.as_deref().into()),
            ("line", self.line.into()),
            ("column", self.column.into()),
        ];
        let unequal = expected.iter().filter(|(key, value)| said[*key] != *value);
        let mut wrong: Vec<String> =
            unequal.map(|(key, value)| format!("{at}: {key} is {}, expected {value}", said[*key])).collect();
        for (key, part) in [("message", &self.message), ("fix", &self.fix)] {
            if part.is_empty() || !said[key].as_str().unwrap_or_default().contains(part.as_str()) {
                wrong.push(format!("{at}: {key} is {}, expected to contain `{part}`", said[key]));
            }
        }
        wrong
    }

    /// How the line for people begins.
    fn start(&self) -> String {
        let place = [self.line, self.column].into_iter().flatten().map(|number| format!(":{number}"));
        match &self.file {
            Some(file) => format!("{file}{}: {}: ", place.collect::<String>(), self.severity),
            None => format!("{}: ", self.severity),
        }
    }
}
