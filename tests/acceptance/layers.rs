//! The house keeps its plan: which room may know which, how long a file may be, what a text may name.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::binary::repository;

/// Every room of `agent/src`, lowest first: its layer and the rooms that it knows, all of lower layers.
/// An edge that nobody uses any more is to be taken out.
const ROOMS: [(&str, u8, &[&str]); 19] = [
    ("file", 0, &[]),
    ("secret", 0, &[]),
    ("shutdown", 0, &[]),
    ("telemetry", 2, &["model"]),
    ("yaml", 0, &[]),
    ("model", 1, &["secret"]),
    ("cli", 3, &["model", "settings", "telemetry"]),
    ("node", 2, &["model", "secret", "yaml"]),
    ("settings", 2, &["model", "yaml"]),
    ("plan", 3, &["model", "node", "secret"]),
    ("probe", 4, &["file", "model", "node", "secret"]),
    ("render", 4, &["model"]),
    ("diagnose", 5, &["model", "probe"]),
    ("explain", 2, &["model", "secret"]),
    ("ask", 6, &["diagnose", "model", "node", "plan", "probe"]),
    ("store", 6, &["model"]),
    ("schedule", 7, &["file"]),
    ("server", 7, &["model", "render", "store"]),
    (
        "app",
        8,
        &[
            "ask",
            "cli",
            "explain",
            "file",
            "model",
            "node",
            "plan",
            "probe",
            "render",
            "schedule",
            "server",
            "settings",
            "shutdown",
            "store",
            "telemetry",
        ],
    ),
];

/// `main.rs` and `lib.rs` are the front door: they know what they open, and are no rooms.
const DOORS: [&str; 2] = ["main", "lib"];

/// Longer files hide something that has a name of its own.
const LINES: usize = 400;

#[test]
fn rooms_know_only_what_lies_below_them() {
    let layers: BTreeMap<&str, u8> = ROOMS.iter().map(|(room, layer, _)| (*room, *layer)).collect();
    for (room, layer, known) in ROOMS {
        for other in known {
            assert!(layers[other] < layer, "the table lets {room} know {other}, which does not lie below it");
        }
    }
}

#[test]
fn the_table_of_rooms_is_what_the_source_says() {
    let allowed: BTreeSet<(String, String)> = (ROOMS.iter())
        .flat_map(|(room, _, known)| known.iter().map(|other| ((*room).to_owned(), (*other).to_owned())))
        .collect();
    let mut used = BTreeMap::new();
    for file in sources() {
        let room = room_of(&file);
        if DOORS.contains(&room.as_str()) {
            continue;
        }
        for other in named(&before_tests(&text(&file))).into_iter().filter(|other| *other != room) {
            used.entry((room.clone(), other)).or_insert_with(|| file.clone());
        }
    }
    let undeclared: Vec<_> = used.iter().filter(|(edge, _)| !allowed.contains(*edge)).collect();
    assert!(undeclared.is_empty(), "these rooms must not know each other: {undeclared:#?}");
    let unused: Vec<_> = allowed.iter().filter(|edge| !used.contains_key(*edge)).collect();
    assert!(unused.is_empty(), "edges of the table that no file uses: {unused:?}");
}

/// Rows such as "| `store`, `server` | … | 3 |".
#[test]
fn the_document_tells_of_each_room_and_its_layer() {
    let document = text(&repository("docs/architecture.md"));
    let mut told: Vec<(&str, u8)> = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if let (Some(names), Some(layer)) = (cells.first(), cells.last().and_then(|layer| layer.parse().ok())) {
            told.extend(names.split('`').skip(1).step_by(2).map(|room| (room, layer)));
        }
    }
    told.sort_unstable();
    let mut rooms: Vec<(&str, u8)> = ROOMS.iter().map(|(room, layer, _)| (*room, *layer)).collect();
    rooms.sort_unstable();
    assert_eq!(told, rooms, "the table of docs/architecture.md, and the rooms that there are");
}

#[test]
fn probing_and_rendering_never_meet() {
    let knows = |room: &str| ROOMS.iter().find(|(name, ..)| *name == room).map(|(.., known)| *known).unwrap();
    assert!(!knows("probe").contains(&"render") && !knows("render").contains(&"probe"));
    for between in ["diagnose", "store", "server"] {
        assert!(!(knows(between).contains(&"probe") && knows(between).contains(&"render")), "{between}");
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for file in sources() {
        let text = text(&file);
        assert!(text.starts_with("//! "), "{} opens without its purpose", file.display());
        let lines = before_tests(&text).lines().count();
        assert!(lines <= LINES, "{} has {lines} lines before its tests", file.display());
    }
}

/// What people read speaks of their machine, never of the one on which it was written.
#[test]
fn documents_name_no_path_of_this_machine() {
    let here = format!("{}/", repository("").display().to_string().trim_end_matches('/'));
    let foreign = [here.as_str(), "/home/", "/root/"];
    let mut documents = under(&repository("docs"), &["md", "json"]);
    documents.extend(
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests/README.md"]
            .map(repository)
            .into_iter()
            .filter(|file| file.exists()),
    );
    assert!(documents.len() > 3, "{documents:?}");
    for file in documents {
        let text = text(&file);
        for path in foreign {
            assert!(!text.contains(path), "{} names {path}", file.display());
        }
    }
}

/// Every file of the program, without the modules that only its unit tests have.
fn sources() -> Vec<PathBuf> {
    let files = under(&repository("agent/src"), &["rs"]);
    assert!(files.len() > 30, "the source is elsewhere: {files:?}");
    let tests: Vec<PathBuf> = files.iter().flat_map(|file| test_modules(file, &text(file))).collect();
    let is_test = |file: &PathBuf| tests.iter().any(|module| file.with_extension("").starts_with(module));
    files.into_iter().filter(|file| !is_test(file)).collect()
}

/// The modules that a file declares for its unit tests, as paths without an ending.
fn test_modules(file: &Path, source: &str) -> Vec<PathBuf> {
    let directory = match file.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs" | "mod.rs") => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let lines: Vec<&str> = source.lines().collect();
    let declared = lines.windows(2).filter(|two| two[0] == "#[cfg(test)]");
    let names = declared.filter_map(|two| {
        two[1].trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
    });
    names.map(|name| directory.join(name)).collect()
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

/// The first part of the path below `agent/src`.
fn room_of(file: &Path) -> String {
    let below = file.strip_prefix(repository("agent/src")).unwrap();
    let first = below.components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The text up to the module of unit tests, which may know everything.
fn before_tests(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let inline = lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if line == "#[cfg(test)]" && inline {
            break;
        }
        if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// The rooms that a source names after `crate::`, in `use` lines, groups and paths alike.
fn named(source: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (_, rest) in source.match_indices("crate::").map(|(at, word)| (at, &source[at + word.len()..])) {
        match rest.strip_prefix('{') {
            None => drop(rooms.insert(identifier(rest))),
            Some(group) => rooms.extend(group_heads(group)),
        }
    }
    rooms.remove("");
    rooms
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// The first word of each member of a group, whose own groups are passed over.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_head) = (1, Vec::new(), true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => at_head = true,
            other if at_head && !other.is_whitespace() => {
                heads.push(identifier(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn names_are_found_in_lines_groups_and_paths() {
    let source =
        "use crate::model::{a, b};\nuse crate::{node::x,\n  plan::{self, y}, secret};\nlet z = crate::probe::z();\n";
    let found: Vec<String> = named(source).into_iter().collect();
    assert_eq!(found, ["model", "node", "plan", "probe", "secret"]);
    assert_eq!(
        before_tests("a\n// crate::x\n#[cfg(test)]\nmod cases;\nb\n#[cfg(test)]\nmod tests {\nc\n"),
        "a\n#[cfg(test)]\nmod cases;\nb"
    );
}
