//! Everything that the program can be made to say, print, serve, write or hand on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::binary::{Agent, finish};
use super::super::world::World;
use super::marker::Marker;

const PAGES: [&str; 10] = [
    "/",
    "/metrics",
    "/api/v1/report",
    "/api/v1/schema",
    "/livez",
    "/healthz",
    "/-/healthy",
    "/readyz",
    "/-/ready",
    "/nothing",
];

/// What was said, and where.
#[derive(Debug, Default)]
pub struct Said(Vec<(String, String)>);

impl Said {
    /// By every verb in every format about these images, and by the agent.
    pub fn by_all(world: &World, images: &[&str]) -> Self {
        world.settings(images);
        let mut said = Self::default();
        for (verb, options, targets) in [
            ("check", &["--format", "text", "--color", "always"][..], images),
            ("check", &["--format", "json"], images),
            ("check", &["--format", "json", "--log-format", "json"], &[]),
            ("plan", &["--format", "text"], images),
            ("plan", &["--format", "json"], images),
            ("hosts", &["--format", "text"], images),
            ("hosts", &["--format", "json"], images),
            ("hosts", &["--plain"], images),
            ("lint", &["--format", "text"], &[]),
            ("lint", &["--format", "json"], &[]),
        ] {
            let code = said.by(verb, options, world.command(verb).args(targets).args(options));
            assert_ne!(code, Some(2), "{verb} {options:?}: {said:?}");
        }
        for format in ["text", "json"] {
            let mut explain = super::super::binary::pullprobe(["explain", "--format", format]);
            assert_eq!(said.by_untraced("explain", &mut explain), Some(0));
        }
        said.by_agent(world);
        said
    }

    /// By one run to its end, everything logged. Returns how it ended.
    pub fn by(&mut self, verb: &str, options: &[&str], command: &mut Command) -> Option<i32> {
        let traced = command.args(["--log-level", "trace"]).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        self.by_untraced(&format!("{verb} {options:?}"), traced)
    }

    pub fn by_untraced(&mut self, name: &str, command: &mut Command) -> Option<i32> {
        let finished = finish(command);
        self.add(format!("{name}: standard output"), finished.stdout);
        self.add(format!("{name}: standard error"), finished.stderr);
        finished.code
    }

    /// By the agent: its pages, its log, what the kernel shows of it, and the files it writes.
    fn by_agent(&mut self, world: &World) {
        let before = files(world.node.root());
        let mut command = world.command("run");
        command.args(["--log-level", "trace"]).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        let mut agent = Agent::start(&mut command).ready();
        for page in PAGES {
            self.add(format!("run: {page}"), agent.get(page).text());
        }
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", agent.id())).unwrap();
            self.add(format!("run: its {file}"), String::from_utf8_lossy(&bytes).into_owned());
        }
        agent.terminate();
        assert!(agent.ended_within(Duration::from_secs(10)).is_some());
        self.add("run: log".to_owned(), agent.log());
        for (path, bytes) in files(world.node.root()) {
            // A plugin of a test notes what it was given, which other tests look at.
            if before.get(&path) != Some(&bytes) && !path.to_string_lossy().contains("noted-by-") {
                self.add(format!("run: file {}", path.display()), String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }

    fn add(&mut self, place: String, text: String) {
        assert!(!text.contains("panicked at"), "{place}: {text}");
        self.0.push((place, text));
    }

    /// Each place where something was said, and what.
    pub fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(place, text)| (place.as_str(), text.as_str()))
    }

    /// The files that the agent wrote.
    pub fn written(&self) -> Vec<&str> {
        self.0.iter().filter_map(|(place, _)| place.strip_prefix("run: file ")).collect()
    }

    /// Whether a text was said anywhere: what is to be kept silent was met at all.
    pub fn mentions(&self, text: &str) -> bool {
        self.0.iter().any(|(_, said)| said.contains(text))
    }

    #[track_caller]
    pub fn assert_mentions(&self, text: &str) {
        assert!(self.mentions(text), "nothing is said of `{text}`, so nothing is shown here:\n{}", self.all());
    }

    #[track_caller]
    pub fn assert_silent_about(&self, markers: &[Marker]) {
        assert!(!markers.is_empty() && !self.0.is_empty());
        let leaks = self.leaks(markers);
        assert!(leaks.is_empty(), "{} lines tell a secret:\n{}", leaks.len(), leaks.join("\n"));
    }

    fn leaks(&self, markers: &[Marker]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (place, text) in &self.0 {
            for line in text.lines() {
                let shown = markers.iter().filter(|marker| marker.shows_in(line));
                leaks.extend(shown.map(|marker| format!("<{}> in {place}: {}", marker.name, around(line, marker))));
            }
        }
        leaks
    }

    fn all(&self) -> String {
        let pieces: Vec<String> = self.0.iter().map(|(place, text)| format!("== {place}\n{text}\n")).collect();
        pieces.concat()
    }
}

/// The part of a long line that matters.
fn around(line: &str, marker: &Marker) -> String {
    let at = marker.shapes().iter().find_map(|shape| line.find(shape.as_str())).unwrap_or(0);
    line.get(at.saturating_sub(200)..(at + 200).min(line.len())).unwrap_or(line).to_owned()
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_secret_that_is_said_is_found_where_it_is_said() {
    let (one, other) = (Marker::new("one"), Marker::new("other"));
    let mut said = Said::default();
    said.add("log".to_owned(), format!("first line\nlevel=debug token={}\n", one.text));
    assert_eq!(said.leaks(&[one.clone(), other]).len(), 1);
    assert!(said.leaks(&[one])[0].starts_with("<one> in log: level=debug"));
}
