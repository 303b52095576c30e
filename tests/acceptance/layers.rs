//! The house keeps its plan: which room may know which, how long a room and a file may be, what a text may name.
//!
//! The plan is the two tables of `docs/architecture.md`, one for each crate; the source is held against them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod graph;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::binary::repository;
use graph::{Graph, circles};

/// Each crate of the program: its root, and the heading of its table.
const CRATES: [(&str, &str); 2] =
    [("agent/src/lib.rs", "## Rooms of `agent/src`"), ("agent/go/src/lib.rs", "## Rooms of `agent/go`")];
/// The other crate, as `agent/src` names it. It stands in the table like a room.
const GO: &str = "go";
const LINES_OF_A_ROOM: usize = 4_000;
/// Longer files hide something that has a name of its own.
const LINES_OF_A_FILE: usize = 400;

/// A row of the plan.
struct Room {
    name: String,
    purpose: String,
    knows: BTreeSet<String>,
}

/// The rows of the first table below a heading: name, purpose, rooms that it knows.
fn plan(heading: &str) -> Vec<Room> {
    let document = text(&repository("docs/architecture.md"));
    let (_, below) = document.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let rows = below.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, purpose, knows] = cells[..] else { panic!("three cells are wanted: {row}") };
        let quoted = knows.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Room { name: name.trim_matches('`').to_owned(), purpose: purpose.to_owned(), knows: quoted }
    })
    .collect()
}

/// Which room uses which, each with a file that does.
fn room_edges(graph: &Graph) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for (module, used) in graph.edges() {
        let Some(room) = module.first() else { continue };
        let others = used.iter().filter_map(|other| other.first().cloned());
        let outside = graph.uses_crate(&module, GO).then(|| GO.to_owned());
        for other in others.chain(outside).filter(|other| other != room) {
            found.entry((room.clone(), other)).or_insert_with(|| module.join("::"));
        }
    }
    found
}

#[test]
fn rooms_are_those_of_the_plan_and_each_opens_with_its_purpose() {
    for (root, heading) in CRATES {
        let graph = Graph::read(&repository(root));
        let plan = plan(heading);
        let planned: BTreeSet<&str> = plan.iter().map(|room| room.name.as_str()).filter(|name| *name != GO).collect();
        let built: BTreeSet<&str> =
            graph.sources.keys().filter_map(|module| module.first()).map(String::as_str).collect();
        assert_eq!(built, planned, "the rooms of {root} and of `{heading}`");
        for room in plan.iter().filter(|room| room.name != GO) {
            let text = &graph.sources[std::slice::from_ref(&room.name)].text;
            let header = text.lines().take_while(|line| line.starts_with("//! "));
            let purpose = header.map(|line| &line[4..]).collect::<Vec<_>>().join(" ");
            assert_eq!(purpose, room.purpose, "the purpose of `{}` in its file, and in `{heading}`", room.name);
        }
    }
}

#[test]
fn rooms_know_those_of_the_plan_and_only_what_stands_above_them_in_it() {
    for (root, heading) in CRATES {
        let plan = plan(heading);
        for (at, room) in plan.iter().enumerate() {
            for other in &room.knows {
                let above = plan[..at].iter().any(|known| known.name == *other);
                assert!(above, "the plan lets `{}` know `{other}`, which does not stand above it", room.name);
            }
        }
        let used = room_edges(&Graph::read(&repository(root)));
        let planned: BTreeSet<(String, String)> =
            (plan.iter()).flat_map(|room| room.knows.iter().map(|other| (room.name.clone(), other.clone()))).collect();
        let undeclared: Vec<_> = used.iter().filter(|(edge, _)| !planned.contains(*edge)).collect();
        assert!(undeclared.is_empty(), "these rooms must not know each other: {undeclared:#?}");
        let unused: Vec<_> = planned.iter().filter(|edge| !used.contains_key(*edge)).collect();
        assert!(unused.is_empty(), "the plan has arrows that no file needs: {unused:?}");
    }
}

#[test]
fn no_files_know_each_other_in_a_circle() {
    for (root, _) in CRATES {
        let found = circles(&Graph::read(&repository(root)).edges());
        let named: Vec<Vec<String>> =
            found.iter().map(|group| group.iter().map(|one| one.join("::")).collect()).collect();
        assert!(named.is_empty(), "these files of {root} know each other: {named:#?}");
    }
}

#[test]
fn what_reaches_the_network_never_meets_what_renders() {
    let edges = room_edges(&Graph::read(&repository(CRATES[0].0)));
    let network = ["dns", "transport", "tls", "http", "route", "registry", "pull", "probe"];
    for room in network {
        assert!(!edges.contains_key(&(room.into(), "render".into())), "{room}");
        for between in ["render", "page", "server", "state"] {
            assert!(!edges.contains_key(&(between.into(), room.into())), "{between} knows {room}");
        }
    }
}

#[test]
fn rooms_and_files_stay_short_and_say_what_they_are_for() {
    for (root, _) in CRATES {
        let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
        let directory = repository(root).parent().unwrap().to_owned();
        for file in under(&directory, &["rs"]) {
            let first = file.strip_prefix(&directory).unwrap().components().next().unwrap();
            let room = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            *rooms.entry(room).or_default() += text(&file).lines().count();
        }
        for (room, lines) in &rooms {
            assert!(*lines <= LINES_OF_A_ROOM, "the room `{room}` has {lines} lines, its tests among them");
        }
        for source in Graph::read(&repository(root)).sources.values() {
            assert!(source.text.starts_with("//! "), "{} opens without its purpose", source.file.display());
            let lines = before_tests(&source.text);
            assert!(lines <= LINES_OF_A_FILE, "{} has {lines} lines before its tests", source.file.display());
        }
    }
}

/// How many lines a file has before the module of its unit tests.
fn before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod ") && two[1].ends_with('{'));
    tests.unwrap_or(lines.len())
}

/// What people read speaks of their machine, never of the one on which it was written.
#[test]
fn documents_name_no_path_of_this_machine() {
    let here = format!("{}/", repository("").display().to_string().trim_end_matches('/'));
    let foreign = [here.as_str(), "/home/", "/root/"];
    let mut documents = under(&repository("docs"), &["md", "json"]);
    documents.extend(
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(repository).into_iter().filter(|file| file.exists()),
    );
    assert!(documents.len() > 3, "{documents:?}");
    for file in documents {
        let text = text(&file);
        for path in foreign {
            assert!(!text.contains(path), "{} names {path}", file.display());
        }
    }
}

/// Every file below a directory whose name ends so.
fn under(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(under(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
