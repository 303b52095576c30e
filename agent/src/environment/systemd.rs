//! Reads what a systemd unit and its drop-ins tell about a service's environment and command.
//!
//! Only the files are read: what `systemctl set-environment` or a generator added is not seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::FILE_LIMIT;
use super::ignored::{self, Ignored};
use go::place::{Position, SourceLocation};

use crate::host::root::{EntryKind, HostRoot, ReadError};

/// Where unit files live, the one that wins first.
const UNIT_DIRS: [&str; 9] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const MANAGER_DIRS: [&str; 4] = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];

/// One `key = value` line, continuations joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: String,
    pub file: String,
    pub line: usize,
}

impl Setting {
    pub fn place(&self) -> SourceLocation {
        SourceLocation::new(self.file.as_str(), Position::of_line(self.line))
    }
}

/// What the files of a unit or of the manager say.
#[derive(Debug, Default)]
pub struct Settings {
    /// In the order in which systemd applies them.
    pub list: Vec<Setting>,
    /// The first file or directory that systemd reads and pullprobe does not: permissions keep it out, or it is too large.
    pub closed: Option<ReadError>,
    /// What systemd reads over, where it was meant to count.
    pub ignored: Vec<Ignored>,
}

/// The settings of `[section]` in the unit's file and then in its drop-ins. `None` when there is no such
/// unit or it is masked.
pub fn unit_settings(root: &HostRoot, unit: &str) -> Option<Settings> {
    let file = UNIT_DIRS.iter().map(|dir| Path::new(dir).join(unit)).find(|path| root.stat(path).is_ok())?;
    let mut settings = Settings::default();
    match root.read_text(&file, FILE_LIMIT) {
        Ok(text) => settings.add_text(&text, "Service", &file.to_string_lossy()),
        Err(error) if error.is_ours() => settings.closed = Some(error),
        Err(_) => return None,
    }
    let names = drop_in_names(unit);
    for path in settings.drop_ins(root, &UNIT_DIRS, &names) {
        settings.add_file(root, &path, "Service");
    }
    settings.ignored.extend(ignored::misnamed(root, &UNIT_DIRS, &names));
    Some(settings)
}

/// The manager's own settings (`system.conf` and its drop-ins), which hold for every service.
pub fn manager_settings(root: &HostRoot) -> Settings {
    let main = MANAGER_DIRS.iter().map(|dir| Path::new(dir).join("system.conf")).find(|path| root.stat(path).is_ok());
    let mut settings = Settings::default();
    let drop_ins = settings.drop_ins(root, &MANAGER_DIRS, &["system.conf.d".to_owned()]);
    main.into_iter().chain(drop_ins).for_each(|path| settings.add_file(root, &path, "Manager"));
    settings
}

/// `a-b.service` has drop-ins in `a-b.service.d`, `a-.service.d` and `service.d`.
fn drop_in_names(unit: &str) -> Vec<String> {
    let Some((stem, kind)) = unit.rsplit_once('.') else { return Vec::new() };
    let mut names = vec![format!("{unit}.d")];
    let dashes = stem.char_indices().rev().filter(|(at, c)| *c == '-' && at + 1 < stem.len());
    names.extend(dashes.map(|(at, _)| format!("{}.{kind}.d", &stem[..=at])));
    names.push(format!("{kind}.d"));
    names
}

impl Settings {
    /// All `*.conf`, sorted by file name wherever they live; of two with one name the first directory's.
    fn drop_ins(&mut self, root: &HostRoot, dirs: &[&str], names: &[String]) -> Vec<PathBuf> {
        let mut found: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for dir in names.iter().flat_map(|name| dirs.iter().map(move |dir| Path::new(dir).join(name))) {
            for entry in self.seen(root.list(&dir)) {
                let is_conf = Path::new(&entry.name).extension().is_some_and(|extension| extension == "conf");
                if is_conf && entry.kind != EntryKind::Directory {
                    let path = dir.join(&entry.name);
                    found.entry(entry.name).or_insert(path);
                }
            }
        }
        found.into_values().collect()
    }

    fn add_file(&mut self, root: &HostRoot, path: &Path, section: &str) {
        // One that is no text (a link to /dev/null masks a drop-in) has nothing to say.
        let text = self.seen(root.read_text(path, FILE_LIMIT));
        self.add_text(&text, section, &path.to_string_lossy());
    }

    fn add_text(&mut self, text: &str, section: &str, file: &str) {
        self.list.extend(parse(text, section, file));
        self.ignored.extend(ignored::lines(&logical_lines(text), section, file));
    }

    fn seen<T: Default>(&mut self, read: Result<T, ReadError>) -> T {
        read.unwrap_or_else(|error| {
            self.closed = self.closed.take().or(Some(error).filter(ReadError::is_ours));
            T::default()
        })
    }
}

fn parse(text: &str, section: &str, file: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut current = String::new();
    for (line, text) in logical_lines(text) {
        let text = text.trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut current);
        } else if let Some((key, value)) = text.split_once('=').filter(|_| current == section) {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            settings.push(Setting { key, value, file: file.to_owned(), line });
        }
    }
    settings
}

/// Lines with their number, a trailing backslash joining the next one; comments gone, also inside.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (first, mut joined) = open.take().unwrap_or((number, String::new()));
        if let Some(head) = line.strip_suffix('\\') {
            joined.push_str(head);
            joined.push(' ');
            open = Some((first, joined));
        } else {
            joined.push_str(line);
            lines.push((first, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Splits a value into words as systemd does: quotes around a word or part of it, C escapes. `Err` at an
/// open quote or an unknown escape: systemd leaves the rest of the line, and keeps the words before it.
pub fn words(value: &str) -> Result<Vec<String>, Vec<String>> {
    split(value, false)
}

/// The words of a command: an unknown escape stays as written there.
pub fn command_words(value: &str) -> Vec<String> {
    split(value, true).unwrap_or_default()
}

fn split(value: &str, relaxed: bool) -> Result<Vec<String>, Vec<String>> {
    let mut words = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let Some((word, behind)) = first_word(rest, relaxed) else { return Err(words) };
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// A word, and what is behind it.
fn first_word(text: &str, relaxed: bool) -> Option<(String, &str)> {
    let mut word = Vec::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|c| quote.is_some() || !c.is_whitespace()) {
        rest = &rest[c.len_utf8()..];
        match (c, quote) {
            ('\\', _) => match unescape(rest) {
                Some((bytes, behind)) => {
                    word.extend(bytes);
                    rest = behind;
                }
                None if relaxed => word.push(b'\\'),
                None => return None,
            },
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, _) => word.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    // Escapes may spell bytes that only together make a character.
    quote.is_none().then(|| (String::from_utf8_lossy(&word).into_owned(), rest))
}

/// The bytes that an escape stands for, and what is behind it. `None`: it is none that systemd knows.
fn unescape(text: &str) -> Option<(Vec<u8>, &str)> {
    let escaped = text.chars().next()?;
    let behind = &text[escaped.len_utf8()..];
    // No escape stands for NUL, which would end the variable.
    let number = |digits: &str, radix| {
        let digits = Some(digits).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))?;
        u32::from_str_radix(digits, radix).ok().filter(|number| *number > 0)
    };
    let byte = |digits: Option<&str>, radix| Some(vec![u8::try_from(number(digits?, radix)?).ok()?]);
    let character = |length: usize| char::from_u32(number(behind.get(..length)?, 16)?).map(|c| c.to_string().into());
    let plain = |byte: u8| Some((vec![byte], behind));
    match escaped {
        'a' => plain(0x07),
        'b' => plain(0x08),
        'f' => plain(0x0c),
        'n' => plain(b'\n'),
        'r' => plain(b'\r'),
        't' => plain(b'\t'),
        'v' => plain(0x0b),
        's' => plain(b' '),
        '\\' | '"' | '\'' => Some((vec![u8::try_from(escaped).ok()?], behind)),
        'x' => Some((byte(behind.get(..2), 16)?, &behind[2..])),
        'u' => Some((character(4)?, &behind[4..])),
        'U' => Some((character(8)?, &behind[8..])),
        '0'..='7' => Some((byte(text.get(..3), 8)?, &text[3..])),
        _ => None,
    }
}

/// Replaces the `%` specifiers that do not depend on the running system. Any other stays as written,
/// and its letter is returned.
pub fn expand_specifiers(value: &str, unit: &str) -> (String, Option<char>) {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (mut out, mut unknown) = (String::new(), None);
    let mut rest = value;
    while let Some((head, tail)) = rest.split_once('%') {
        out.push_str(head);
        let letter = tail.chars().next();
        let known = match letter {
            Some('%') => "%",
            Some('n') => unit,
            Some('N' | 'p') => stem,
            Some('i' | 'I') => "",
            Some('t') => "/run",
            Some('S') => "/var/lib",
            Some('C') => "/var/cache",
            Some('L') => "/var/log",
            Some('E') => "/etc",
            Some('T') => "/tmp",
            Some('V') => "/var/tmp",
            Some('h') => "/root",
            Some('u' | 'g') => "root",
            Some('U' | 'G') => "0",
            other => {
                // Not a specifier at all: systemd, too, leaves `%2` alone.
                unknown = unknown.or(other.filter(|c| "aAbBcdDfHjJlmMoqrRsvwWyY".contains(*c)));
                out.push('%');
                rest = tail;
                continue;
            }
        };
        out.push_str(known);
        rest = &tail[letter.map_or(0, char::len_utf8)..];
    }
    out.push_str(rest);
    (out, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_unquoted_as_systemd_does() {
        let good: [(&str, &[&str]); 9] = [
            ("A=1 B=2", &["A=1", "B=2"]),
            (r#""A=1 2" 'B=3 4'"#, &["A=1 2", "B=3 4"]),
            (r#"A="1 2""#, &["A=1 2"]),
            (r#""A=it's""#, &["A=it's"]),
            (r"A=a\x20b\tc", &["A=a b\tc"]),
            (r"A=a\sb", &["A=a b"]),
            (r"A=a\040b\1011", &["A=a bA1"]),
            (r"A=b\xc3\274cher\u00e9\U0001F600", &["A=b\u{fc}cher\u{e9}\u{1F600}"]),
            ("", &[]),
        ];
        for (value, expected) in good {
            assert_eq!(words(value).unwrap(), expected, "{value}");
        }
        // As `systemd-analyze verify` refuses them.
        for value in [r"A=1 B=a\qb C=3", r"A=1 B=\777", r"A=1 B=\x0041", r"A=1 B=\01", "A=1 \"B=2", r"A=1 B\"] {
            assert_eq!(words(value).unwrap_err(), ["A=1"], "{value}");
        }
        assert_eq!(command_words(r"/bin/a\qb 'c d' \040"), [r"/bin/a\qb", "c d", " "]);
    }

    #[test]
    fn a_line_goes_on_after_a_backslash_and_past_comments() {
        let text =
            "[Unit]\nEnvironment=NO=1\n[Service]\n# c\nEnvironment=A=1 \\\n# inside\n  B=2\n; c\nType = notify\n";
        let settings = parse(text, "Service", "/u");
        let shown: Vec<_> = settings.iter().map(|s| (s.key.as_str(), s.value.as_str(), s.line)).collect();
        assert_eq!(shown, [("Environment", "A=1    B=2", 5), ("Type", "notify", 9)]);
    }

    #[test]
    fn specifiers_expand_and_percent_encoding_survives() {
        assert_eq!(
            expand_specifiers("/etc/default/%N 50%% p%40w", "rke2-agent.service"),
            ("/etc/default/rke2-agent 50% p%40w".into(), None)
        );
        assert_eq!(expand_specifiers("p%Hw", "x.service"), ("p%Hw".into(), Some('H')));
    }

    #[test]
    fn drop_ins_of_prefixes_and_of_the_type_count_too() {
        assert_eq!(drop_in_names("k3s-agent.service"), ["k3s-agent.service.d", "k3s-.service.d", "service.d"]);
    }
}
