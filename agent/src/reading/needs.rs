//! Which files of the node the agent will read: those that one reading of it, made for that, opens.

use std::path::PathBuf;

use super::{ContainerdOptions, HostFiles, Node, Options, RuntimeInfo, containerd_options, opened};
use crate::host::sight::Needs;
use crate::node::containerd::Containerd;
use crate::version::{Version, VersionSource};

/// What the node's layout needs.
#[derive(Debug)]
pub struct NodeNeeds {
    pub files: Needs,
    pub kubelet_root: PathBuf,
    /// The directory of the plugins, where any are run.
    pub plugins: Option<PathBuf>,
    /// What their configuration names.
    pub plugin_paths: Vec<PathBuf>,
}

/// Reads the node once, as each series of containerd would where nothing says which one it is.
pub fn needs(options: &Options) -> Result<NodeNeeds, String> {
    let root = opened(options)?.recording();
    let ground = HostFiles::in_root(root.clone(), options);
    let asked = containerd_options(options, &ground.layout, &ground.environment);
    let node = Node::read(options, ground, RuntimeInfo::unasked(options), None);
    node.containerd.content.touch();
    // Where the version is assumed, all were compared. What the files show may not be what the daemon then says.
    if options.containerd_version.is_none() && node.containerd.version_source != VersionSource::Assumed {
        for version in Version::SERIES {
            let told = (Some(version), Some(VersionSource::Cri));
            let asked = ContainerdOptions { version: told.0, version_source: told.1, ..asked.clone() };
            Containerd::load(&root, &asked).content.touch();
        }
    }
    let plugins = options.provider_config.as_ref().filter(|_| !options.no_credentials);
    Ok(NodeNeeds {
        files: root.needs(),
        kubelet_root: node.layout.kubelet_root.clone(),
        plugins: plugins.and(options.provider_bin_dir.clone()),
        plugin_paths: node.credentials.paths_of_providers(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::NodeArgs;
    use crate::confine::{self, layouts};

    fn options(root: &Path) -> Options {
        Options::of(&NodeArgs { host_root: Some(root.to_owned()), ..NodeArgs::default() }).unwrap()
    }

    /// Whatever the daemon then says of its version, and nothing private is within.
    #[test]
    fn all_that_is_read_of_each_layout_is_within_the_rules() {
        let mut looked = 0;
        for (name, planted) in layouts::all() {
            let options = options(planted.path());
            let needs = needs(&options).unwrap();
            let root = opened(&options).unwrap();
            let rules = confine::rules(&root, &needs.kubelet_root, &needs.files);
            for version in Version::SERIES {
                let reading = opened(&options).unwrap().recording();
                let told =
                    RuntimeInfo { version: Some(version), source: Some(VersionSource::Cri), ..Default::default() };
                let ground = HostFiles::in_root(reading.clone(), &options);
                Node::read(&options, ground, told, None).containerd.content.touch();
                let read = reading.needs();
                assert!(read.files.len() > 2, "{name}: {read:?}");
                for path in read.files.iter().chain(&read.directories) {
                    assert!(layouts::is_within(&rules, &root, path), "{name} as {version}: {}", path.display());
                    looked += 1;
                }
            }
            layouts::assert_narrow(&name, &rules, &needs.kubelet_root);
        }
        assert!(looked > 500, "{looked}");
    }
}
