//! Which entries of an index containerd takes for this node.

use crate::image::platform::Platform;
use crate::manifest::Descriptor;
use crate::version::{PullMode, Version};

/// How a version and way of pulling match platforms.
#[derive(Clone, Copy, Debug)]
pub struct Matcher<'a> {
    pub node: &'a Platform,
    pub mode: PullMode,
    pub version: Version,
}

/// What the index gives this node.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// The entries that are fetched, best first. The classic client fetches one.
    Entries(Vec<&'a Descriptor>),
    /// Nothing is fetched and the pull fails. The transfer service would take none, but an entry
    /// exists that an older containerd takes: its digest is what the error names.
    NoMatch { compatible: Option<&'a Descriptor> },
}

impl Matcher<'_> {
    /// 0 is best; `None`: not for this node.
    pub fn rank(&self, offered: &Platform) -> Option<usize> {
        let features_fit = !self.version.checks_os_features() || offered.os_features.is_empty();
        features_fit.then(|| self.node.rank(offered, self.mode == PullMode::Transfer)).flatten()
    }

    pub fn select<'d>(&self, entries: &'d [Descriptor]) -> Selection<'d> {
        let mut fitting: Vec<(usize, &Descriptor)> = entries
            .iter()
            .filter_map(|entry| match entry.platform(&self.node.os) {
                Some(platform) => self.rank(&platform).map(|rank| (rank, entry)),
                // Entries that say nothing are kept, behind all that do.
                None => Some((usize::MAX, entry)),
            })
            .collect();
        if self.mode == PullMode::Local {
            fitting.sort_by_key(|(rank, _)| *rank);
            fitting.truncate(1);
        }
        if !fitting.is_empty() {
            return Selection::Entries(fitting.into_iter().map(|(_, entry)| entry).collect());
        }
        let classic = Matcher { mode: PullMode::Local, ..*self };
        let compatible = if classic.mode == self.mode {
            None
        } else {
            match classic.select(entries) {
                Selection::Entries(entries) => entries.first().copied(),
                Selection::NoMatch { .. } => None,
            }
        };
        Selection::NoMatch { compatible }
    }
}

/// What the index lists, attestations left out.
pub fn offered(entries: &[Descriptor], host_os: &str) -> impl Iterator<Item = Platform> {
    entries.iter().filter_map(move |entry| entry.platform(host_os)).filter(|platform| !platform.is_unknown())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cases::Cases;

    /// `linux/arm/v7`, `linux/amd64 #2`, `linux/amd64 os.features=[x]`, `(no platform) config amd64`.
    fn descriptor(text: &str) -> Descriptor {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = name.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let features = rest.strip_prefix("os.features=[").and_then(|list| list.strip_suffix(']'));
        let platform = json!({
            "os": next(), "architecture": next(), "variant": next(),
            "os.features": features.map_or_else(Vec::new, |list| list.split(',').collect()),
        });
        let platform = if text.starts_with("(no platform)") { Value::Null } else { platform };
        Descriptor::of_json(&json!({"digest": text, "platform": platform}))
    }

    /// What the case expects, in the words of a selection.
    fn expected(value: &Value) -> String {
        match value {
            Value::String(error) if error.contains("content digest") => "only an older one takes it".into(),
            Value::String(_) => "no match".into(),
            list => list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect::<Vec<_>>().join(", "),
        }
    }

    fn found(host: &str, entries: &[Descriptor], mode: PullMode, version: &str) -> String {
        let matcher = Matcher { node: &host.parse().unwrap(), mode, version: version.parse().unwrap() };
        match matcher.select(entries) {
            Selection::NoMatch { compatible: Some(_) } => "only an older one takes it".into(),
            Selection::NoMatch { compatible: None } => "no match".into(),
            Selection::Entries(entries) => {
                let short = |entry: &&Descriptor| {
                    let unnamed = entry.digest.starts_with("(no platform)");
                    if unnamed { "(no platform)".to_owned() } else { entry.digest.clone() }
                };
                entries.iter().map(short).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// What each kind of node takes out of one index that has something for all of them: the classic client
    /// what also runs there, the transfer service its very own.
    #[test]
    fn every_architecture_takes_its_own_entry() {
        let all = [
            "linux/amd64",
            "linux/amd64/v2",
            "linux/amd64/v3",
            "linux/386",
            "linux/arm/v5",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/riscv64",
            "linux/s390x",
            "linux/ppc64le",
            "windows/amd64",
            "unknown/unknown",
        ];
        let entries: Vec<Descriptor> = all.iter().map(|text| descriptor(text)).collect();
        let table = [
            ("linux/amd64", "linux/amd64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64", "linux/amd64"),
            ("linux/amd64/v2", "linux/amd64/v2", "linux/amd64/v2"),
            ("linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v3"),
            ("linux/amd64/v4", "linux/amd64/v3", "only an older one takes it"),
            ("linux/386", "linux/386", "linux/386"),
            ("linux/arm/v5", "linux/arm/v5", "linux/arm/v5"),
            ("linux/arm/v6", "linux/arm/v6", "linux/arm/v6"),
            ("linux/arm/v7", "linux/arm/v7", "linux/arm/v7"),
            ("linux/arm/v8", "linux/arm/v7", "only an older one takes it"),
            ("linux/arm64", "linux/arm64/v8", "linux/arm64/v8"),
            ("linux/arm64/v9", "linux/arm64/v8", "only an older one takes it"),
            ("linux/riscv64", "linux/riscv64", "linux/riscv64"),
            ("linux/s390x", "linux/s390x", "linux/s390x"),
            ("linux/ppc64le", "linux/ppc64le", "linux/ppc64le"),
            ("linux/loong64", "no match", "no match"),
        ];
        for (node, classic, transfer) in table {
            assert_eq!(found(node, &entries, PullMode::Local, "2.1"), classic, "{node}");
            assert_eq!(found(node, &entries, PullMode::Transfer, "2.1"), transfer, "{node}");
        }
    }

    #[test]
    fn containerds_own_cases_select_the_same_entries() {
        for case in Cases::of_kind("index_select") {
            let host = case.input["host"].as_str().unwrap();
            let entries: Vec<Descriptor> = case.input["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| descriptor(entry.as_str().unwrap()))
                .collect();
            let (classic, transfer) = if case.versions == ">=2.3" { ("2.3", "2.3") } else { ("1.7", "2.2") };
            // Such an entry is taken, and refused only when its configuration has been read.
            let wanted = |mode: &str| {
                if Cases::leaves_out(&case.id, "the choice") {
                    "(no platform)".to_owned()
                } else {
                    expected(&case.expected[mode])
                }
            };
            let local = found(host, &entries, PullMode::Local, classic);
            assert_eq!(local, wanted("local_pull"), "{} local", case.id);
            let transfer = found(host, &entries, PullMode::Transfer, transfer);
            assert_eq!(transfer, wanted("transfer"), "{} transfer", case.id);
            if Cases::leaves_out(&case.id, "transfer") {
                let of_debian = found(host, &entries, PullMode::Transfer, "2.1.9~ds1");
                assert_eq!(of_debian, "no match", "{} transfer, as seen", case.id);
            }
        }
    }
}
