//! The `hosts:` line of `/etc/nsswitch.conf`: whether Go's resolver reads `/etc/hosts` or asks DNS first.

use go::place::Position;

use crate::model::finding::{Finding, Severity};

pub(super) const PATH: &str = "/etc/nsswitch.conf";

/// A source of addresses that Go's resolver has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameService {
    /// `/etc/hosts`.
    Files,
    Dns,
}

/// A word of the line with the `[status=action]` block behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source<'a> {
    name: &'a str,
    criteria: Option<&'a str>,
}

/// The order for a file that says nothing, or is missing.
pub fn default_order() -> Vec<NameService> {
    vec![NameService::Files, NameService::Dns]
}

/// Reads the order as a containerd without libc does, and notes where one with libc would differ.
pub fn parse(text: &str) -> (Vec<NameService>, Vec<Finding>) {
    let mut sources = Vec::new();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((database, of_line)) = split(line) else {
            return (default_order(), vec![invalid(line, index + 1)]);
        };
        if database == "hosts" {
            findings.extend(of_line.iter().filter_map(|source| foreign(*source, index + 1)));
            sources.extend(of_line);
        }
    }
    (order(&sources), findings)
}

/// `None` when Go finds the line invalid: of any database, it then ignores the whole file.
fn split(line: &str) -> Option<(&str, Vec<Source<'_>>)> {
    let (database, mut rest) = line.split_once(':')?;
    let mut sources = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some((database.trim(), sources));
        }
        // Only at spaces, as Go: words parted by a tab are one source, of an unknown name.
        let (name, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = behind.trim_start();
        let mut criteria = None;
        if let Some(block) = rest.strip_prefix('[') {
            let (inside, behind) = block.split_once(']')?;
            if !inside.split_whitespace().all(|rule| rule.trim_start_matches('!').len() >= 3 && rule.contains('=')) {
                return None;
            }
            (criteria, rest) = (Some(inside), behind);
        }
        sources.push(Source { name, criteria });
    }
}

/// A source that Go does not know stands for DNS, unless DNS is named as well.
fn order(sources: &[Source<'_>]) -> Vec<NameService> {
    let names_dns = sources.iter().any(|source| source.name == "dns");
    let mut order = Vec::new();
    for source in sources {
        let service = match source.name {
            "files" => NameService::Files,
            "dns" => NameService::Dns,
            _ if names_dns => continue,
            _ => NameService::Dns,
        };
        if !order.contains(&service) {
            order.push(service);
        }
    }
    if order.is_empty() { default_order() } else { order }
}

fn foreign(source: Source<'_>, line: usize) -> Option<Finding> {
    let rules = source.criteria.map_or(String::new(), |criteria| format!(" [{criteria}]"));
    let known = match source.name {
        "files" | "dns" => source.criteria.is_none_or(is_standard),
        // Go itself answers as libc would, save for the node's own name and for `.local`.
        name => name == "myhostname" || name.starts_with("mdns"),
    };
    if known {
        return None;
    }
    let message = format!(
        "`{}{rules}`: a containerd that is linked with libc leaves names to libc because of this; a static one ignores \
         it, and so does pullprobe: the two may find different addresses",
        source.name
    );
    let fix = "If containerd and pullprobe disagree on a name, compare `getent ahosts NAME` with `dig NAME`.";
    Some(Finding::new(Severity::Info, "nsswitch_left_to_libc", message, fix).in_file(PATH).at(Position::of_line(line)))
}

/// Whether the rules are those that hold without any being written.
fn is_standard(criteria: &str) -> bool {
    let rules: Vec<String> = criteria.split_whitespace().map(str::to_ascii_lowercase).collect();
    rules.iter().enumerate().all(|(index, rule)| {
        let Some((status, action)) = rule.split_once('=') else { return false };
        let default = match status {
            "success" => "return",
            "notfound" | "unavail" | "tryagain" => "continue",
            _ => return false,
        };
        action == default || (index + 1 == rules.len() && action == "return")
    })
}

fn invalid(line: &str, number: usize) -> Finding {
    let message = format!("`{line}` is invalid to Go's resolver, which then ignores the whole file");
    let fix = "Write `database: source source [STATUS=action]`, with every bracket closed.";
    Finding::new(Severity::Warning, "nsswitch_invalid", message, fix).in_file(PATH).at(Position::of_line(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use NameService::{Dns, Files};

    fn order_of(text: &str) -> (Vec<NameService>, usize) {
        let (order, findings) = parse(text);
        (order, findings.len())
    }

    #[test]
    fn the_order_is_that_of_files_and_dns_and_other_sources_are_noted() {
        let table: &[(&str, &[NameService], usize)] = &[
            ("", &[Files, Dns], 0),
            ("passwd: files\n", &[Files, Dns], 0),
            ("hosts:\n", &[Files, Dns], 0),
            ("hosts: files dns\n", &[Files, Dns], 0),
            ("hosts: dns files\n", &[Dns, Files], 0),
            ("hosts: files", &[Files], 0),
            ("hosts:\tdns # files", &[Dns], 0),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname", &[Files, Dns], 0),
            ("hosts: files resolve [!UNAVAIL=return] dns", &[Files, Dns], 1),
            ("hosts: resolve files", &[Dns, Files], 1),
            ("hosts: files [NOTFOUND=return] dns", &[Files, Dns], 0),
            ("hosts: files [SUCCESS=merge] dns", &[Files, Dns], 1),
            ("hosts: files [!NOTFOUND=return dns", &[Files, Dns], 1),
            ("hosts: dns [!UNAVAIL=return]files", &[Dns, Files], 1),
            ("hosts: files\tdns", &[Dns], 1),
            ("hosts: dns files\npasswd files\n", &[Files, Dns], 1),
            ("hosts: dns [x] files", &[Files, Dns], 1),
        ];
        for (text, expected, noted) in table {
            assert_eq!(order_of(text), (expected.to_vec(), *noted), "{text}");
        }
    }
}
