//! Facts about this node besides the files of a pull: the distribution whose paths a fix names, certs.d directories
//! that the node's own images do not use, and files that are newer than the running containerd.

use std::collections::BTreeSet;

use crate::environment::DaemonEnvironment;
use crate::environment::layout::Layout;
use crate::environment::restart_pending::{self, ReadOnce};
use crate::host::root::HostRoot;
use crate::image::reference::Reference;
use crate::lint;
use crate::model::finding::Finding;
use crate::model::trust::TrustStore;
use crate::node::containerd::Containerd;
use crate::observation::distribution::{DistributionFacts, DistributionTerms};
use crate::plan::withheld;
use crate::reading::options::Options;

/// The distribution whose files and commands a fix names.
pub fn distribution(layout: &Layout, environment: &DaemonEnvironment, containerd: &Containerd) -> DistributionTerms {
    DistributionTerms::of(&DistributionFacts {
        distribution: layout.distribution,
        unit: environment.unit,
        config: &layout.config.to_string_lossy(),
        certs_d: containerd.config_path.first().map(String::as_str).filter(|path| !path.contains(':')),
        reads_schema_3: containerd.version.config_schema() >= 3,
    })
}

/// certs.d directories that the node's own images do not use, because a port is missing or too many; and logins that are kept back.
pub fn of_registries(options: &Options, containerd: &Containerd, images: &BTreeSet<String>) -> Vec<Finding> {
    let parsed = containerd.sandbox_image.iter().chain(images).filter_map(|image| Reference::parse(image).ok());
    let domains: BTreeSet<String> = parsed.map(|image| image.domain).collect();
    let mut found = lint::other_ports(&containerd.registry, domains.iter().map(String::as_str), &containerd.findings);
    if options.no_credentials {
        found.extend(withheld::findings(&containerd.registry));
        found.extend(withheld::of_kubelet(&logins_of_kubelet(options)));
    }
    found
}

/// Where kubelet's logins would be looked for.
fn logins_of_kubelet(options: &Options) -> Vec<&'static str> {
    let places = [
        (options.kubelet_credentials, "its own files on the node"),
        (options.pull_secrets_dir.is_some(), "the pull secrets of `credentials.pull_secrets_dir`"),
        (options.provider_config.is_some(), "its credential providers"),
    ];
    places.into_iter().filter_map(|(is_used, place)| is_used.then_some(place)).collect()
}

/// Files that changed after containerd read them.
pub fn newer(
    options: &Options,
    root: &HostRoot,
    layout: &Layout,
    containerd: &Containerd,
    environment: &DaemonEnvironment,
    trust: &TrustStore,
) -> Vec<Finding> {
    // A file that was named for this look is not the one that the daemon reads.
    let config = if options.containerd_config.is_some() { &[][..] } else { &containerd.config_files };
    restart_pending::findings(root, &layout.socket, &ReadOnce { config, environment, trust })
}

/// Rewrites the fixes of the findings for this node's distribution.
pub fn in_order(findings: Vec<Finding>, terms: &DistributionTerms) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings.into_iter().map(|finding| terms.mended(finding)).collect();
    findings.sort_by(|a, b| (&a.file, a.line(), b.severity).cmp(&(&b.file, b.line(), a.severity)));
    findings
}
