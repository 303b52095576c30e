//! `/etc/hosts` as Go's resolver reads it: case does not count, and all lines of a name count.

use go::address::Address;

use super::fields::fields;
use super::zone;

/// The file's text. It is searched, not indexed: some are megabytes of names that nobody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    text: String,
}

/// What the file says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsEntry {
    /// In file order.
    pub addresses: Vec<Address>,
    /// 1-based: where the name is met first.
    pub line: usize,
}

impl HostsFile {
    pub fn parse(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// `None` when no line names the host with an address.
    pub fn lookup(&self, host: &str) -> Option<HostsEntry> {
        let mut found: Option<HostsEntry> = None;
        for (index, line) in self.text.lines().enumerate() {
            let Some(address) = address_of(line, host) else { continue };
            let entry = found.get_or_insert_with(|| HostsEntry { addresses: Vec::new(), line: index + 1 });
            if !entry.addresses.contains(&address) {
                entry.addresses.push(address);
            }
        }
        found
    }
}

/// The address at the line's start, when one of its names is the host.
fn address_of(line: &str, host: &str) -> Option<Address> {
    let line = line.split('#').next().unwrap_or_default();
    let mut fields = fields(line);
    let address = fields.next()?;
    fields.any(|name| same_name(name, host)).then(|| zone::parse(address)).flatten()
}

/// A trailing dot means the same name, except on a name of a single label.
fn same_name(one: &str, other: &str) -> bool {
    absolute(one).eq_ignore_ascii_case(absolute(other))
}

fn absolute(name: &str) -> &str {
    match name.strip_suffix('.') {
        Some(bare) if bare.contains('.') => bare,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# comment\n\
        127.0.0.1\tlocalhost\n\
        192.0.2.7   Registry.Example  mirror.example. # registry.other\n\
        bad.address registry.example\n\
        192.0.2.300 registry.example\n\
        2001:db8::7 registry.example\n\
        192.0.2.7 registry.example\n\
        fe80::1%7 link.example\r\n\
        192.0.2.9\n";

    fn lookup(host: &str) -> Option<(Vec<String>, usize)> {
        let entry = HostsFile::parse(TEXT).lookup(host)?;
        Some((entry.addresses.iter().map(ToString::to_string).collect(), entry.line))
    }

    #[test]
    fn all_lines_of_a_name_count_whatever_its_case() {
        let both = Some((vec!["192.0.2.7".to_owned(), "2001:db8::7".to_owned()], 3));
        assert_eq!(lookup("registry.example"), both);
        assert_eq!(lookup("REGISTRY.example."), both);
        assert_eq!(lookup("mirror.example"), Some((vec!["192.0.2.7".into()], 3)));
        assert_eq!(lookup("link.example"), Some((vec!["fe80::1%7".into()], 8)));
    }

    #[test]
    fn comments_and_lines_without_an_address_name_nothing() {
        assert_eq!(lookup("registry.other"), None);
        assert_eq!(lookup("192.0.2.9"), None);
        assert_eq!(lookup("localhost."), None, "a single label with a dot is another name to Go");
        assert_eq!(lookup("localhost").map(|(_, line)| line), Some(2));
    }
}
