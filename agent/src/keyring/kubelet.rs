//! kubelet's own limit on pulls: `registryPullQPS` and `registryBurst` of its configuration file.
//!
//! A pull beyond it fails at once with `pull QPS exceeded` and never reaches a registry, so that no probe can meet it.

use std::path::Path;

use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};
use crate::yaml::{self, Node, Value};

/// The codes of this room, as docs/findings.md tells them.
pub const CODE: &str = "kubelet_pull_qps_low";
const FILE: &str = "config.yaml";
const DEFAULT_QPS: i64 = 5;
const DEFAULT_BURST: i64 = 10;

/// What the file says of pulls. A file that is not there or that cannot be read says nothing.
pub fn findings(root: &HostRoot, kubelet_root: &Path) -> Vec<Finding> {
    let file = kubelet_root.join(FILE);
    let Ok(text) = root.read_text(&file, yaml::SIZE_LIMIT) else { return Vec::new() };
    let Ok(Some(document)) = yaml::load(&text) else { return Vec::new() };
    low(&document).map(|finding| finding.in_file(file.display().to_string())).into_iter().collect()
}

fn low(document: &Node) -> Option<Finding> {
    let qps = number(document, "registryPullQPS");
    let burst = number(document, "registryBurst");
    let qps_in_force = qps.map_or(DEFAULT_QPS, |(qps, _)| qps);
    let burst_in_force = burst.map_or(DEFAULT_BURST, |(burst, _)| burst);
    // Without a limit there is no bucket either.
    if qps_in_force <= 0 || (qps_in_force >= DEFAULT_QPS && burst_in_force >= DEFAULT_BURST) {
        return None;
    }
    let (_, node) = qps.filter(|(qps, _)| *qps < DEFAULT_QPS).or(burst)?;
    let at_once = match field(document, "serializeImagePulls").map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) if text == "false" => "in parallel",
        _ => "one after the other",
    };
    let message = format!(
        "kubelet begins no more than {qps_in_force} pulls a second, {burst_in_force} at once (registryPullQPS and \
         registryBurst; by default {DEFAULT_QPS} and {DEFAULT_BURST}), and makes them {at_once}: a pod beyond that fails \
         with `pull QPS exceeded`, of which no registry knows"
    );
    let fix = "raise both if pods fail with that message, then `systemctl restart kubelet`";
    Some(Finding::new(Severity::Info, CODE, message, fix.to_owned()).at(node.at))
}

/// A whole number that is written at this key.
fn number<'a>(document: &'a Node, key: &str) -> Option<(i64, &'a Node)> {
    let node = field(document, key)?;
    let Value::Scalar { text, plain: true } = &node.value else { return None };
    Some((text.parse().ok()?, node))
}

fn field<'a>(document: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &document.value else { return None };
    entries.iter().find(|(name, _)| name.name == key).map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<Finding> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("var/lib/kubelet")).unwrap();
        std::fs::write(directory.path().join("var/lib/kubelet/config.yaml"), text).unwrap();
        findings(&HostRoot::open(directory.path()).unwrap(), Path::new("/var/lib/kubelet"))
    }

    #[test]
    fn a_limit_below_kubelets_own_is_told_with_its_place() {
        let found = said("kind: KubeletConfiguration\nregistryPullQPS: 2\nserializeImagePulls: false\n");
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.severity, finding.line()), (CODE, Severity::Info, Some(2)));
        assert_eq!(finding.file.as_deref(), Some("/var/lib/kubelet/config.yaml"));
        for part in ["no more than 2 pulls a second, 10 at once", "in parallel", "`pull QPS exceeded`"] {
            assert!(finding.message.contains(part), "{part}: {}", finding.message);
        }
        let found = said("registryPullQPS: 5\nregistryBurst: 3\n");
        assert!(found[0].line() == Some(2) && found[0].message.contains("one after the other"), "{found:?}");
    }

    #[test]
    fn the_defaults_more_than_them_and_no_limit_at_all_are_no_finding() {
        for text in [
            "kind: KubeletConfiguration\n",
            "registryPullQPS: 5\nregistryBurst: 10\n",
            "registryPullQPS: 50\nregistryBurst: 100\n",
            "registryPullQPS: 0\nregistryBurst: 1\n",
            "",
        ] {
            assert!(said(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_no_configuration_says_nothing() {
        for text in
            ["registryPullQPS: many\n", "registryPullQPS: '2'\n", "registryPullQPS: [1]\n", "- 1\n", "{", "a: &b 1\n"]
        {
            assert!(said(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn it_is_told_in_the_published_page() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        assert!(text.contains(&format!("\n**`{CODE}`**")));
    }
}
