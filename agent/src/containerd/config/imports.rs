//! The `imports` of a configuration file: which files they name, in order.

use go::place::SourceLocation;
use go::text::{clean, join};
use go::toml::Table;

use super::{ConfigFault, FaultKind, names};
use crate::containerd::reader::{Reader, directory, unread};
use crate::host::root::ReadError;
use crate::version::Version;

impl Version {
    /// A relative pattern starts at the importing file; before, at containerd's own directory.
    fn globs_beside_the_file(self) -> bool {
        match (self.major, self.minor) {
            (1, 6) => self.patch >= 29,
            (1, 7) => self.patch >= 16,
            (major, _) => major >= 2,
        }
    }
}

/// A file that is to be read because another one names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub path: String,
    /// Where it is named. `None`: the main file.
    pub place: Option<SourceLocation>,
    /// Named by a pattern, which takes in whatever lies there.
    pub by_pattern: bool,
}

/// The files that a file imports. Only an entry with a `*` is a pattern, and only one that
/// matches nothing may go without a file.
pub fn resolve(
    reader: &mut Reader<'_>,
    parent: &str,
    table: &Table,
    version: Version,
) -> Result<Vec<Import>, ConfigFault> {
    let mut files = Vec::new();
    for (entry, place) in names(table, "imports", "Imports", version)? {
        let pattern = entry.contains('*');
        let base = if pattern && !version.globs_beside_the_file() { "/" } else { directory(parent) };
        let path = if entry.starts_with('/') { clean(&entry) } else { join(base, &entry) };
        let closed = |(path, error): (String, ReadError)| {
            let why = unread(&path, &error).unwrap_or_else(|| error.reason());
            ConfigFault::new(FaultKind::Unread, why, parent).at(&place)
        };
        if pattern && !is_well_formed(&path) {
            return Err(ConfigFault::new(FaultKind::Import, "syntax error in pattern", parent).at(&place));
        }
        let paths = if pattern { glob(reader, &path).map_err(closed)? } else { vec![path] };
        files.extend(paths.into_iter().map(|path| Import { path, place: Some(place.clone()), by_pattern: pattern }));
    }
    Ok(files)
}

/// `filepath.Glob`: sorted names, `*` never across a slash. `Err`: the directory that permissions keep
/// pullprobe out of, where containerd may find more.
pub fn glob(reader: &mut Reader<'_>, pattern: &str) -> Result<Vec<String>, (String, ReadError)> {
    let mut found = vec![String::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for base in found {
            if part.contains(['*', '?', '[', '\\']) {
                let entries = match reader.list(&base) {
                    Err(error) if error.is_ours() => return Err((base, error)),
                    listed => listed.unwrap_or_default(),
                };
                let names = entries.iter().filter_map(|entry| entry.name.to_str());
                next.extend(names.filter(|name| matches(part, name)).map(|name| join(&base, name)));
            } else {
                let path = join(&base, part);
                match reader.stat(&path) {
                    Err(error) if error.is_ours() => return Err((path, error)),
                    Err(_) => {}
                    Ok(_) => next.push(path),
                }
            }
        }
        found = next;
    }
    Ok(found)
}

/// Whether `filepath.Match` takes the pattern at all: each `\` has a character behind it, and each `[` a set that ends.
fn is_well_formed(pattern: &str) -> bool {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next().is_none() => return false,
            '[' => {
                rest.next_if_eq(&'^');
                let mut ranges = 0;
                while ranges == 0 || rest.next_if_eq(&']').is_none() {
                    if !takes_one(&mut rest) || (rest.next_if_eq(&'-').is_some() && !takes_one(&mut rest)) {
                        return false;
                    }
                    ranges += 1;
                }
            }
            _ => {}
        }
    }
    true
}

/// One character of a set, which is not its last.
fn takes_one(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let taken = match rest.next() {
        None | Some('-' | ']') => false,
        Some('\\') => rest.next().is_some(),
        Some(_) => true,
    };
    taken && rest.peek().is_some()
}

/// `filepath.Match` of one name: `*`, `?`, `[a-z]`, `[^a]` and `\` before a literal.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // The places in the pattern that the part of the name seen so far can have reached: linear in
    // both, whatever the stars.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    pass_stars(&pattern, &mut reached);
    for c in name {
        let mut next = vec![false; pattern.len() + 1];
        for at in (0..pattern.len()).filter(|at| reached[*at]) {
            match pattern[at] {
                '*' => next[at] = true,
                _ => {
                    if let Some(after) = accepts(&pattern, at, c) {
                        next[after] = true;
                    }
                }
            }
        }
        pass_stars(&pattern, &mut next);
        reached = next;
    }
    reached[pattern.len()]
}

fn pass_stars(pattern: &[char], reached: &mut [bool]) {
    for at in 0..pattern.len() {
        if reached[at] && pattern[at] == '*' {
            reached[at + 1] = true;
        }
    }
}

/// Where the pattern goes on if it takes the character at this place.
fn accepts(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern[at] {
        '?' => Some(at + 1),
        '\\' => (pattern.get(at + 1) == Some(&c)).then_some(at + 2),
        '[' => {
            let end = at + 1 + pattern[at + 1..].iter().position(|c| *c == ']')?;
            let (negated, set) = match &pattern[at + 1..end] {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            (in_set(set, c) != negated).then_some(end + 1)
        }
        literal => (literal == c).then_some(at + 1),
    }
}

fn in_set(set: &[char], c: char) -> bool {
    match set {
        [low, '-', high, rest @ ..] => (*low <= c && c <= *high) || in_set(rest, c),
        [one, rest @ ..] => *one == c || in_set(rest, c),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_well_formed, matches};

    #[test]
    fn a_pattern_with_a_syntax_error_is_none() {
        for bad in ["[*.toml", "*\\", "[]*.toml", "*[a-]", "*[]a].x", "[x/*.toml", "*[", "*[^", "*[a", "*[\\"] {
            assert!(!is_well_formed(bad), "{bad}");
        }
        for good in ["*.toml", "*[^a-z].x", "*[a-z0-9]", "\\[*", "*]", "*[\\]]"] {
            assert!(is_well_formed(good), "{good}");
        }
    }

    #[test]
    fn a_pattern_takes_names_as_gos_match_does() {
        assert!(matches("*.toml", "a.toml") && matches("*.toml", ".toml") && !matches("*.toml", "a.toml~"));
        assert!(matches("config_*.toml", "config_1.toml") && !matches("config_*.toml", "config1.toml"));
        assert!(matches("[0-9]*-?.toml", "10-a.toml") && !matches("[^0-9]*", "10-a.toml"));
        assert!(matches("a\\*", "a*") && !matches("a\\*", "ab"));
        assert!(!matches("a*a*a*a*a*a*a*b", &"a".repeat(200)));
    }
}
