//! What systemd reads over in a service's files without ending: files that are not named as drop-ins are, lines
//! without a section, and keys that no section knows. All of it looks as if it counted.

use std::path::Path;

use super::{FILE_LIMIT, MATTERS};
use go::place::Position;

use crate::host::root::{EntryKind, HostRoot};
use crate::model::finding::{Finding, Severity};
use crate::model::nearest::nearest;

/// Of a section with settings of a process.
const KEYS: [&str; 7] =
    ["Environment", "EnvironmentFile", "PassEnvironment", "UnsetEnvironment", "ExecStart", "ExecStartPre", "User"];
const SECTIONS: [&str; 3] = ["Unit", "Service", "Install"];
/// Of other kinds of units.
const OTHER_SECTIONS: [&str; 9] =
    ["Slice", "Socket", "Scope", "Mount", "Automount", "Swap", "Path", "Timer", "Manager"];
/// Parts of names, numbers behind them aside, that say that the file is not to count: copies of people, of editors and of
/// packagers, and examples.
const SET_ASIDE: [&str; 30] = [
    "bak",
    "backup",
    "orig",
    "old",
    "save",
    "saved",
    "swp",
    "swo",
    "tmp",
    "rpmsave",
    "rpmnew",
    "rpmorig",
    "dpkg-old",
    "dpkg-dist",
    "dpkg-new",
    "dpkg-tmp",
    "dpkg-bak",
    "dpkg-remove",
    "ucf-old",
    "ucf-new",
    "ucf-dist",
    "disabled",
    "off",
    "example",
    "sample",
    "template",
    "tmpl",
    "tpl",
    "j2",
    "md",
];

/// Something that does not count, and how it would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub code: &'static str,
    pub file: String,
    /// `None`: the whole file.
    pub line: Option<usize>,
    pub message: String,
    pub fix: String,
}

impl Ignored {
    pub fn finding(self) -> Finding {
        let finding = Finding::new(Severity::Warning, self.code, self.message, self.fix).in_file(self.file);
        match self.line {
            Some(line) => finding.at(Position::of_line(line)),
            None => finding,
        }
    }
}

/// Lines of a unit or drop-in. What is ignored for one reason is told once, at the first line.
pub fn lines(lines: &[(usize, String)], section: &str, file: &str) -> Vec<Ignored> {
    let mut found: Vec<Ignored> = Vec::new();
    let mut current: Option<&str> = None;
    let mut told_outside = false;
    for (line, text) in lines {
        let text = text.trim();
        let ignored = |message: String, fix: String| {
            let file = file.to_owned();
            Ignored { code: "unit_line_ignored", file, line: Some(*line), message, fix }
        };
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = Some(name);
            found.extend(misspelled_section(name).map(|meant| {
                let message = format!("systemd ignores all lines of this section: there is no section [{name}]");
                ignored(message, format!("write [{meant}], with this capital letter"))
            }));
            continue;
        }
        let Some((key, _)) = text.split_once('=') else { continue };
        let key = key.trim();
        match current {
            None if !told_outside => {
                told_outside = true;
                let message = "systemd ignores this line and all others before the first section".to_owned();
                found.push(ignored(message, format!("write [{section}] on a line above it")));
            }
            Some(of) if of == section => found.extend(misspelled_key(key).map(|(message, fix)| ignored(message, fix))),
            // These have no meaning in the others.
            Some(of) if SECTIONS.contains(&of) && section == "Service" && KEYS[..4].contains(&key) => {
                let message = format!("systemd ignores this line: there is no `{key}` in [{of}]");
                found.push(ignored(message, format!("write it below [{section}]")));
            }
            _ => {}
        }
    }
    found
}

fn misspelled_section(name: &str) -> Option<&'static str> {
    let known = |section: &&&str| section.eq_ignore_ascii_case(name.trim()) && **section != name;
    SECTIONS.iter().find(known).copied().or_else(|| {
        let near = nearest(name, SECTIONS).filter(|_| !OTHER_SECTIONS.contains(&name))?;
        SECTIONS.into_iter().find(|section| near == *section && *section != name)
    })
}

fn misspelled_key(key: &str) -> Option<(String, String)> {
    let variable = key.strip_prefix("export ").map_or(key, str::trim);
    if MATTERS.contains(&variable) {
        let message =
            format!("systemd ignores this line, because a unit has no key `{key}`: {variable} is not set by it");
        return Some((message, format!("write Environment=\"{variable}=VALUE\"")));
    }
    let meant = KEYS.into_iter().find(|known| known.eq_ignore_ascii_case(key)).or_else(|| {
        let near = nearest(key, KEYS)?;
        // `ExecStop` is a key of its own.
        KEYS[..4].iter().find(|known| near == **known).copied()
    })?;
    (meant != key).then(|| {
        (
            format!("systemd ignores this line: there is no `{key}`"),
            format!("did you mean `{meant}`? Capital letters matter"),
        )
    })
}

/// Files beside the drop-ins that systemd does not read, because of their names alone.
pub fn misnamed(root: &HostRoot, dirs: &[&str], names: &[String]) -> Vec<Ignored> {
    let mut found = Vec::new();
    for dir in names.iter().flat_map(|name| dirs.iter().map(move |dir| format!("{dir}/{name}"))) {
        for entry in root.list(Path::new(&dir)).unwrap_or_default() {
            let Some(name) = entry.name.to_str().filter(|_| entry.kind != EntryKind::Directory) else { continue };
            let counts = name.strip_suffix(".conf").is_some() && !name.starts_with('.');
            if counts || is_set_aside(name) {
                continue;
            }
            let path = format!("{dir}/{name}");
            let text = root.read_text(Path::new(&path), FILE_LIMIT).unwrap_or_default();
            if !says_something(&text) {
                continue;
            }
            let stem = name.trim_start_matches('.').rsplit_once('.').map_or(name, |(stem, _)| stem);
            let message = format!(
                "systemd reads drop-ins only if they are named *.conf. It does not read {name}: nothing in it takes effect"
            );
            let fix = format!("rename it to {stem}.conf, then `systemctl daemon-reload` and restart the service");
            found.push(Ignored { code: "drop_in_not_read", file: path, line: None, message, fix });
        }
    }
    found
}

/// `a.conf.bak`, `a.conf.bak2`, `a.conf~`, `a.conf.2026-11-29`, `README`.
fn is_set_aside(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_date =
        |part: &str| part.len() >= 6 && part.bytes().all(|byte| byte.is_ascii_digit() || b"-_t".contains(&byte));
    let says_so =
        |part: &str| SET_ASIDE.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit())) || is_date(part);
    name.ends_with('~')
        || name.starts_with('#')
        || lower.starts_with("readme")
        || lower.split('.').skip(1).any(|part| says_so(part) || part == "j2")
}

/// Whether it was to change what a daemon is started with.
fn says_something(text: &str) -> bool {
    let keys = |line: &str| line.split_once('=').is_some_and(|(key, _)| KEYS.contains(&key.trim()));
    text.lines()
        .any(|line| keys(line) || line.trim() == "[Service]" || MATTERS[..6].iter().any(|name| line.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(usize, String)> {
        let numbered: Vec<(usize, String)> = (1..).zip(text.lines().map(str::to_owned)).collect();
        lines(&numbered, "Service", "/u.conf").into_iter().map(|one| (one.line.unwrap(), one.fix)).collect()
    }

    #[test]
    fn lines_without_their_section_are_told_once() {
        assert_eq!(told("Environment=A=1\nEnvironment=B=2\n"), [(1, "write [Service] on a line above it".into())]);
        assert_eq!(told("[service]\nEnvironment=A=1\n"), [(1, "write [Service], with this capital letter".into())]);
        assert_eq!(told("[Servce]\nEnvironment=A=1\n").len(), 1);
        assert_eq!(told("[Unit]\nAfter=x\nEnvironment=A=1\n"), [(3, "write it below [Service]".into())]);
    }

    #[test]
    fn keys_that_nobody_knows_are_told_with_what_was_meant() {
        assert!(told("[Service]\nenvironment=A=1\n")[0].1.contains("`Environment`"));
        assert!(told("[Service]\nEnviroment=A=1\n")[0].1.contains("`Environment`"));
        assert!(told("[Service]\nHTTPS_PROXY=http://p\n")[0].1.contains("Environment=\"HTTPS_PROXY=VALUE\""));
        assert!(told("[Service]\nexport https_proxy=http://p\n")[0].1.contains("Environment=\"https_proxy=VALUE\""));
    }

    #[test]
    fn a_file_that_was_set_aside_is_not_meant_to_count() {
        for aside in [
            "a.conf.bak",
            "a.conf.bak2",
            "a.conf~",
            "a.conf.dpkg-old",
            "a.conf.dpkg-dist",
            "a.conf.ucf-dist",
            "a.conf.ucf-old",
            "a.conf.example",
            "a.conf.rpmsave",
            "a.conf.2026-11-29",
            "a.conf.20261129",
            "a.bak.2026",
            "README.md",
            ".a.conf.swp",
            "a.conf.j2",
            "a.conf.OLD",
        ] {
            assert!(is_set_aside(aside), "{aside}");
        }
        for meant in ["proxy.cfg", "proxy.conf.txt", "http-proxy", ".proxy.conf", "proxy", "old-proxy", "bak"] {
            assert!(!is_set_aside(meant), "{meant}");
        }
    }

    #[test]
    fn what_is_in_order_and_what_is_of_others_is_not_told() {
        let good = "# c\n[Unit]\nAfter=network.target\n\n[Service]\nEnvironment=A=1\nExecStartPost=/bin/x\nExecStop=/bin/y\n\
                    LimitNOFILE=1\nUserNamespacePath=x\n[Install]\nWantedBy=multi-user.target\n[X-Own]\nenvironment=1\n";
        assert_eq!(told(good), []);
    }
}
