//! Reads single values of a settings file, and collects what is wrong with them.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::problem::{Problem, quoted};
use super::{all_addresses, duration};
use crate::image::reference::Reference;
use crate::model::detail::Detail;
use crate::model::nearest::nearest;
use crate::redact::urls::without_credentials;
use crate::yaml::{Fault, Node, Value};
use go::place::Position;

/// Problems beyond this are not told one by one.
const PROBLEM_LIMIT: usize = 100;
/// The longest list.
const LIST_LIMIT: usize = 256;
/// The longest single value, in bytes.
const TEXT_LIMIT: usize = 4_096;

pub struct Reader {
    file: String,
    /// The key that is being read.
    pub key: String,
    problems: Vec<Problem>,
}

impl Reader {
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), key: String::new(), problems: Vec::new() }
    }

    pub fn finish<T>(self, read: T) -> Result<T, Vec<Problem>> {
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }

    pub fn fault(&mut self, fault: &Fault) {
        self.problem(fault.at, &fault.found, fault.allowed, "");
    }

    pub fn wrong(&mut self, node: &Node, allowed: &str, fix: &str) {
        self.problem(node.at, &describe(node), allowed, fix);
    }

    pub fn problem(&mut self, at: Position, found: &str, allowed: &str, fix: &str) {
        if self.problems.len() >= PROBLEM_LIMIT {
            return;
        }
        self.problems.push(Problem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            key: without_credentials(&self.key),
            found: without_credentials(found),
            allowed: allowed.to_owned(),
            fix: fix.to_owned(),
        });
    }

    /// How many problems there are so far.
    pub fn problems(&self) -> usize {
        self.problems.len()
    }

    /// What to do about the last problem, too.
    pub fn amend(&mut self, fix: &str) {
        if let Some(last) = self.problems.last_mut() {
            if !last.fix.is_empty() {
                last.fix.push(' ');
            }
            last.fix.push_str(fix);
        }
    }

    /// A key that is none of these. `elsewhere`: where one of this name belongs.
    pub fn unknown(&mut self, name: &str, at: Position, names: &[&str], elsewhere: Option<&str>) {
        let fix = match (nearest(name, names.iter().copied()), elsewhere) {
            (Some(meant), _) => format!("Did you mean `{meant}`?"),
            (None, Some(path)) => format!("It belongs at `{path}`."),
            (None, None) => String::new(),
        };
        self.problem(at, &format!("the unknown key {}", quoted(name)), &names.join(", "), &fix);
    }

    /// The text of a scalar of sensible length.
    pub fn scalar<'a>(&mut self, node: &'a Node, allowed: &str) -> Option<&'a str> {
        match &node.value {
            Value::Scalar { text, .. } if text.len() <= TEXT_LIMIT => return Some(text),
            Value::Scalar { .. } => self.wrong(node, &format!("{allowed}, of at most {TEXT_LIMIT} bytes"), ""),
            Value::List(_) | Value::Map(_) => self.wrong(node, allowed, ""),
        }
        None
    }

    pub fn duration(&mut self, node: &Node, range: RangeInclusive<Duration>, into: &mut Duration) {
        let allowed = format!("a duration from {} to {}", duration::text(*range.start()), duration::text(*range.end()));
        let Some(text) = self.scalar(node, &allowed) else { return };
        match duration::parse(text) {
            Some(found) if range.contains(&found) => *into = found,
            Some(_) => self.wrong(node, &allowed, ""),
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                self.wrong(node, &allowed, &format!("Write the unit: {text}s, {text}m."));
            }
            None => self.wrong(node, &allowed, "Write it like 500ms, 60s, 5m or 1h30m."),
        }
    }

    pub fn count<T: FromStr + PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        node: &Node,
        range: RangeInclusive<T>,
        into: &mut T,
    ) {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(text) = self.scalar(node, &allowed) else { return };
        match text.parse() {
            Ok(found) if range.contains(&found) => *into = found,
            _ => self.wrong(node, &allowed, ""),
        }
    }

    pub fn switch(&mut self, node: &Node, into: &mut bool) {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => *into = true,
            Value::Scalar { text, plain: true } if text == "false" => *into = false,
            _ => self.wrong(node, "true or false", ""),
        }
    }

    /// One of a few words, each with what it stands for.
    pub fn choice<T: Copy>(&mut self, node: &Node, choices: &[(&str, T)], into: &mut T) {
        let names = || choices.iter().map(|(name, _)| *name);
        let allowed = names().collect::<Vec<_>>().join(", ");
        let Some(text) = self.scalar(node, &allowed) else { return };
        if let Some((_, meant)) = choices.iter().find(|(name, _)| *name == text) {
            *into = *meant;
            return;
        }
        let fix = nearest(text, names()).map(|meant| format!("Did you mean `{meant}`?"));
        self.wrong(node, &allowed, &fix.unwrap_or_default());
    }

    pub fn path(&mut self, node: &Node, into: &mut Option<PathBuf>) {
        let allowed = "an absolute path";
        let Some(text) = self.scalar(node, allowed) else { return };
        if is_absolute(text) {
            *into = Some(text.into());
        } else {
            self.wrong(node, allowed, "");
        }
    }

    pub fn paths(&mut self, node: &Node, into: &mut Option<String>) {
        let allowed = "absolute paths with `:` between them";
        let Some(text) = self.scalar(node, allowed) else { return };
        if text.split(':').all(is_absolute) {
            *into = Some(text.to_owned());
        } else {
            self.wrong(node, allowed, "");
        }
    }

    /// What is read by its own parser, or the word `auto` for `None`.
    pub fn or_auto<T: FromStr<Err = String>>(&mut self, node: &Node, allowed: &str, into: &mut Option<T>) {
        let Some(text) = self.scalar(node, allowed) else { return };
        match text.parse() {
            _ if text == "auto" => *into = None,
            Ok(found) => *into = Some(found),
            Err(_) => self.wrong(node, allowed, ""),
        }
    }

    pub fn detail(&mut self, node: &Node, into: &mut Detail) {
        let allowed = "standard or full";
        let Some(text) = self.scalar(node, allowed) else { return };
        match text.parse() {
            Ok(detail) => *into = detail,
            Err(_) => self.wrong(node, allowed, ""),
        }
    }

    pub fn node_name(&mut self, node: &Node, into: &mut String) {
        let allowed = "a name, or `$` and the name of an environment variable";
        let Some(text) = self.scalar(node, allowed) else { return };
        let (body, extra) = text.strip_prefix('$').map_or((text, ".-"), |variable| (variable, "_"));
        let is_name = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
        if (1..=253).contains(&body.len()) && body.chars().all(is_name) {
            text.clone_into(into);
        } else {
            self.wrong(node, allowed, "");
        }
    }

    /// The items of a list, none twice.
    pub fn list<'a>(&mut self, node: &'a Node, allowed: &str) -> &'a [Node] {
        match &node.value {
            Value::List(items) if items.len() <= LIST_LIMIT => items,
            Value::List(_) => {
                self.wrong(node, &format!("{allowed}, at most {LIST_LIMIT}"), "");
                &[]
            }
            Value::Scalar { text, .. } => {
                self.wrong(node, allowed, &format!("Write it as a list: [{}].", quoted(text).trim_matches('`')));
                &[]
            }
            Value::Map(_) => {
                self.wrong(node, allowed, "");
                &[]
            }
        }
    }

    pub fn registry(&mut self, node: &Node) -> Option<String> {
        let allowed = "a registry's name in image references, such as docker.io or r.example:5000";
        let text = self.scalar(node, allowed)?;
        if is_registry(text) {
            return Some(text.to_owned());
        }
        let fix = match (text.contains("://"), text.contains('/')) {
            (true, _) => "Write it without the scheme.",
            (_, true) => "An image belongs under targets.images.",
            _ => "",
        };
        self.wrong(node, allowed, fix);
        None
    }

    pub fn host(&mut self, node: &Node) -> Option<String> {
        let allowed = "a host name without a port, such as node.example";
        let text = self.scalar(node, allowed)?;
        if is_registry(text) && !text.contains(':') {
            return Some(text.to_ascii_lowercase());
        }
        let fix = if text.contains(':') { "Write the name alone: any port will do." } else { "" };
        self.wrong(node, allowed, fix);
        None
    }

    pub fn image(&mut self, node: &Node) -> Option<String> {
        let allowed = "an image reference";
        let text = self.scalar(node, allowed)?;
        match Reference::parse(text) {
            Ok(_) => Some(text.to_owned()),
            Err(error) => {
                self.wrong(node, allowed, &format!("It is none: {}.", error.reason));
                None
            }
        }
    }

    pub fn address(&mut self, node: &Node) -> Option<SocketAddr> {
        let allowed = "`:PORT` for every address, `IPV4:PORT` or `[IPV6]:PORT`";
        let text = self.scalar(node, allowed)?;
        let address = match text.strip_prefix(':') {
            Some(port) => port.parse().ok().map(all_addresses),
            None => text.parse().ok(),
        };
        if address.is_none() {
            let fix = match text.parse::<IpAddr>() {
                Ok(_) => "The port is missing.",
                Err(_) if text.bytes().all(|b| b.is_ascii_digit()) => {
                    "Write a colon before the port, and quotes: \":10048\"."
                }
                Err(_) => "",
            };
            self.wrong(node, allowed, fix);
        }
        address
    }
}

fn is_absolute(text: &str) -> bool {
    Path::new(text).is_absolute() && !text.contains(|c: char| c.is_control())
}

/// A host name, or an IPv6 address in brackets, with or without a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_host = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(label),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// What stands there, for a person.
pub fn describe(node: &Node) -> String {
    match &node.value {
        _ if node.is_null() => "nothing".to_owned(),
        Value::Scalar { text, plain: true } => quoted(text),
        Value::Scalar { text, plain: false } => quoted(&format!("\"{text}\"")),
        Value::List(items) if items.is_empty() => "an empty list".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}
