//! Findings about `config_path`: whether it leads to the directories that are there.

use go::place::SourceLocation;
use go::text::join;

use super::{Lint, error, info, unread, warning, whole};
use crate::containerd::configured::CERTS_D_FLAG;
use crate::containerd::pull_mode::DEFAULT_CONFIG_PATH;
use crate::containerd::reader::directory;
use crate::host::root::EntryKind;
use crate::mirrors::certs_d::{RootState, ends_in};
use crate::mirrors::registry::HostSource;
use crate::model::finding::Finding;
use crate::model::nearest::nearest;
use crate::version::PullMode;

/// Where administrators put directories of registries, whatever `config_path` says.
const USUAL: &str = "/etc/containerd/certs.d";
/// Directories that distributions name in `config_path` and leave to the administrator to make.
const PRESET: [&str; 4] = [USUAL, "/etc/docker/certs.d", "/etc/containerd/hosts.d", "/etc/cri/conf.d/hosts"];

/// What directories of registries are called.
pub(super) const USUAL_NAMES: [&str; 2] = ["certs.d", "hosts.d"];

impl Lint<'_, '_> {
    pub(super) fn config_path(&mut self, found: &mut Vec<Finding>) {
        let start = whole(self.config);
        let written = self.settings.config_path.as_ref();
        let place = written.map_or(&start, |(_, place)| place);
        let written = written.filter(|(path, _)| !path.is_empty());
        let split = self.config_path.contains(':') && self.mode == PullMode::Transfer;
        if split {
            self.not_split(written.is_some(), place, found);
        }
        if self.config_path.is_empty() && self.holds_registries(USUAL) {
            found.push(self.unset(place));
        }
        for path in written.iter().flat_map(|(path, _)| path.split(':')).filter(|path| !path.starts_with('/')) {
            let message = format!("`{path}` is relative: it starts at containerd's own directory, usually /");
            found.push(warning("config_path_relative", place, message, "write it from the root"));
        }
        if written.is_some() && !split {
            self.roots(place, found);
        }
    }

    fn unset(&self, place: &SourceLocation) -> Finding {
        if self.is_typed() {
            let message = format!("--certs-d names no directory: containerd would read none of those in {USUAL}");
            return warning("config_path_unset", place, message, format!("write --certs-d {USUAL}"));
        }
        let message = format!("{USUAL} has directories, but config_path is not set: containerd reads none of them");
        let set = format!("`config_path = \"{USUAL}\"` in {}", self.registry_section());
        let mirrors = self.settings.mirrors.first().map(|mirror| ("registry.mirrors", &mirror.place));
        let tls = self.settings.configs.iter().find(|config| config.tls.is_some());
        let tls = tls.map(|config| ("registry.configs.*.tls", &config.place));
        let excluded: Vec<String> =
            [mirrors, tls].into_iter().flatten().map(|(key, place)| format!("`{key}` ({place})")).collect();
        let fix = if excluded.is_empty() {
            format!("set {set} and restart containerd")
        } else {
            format!(
                "move {} to hosts.toml files below {USUAL}, remove them here and set {set}, all in one change, then restart containerd: beside them, `config_path` keeps its CRI plugin from starting",
                excluded.join(" and ")
            )
        };
        warning("config_path_unset", place, message, fix)
    }

    /// Whether the directories were typed rather than read from config.toml.
    fn is_typed(&self) -> bool {
        self.settings.config_path.as_ref().is_some_and(|(_, place)| *place.file == *CERTS_D_FLAG)
    }

    /// Where the directories are named.
    fn naming(&self) -> &'static str {
        if self.is_typed() { CERTS_D_FLAG } else { "`config_path`" }
    }

    /// Several directories, and a client that takes them for one.
    fn not_split(&mut self, written: bool, place: &SourceLocation, found: &mut Vec<Finding>) {
        let message = format!(
            "the transfer service takes `{}` for one directory, which does not exist: no hosts.toml is read",
            self.config_path
        );
        let used = DEFAULT_CONFIG_PATH.split(':').any(|path| self.holds_registries(path));
        // Of the preset, which 2.2 also prints as its default, nothing is lost while there is nothing to read.
        if !used && self.config_path == DEFAULT_CONFIG_PATH {
            return;
        }
        if written {
            let fix = format!("name one directory in {}, or set `use_local_image_pull = true`", self.naming());
            found.push(error("config_path_colon", place, message, fix));
            return;
        }
        let make = if used { error } else { info };
        let (what, fix) = if self.is_typed() {
            ("--certs-d names no directory", format!("write --certs-d {USUAL}"))
        } else {
            ("config_path is not set", format!("set `config_path = \"{USUAL}\"` in {}", self.registry_section()))
        };
        let message = format!("{what}, and {message}");
        found.push(make("config_path_default_unread", place, message, fix));
    }

    fn roots(&mut self, place: &SourceLocation, found: &mut Vec<Finding>) {
        let registry = self.registry;
        let HostSource::CertsD { roots } = &registry.source else { return };
        for root in roots {
            match &root.state {
                // Beside one that is there it is a place that the distribution leaves open.
                RootState::Missing if roots.iter().any(|other| is_listed(&other.state)) => {}
                RootState::Missing => self.missing(&root.path, place, found),
                RootState::Fault(words) => {
                    let message =
                        format!("no image can be pulled: looking up a registry in {} fails with `{words}`", root.path);
                    found.push(error("config_path_unusable", place, message, "make it a directory"));
                }
                RootState::Unread(why) => found.push(unread(&whole(&root.path), why)),
                RootState::Listed { .. } => {}
            }
        }
        let read_elsewhere = roots.iter().any(|root| is_listed(&root.state));
        if read_elsewhere && !roots.iter().any(|root| root.path == USUAL) && self.holds_hosts_files(USUAL) {
            let named: Vec<&str> = roots.iter().map(|root| root.path.as_str()).collect();
            let naming = if self.is_typed() { CERTS_D_FLAG } else { "its config_path" };
            let message = format!("containerd reads nothing here: {naming} is {}", named.join(":"));
            let fix = format!("move the directories to {}, or point {} here", named.join(" or "), self.naming());
            found.push(warning("certs_d_unread", &whole(USUAL), message, fix));
        }
    }

    /// Most distributions name a directory that need not be there; beside a likely one it is a mistake.
    fn missing(&mut self, path: &str, place: &SourceLocation, found: &mut Vec<Finding>) {
        let meant = self.meant(path);
        let conventional = USUAL_NAMES.iter().any(|name| ends_in(path, &format!("/{name}")))
            && self.reader.stat(directory(path)).is_ok();
        if meant.is_none() && (PRESET.contains(&path) || conventional) {
            return;
        }
        let message = format!("{path} does not exist: every registry is asked directly");
        let fix = meant.map_or_else(
            || format!("create the directory, or correct {}", self.naming()),
            |meant| format!("{meant} has directories of registries: name it in {}, or move them", self.naming()),
        );
        found.push(warning("config_path_missing", place, message, fix));
    }

    /// A directory that is there, with the content that the missing one was to have.
    fn meant(&mut self, missing: &str) -> Option<String> {
        let parent = directory(missing).to_owned();
        let (beside, _) = self.reader.list_some(&parent).unwrap_or_default();
        let name = missing.rsplit('/').next().unwrap_or_default();
        let directories = beside.iter().filter(|entry| entry.kind == EntryKind::Directory);
        let near = directories
            .filter_map(|entry| entry.name.to_str())
            .filter(|other| USUAL_NAMES.contains(other) || nearest(name, [*other]).is_some());
        let mut candidates: Vec<String> = near.map(|other| join(&parent, other)).collect();
        candidates.push(USUAL.into());
        candidates.into_iter().find(|path| self.holds_hosts_files(path))
    }

    fn holds_registries(&mut self, path: &str) -> bool {
        self.reader.list_some(path).is_ok_and(|(entries, _)| !entries.is_empty())
    }

    fn holds_hosts_files(&mut self, path: &str) -> bool {
        let (entries, _) = self.reader.list_some(path).unwrap_or_default();
        let names = entries.iter().take(64).filter_map(|entry| entry.name.to_str());
        names.into_iter().any(|name| self.reader.stat(&join(path, &format!("{name}/hosts.toml"))).is_ok())
    }
}

fn is_listed(state: &RootState) -> bool {
    matches!(state, RootState::Listed { .. })
}
