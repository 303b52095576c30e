//! Findings about the directories of certs.d, beside what their hosts.toml says.

use std::collections::BTreeMap;

use go::place::{Position, SourceLocation};

use super::meant::port_of_directory;
use super::names::{domain_of, unreachable};
use super::{Lint, error, info, unread, warning, whole};
use crate::mirrors::certs_d::{DIRECTORY_LIMIT, HostDir, HostDirectory, RootState, Source, ends_in, is_of_volume};
use crate::mirrors::registry::HostSource;
use crate::model::finding::Finding;
use crate::model::nearest::nearest;

/// Where Spegel moves what it finds before it writes its own.
const SPEGEL_BACKUP: &str = "_backup";
/// More than a directory of one registry has entries.
const LOOK_LIMIT: usize = 64;

impl Lint<'_, '_> {
    pub(super) fn certs_d(&self, found: &mut Vec<Finding>) {
        let HostSource::CertsD { roots } = &self.registry.source else { return };
        let mut earlier: Vec<(&str, &BTreeMap<String, HostDir>)> = Vec::new();
        for root in roots {
            let RootState::Listed { entries, cut } = &root.state else { continue };
            if *cut {
                let message = format!(
                    "{} has more than {DIRECTORY_LIMIT} entries: pullprobe does not look at the rest, though containerd reads them",
                    root.path
                );
                found.push(error(
                    "certs_d_too_large",
                    &whole(&root.path),
                    message,
                    "remove directories that serve no registry",
                ));
            }
            for (name, entry) in entries.iter().filter(|(name, _)| *name != SPEGEL_BACKUP && !is_of_volume(name)) {
                self.entry(name, &format!("{}/{name}", root.path), entry, entries, found);
                hidden(name, &root.path, &earlier, found);
            }
            found.extend(entries.get(SPEGEL_BACKUP).and_then(|backup| spegel(&root.path, backup)));
            earlier.push((&root.path, entries));
        }
    }

    fn entry(
        &self,
        name: &str,
        path: &str,
        entry: &HostDir,
        beside: &BTreeMap<String, HostDir>,
        found: &mut Vec<Finding>,
    ) {
        let reach = unreachable(name);
        match entry {
            HostDir::Missing if reach.is_some() => {}
            HostDir::Missing => {
                let message = format!("the link `{name}` leads to nothing: containerd treats {name} as missing");
                found.push(warning(
                    "host_dir_dangling",
                    &whole(path),
                    message,
                    "correct the link (`readlink -f` shows where it ends), or mount its target into pullprobe's host root too",
                ));
            }
            HostDir::NoDirectory(_) if is_stray(name) => found.push(misplaced(name, path)),
            HostDir::Fault(_) | HostDir::NoDirectory(_) if reach.is_some() => {}
            HostDir::Fault(words) | HostDir::NoDirectory(words) => {
                let message = format!("every pull from {name} fails: {words}");
                found.push(error(
                    "host_dir_unusable",
                    &whole(path),
                    message,
                    "make it a directory with a readable hosts.toml",
                ));
            }
            HostDir::Unread(why) => found.push(unread(&whole(&format!("{path}/hosts.toml")), why)),
            HostDir::Hosts(directory) => {
                let is_unreachable = reach.is_some();
                if let Some((why, meant)) = reach {
                    found.push(warning(
                        "host_dir_unreachable",
                        &whole(path),
                        format!("no pull looks into `{name}`: {why}"),
                        meant,
                    ));
                }
                let escaped = name.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
                if let Some(other) = escaped.filter(|escaped| beside.contains_key(escaped)) {
                    let message = format!("`{other}` is looked up first and hides this directory");
                    found.push(warning("host_dir_hidden", &whole(path), message, "keep one of the two"));
                }
                self.directory(name, directory, beside, is_unreachable, found);
            }
        }
    }

    /// A hosts.toml in a directory within that of a registry.
    fn too_deep(&self, directory: &HostDirectory) -> Option<Finding> {
        let is_other = |name: &&String| *name != "hosts.toml" && !is_of_volume(name);
        let within = directory.files.iter().take(LOOK_LIMIT).filter(is_other);
        let file = |name: &String| format!("{}/{name}/hosts.toml", directory.path);
        let (name, file) = within.map(|name| (name, file(name))).find(|(_, file)| self.reader.stat(file).is_ok())?;
        let message = format!(
            "no pull reads this file: containerd looks for hosts.toml in {} itself, and ignores directories below it",
            directory.path
        );
        let fix = if directory.path.ends_with("/certs.d") || name.contains('.') {
            format!(
                "move the directory {name} one level up if it is a registry; else its hosts.toml to {}",
                directory.path
            )
        } else {
            format!("move it to {}/hosts.toml; containerd has no settings for a single repository", directory.path)
        };
        Some(error("hosts_file_too_deep", &whole(&file), message, fix))
    }

    fn directory(
        &self,
        name: &str,
        directory: &HostDirectory,
        beside: &BTreeMap<String, HostDir>,
        is_unreachable: bool,
        found: &mut Vec<Finding>,
    ) {
        let has_default = beside.contains_key("_default");
        let domain = domain_of(name);
        let too_deep = self.too_deep(directory);
        // What nobody looks into has told enough.
        let is_told = too_deep.is_some() || is_unreachable;
        found.extend(too_deep);
        if !is_unreachable {
            found.extend(port_of_directory(domain.as_deref(), directory, beside));
        }
        let file = SourceLocation::new(format!("{}/hosts.toml", directory.path), Position::START);
        match &directory.source {
            Source::HostsToml(table) => {
                self.hosts_file(domain.as_deref(), directory, table, found);
                let stray = directory.files.iter().find(|file| ends_in(file, ".crt") || ends_in(file, ".cert"));
                if let Some(stray) = stray.filter(|stray| !names(directory, stray)) {
                    let message =
                        format!("{stray} is ignored: certificate files count only where there is no hosts.toml");
                    found.push(warning(
                        "certificate_files_ignored",
                        &file,
                        message,
                        "name it in hosts.toml as `ca` or `client`",
                    ));
                }
            }
            Source::Rejected(rejection) => {
                let message = format!(
                    "containerd {} rejects this file ({}) and goes on as if it were missing: its mirrors are dropped and the registry is asked directly",
                    self.version, rejection.reason
                );
                found.push(error(
                    "hosts_file_invalid",
                    &rejection.place,
                    message,
                    "correct the line; containerd logs `failed to decode` until then",
                ));
            }
            Source::CertificateFiles if directory.files.iter().any(|file| file == "hosts.toml") => {
                found.push(self.hosts_file_without_content(&file, directory));
            }
            Source::CertificateFiles => without_hosts_file(name, directory, has_default, is_told, found),
        }
        certificate_fault(name, directory, found);
    }

    /// A hosts.toml that is there and counts as missing.
    fn hosts_file_without_content(&self, file: &SourceLocation, directory: &HostDirectory) -> Finding {
        let effect = "containerd goes on as if there were none: the registry is asked directly";
        if self.reader.stat(&file.file).is_ok() {
            let message = format!("the file has no content: {effect}");
            return warning("hosts_file_empty", file, message, "write its hosts, or remove the directory");
        }
        let message = format!("hosts.toml is a link that leads to nothing: {effect}");
        let fix = format!(
            "correct the link (`readlink -f {}/hosts.toml` shows where it ends), or mount its target into pullprobe's host root too",
            directory.path
        );
        error("hosts_file_dangling", file, message, fix)
    }
}

fn certificate_fault(name: &str, directory: &HostDirectory, found: &mut Vec<Finding>) {
    if matches!(directory.source, Source::Rejected(_) | Source::CertificateFiles)
        && let Err(fault) = &directory.server.tls
    {
        if fault.unread {
            return found.push(unread(&whole(&fault.path), &fault.go_message));
        }
        let message = format!("every pull from {name} fails: {}", fault.go_message);
        found.push(error(
            "tls_file_unusable",
            &whole(&fault.path),
            message,
            "put a PEM file in its place, or remove it",
        ));
    }
}

/// Whether the file was meant for the directory of a registry.
fn is_stray(name: &str) -> bool {
    [".toml", ".crt", ".cert", ".key", ".pem"].iter().any(|ending| ends_in(name, ending))
}

fn misplaced(name: &str, path: &str) -> Finding {
    let message = format!("no pull reads this file: containerd looks for {name} in the directory of each registry");
    let fix = format!("move it to REGISTRY/{name}, or to _default/{name} for all other registries");
    error("hosts_file_misplaced", &whole(path), message, fix)
}

/// A directory in which only certificate files count.
fn without_hosts_file(
    name: &str,
    directory: &HostDirectory,
    has_default: bool,
    is_told: bool,
    found: &mut Vec<Finding>,
) {
    let has = |ending: &str| directory.files.iter().any(|file| ends_in(file, ending));
    let misnamed = directory.files.iter().find(|file| {
        ["host.conf", "hosts.conf", "hosts.yaml", "hosts.yml", "config.toml"].contains(&file.as_str())
            || file.starts_with("hosts.toml.")
            || (*file != "hosts.toml" && nearest(file, ["hosts.toml"]).is_some())
    });
    if let Some(misnamed) = misnamed {
        let mut message = format!("containerd reads hosts.toml, not {misnamed}");
        if has_default && name != "_default" {
            message += ": the registry is asked directly, because the directory hides _default from it even so";
        }
        found.push(error(
            "hosts_file_misnamed",
            &whole(&format!("{}/{misnamed}", directory.path)),
            message,
            "rename it to hosts.toml",
        ));
    } else if has(".pem") || (has(".key") && !has(".cert")) {
        let message =
            "without hosts.toml only *.crt (authorities) and *.cert with *.key (client certificates) are read";
        found.push(warning(
            "certificate_files_ignored",
            &whole(&directory.path),
            message,
            "rename the authority to *.crt, or name it in hosts.toml",
        ));
    } else if !has(".crt") && !has(".cert") && !is_told {
        let hides_default = has_default && name != "_default";
        let make = if hides_default { warning } else { info };
        let message = if hides_default {
            "the directory has no settings, and hides _default from its registry"
        } else {
            "the directory has no settings"
        };
        found.push(make(
            "host_dir_empty",
            &whole(&directory.path),
            message,
            "add a hosts.toml, or remove the directory",
        ));
    }
}

/// The configuration from before Spegel was installed. containerd does not read it, and it is the only copy.
fn spegel(root: &str, backup: &HostDir) -> Option<Finding> {
    let HostDir::Hosts(directory) = backup else { return None };
    let of = match directory.files.as_slice() {
        [] => return None,
        registries => registries.iter().take(8).cloned().collect::<Vec<_>>().join(", "),
    };
    let message = format!(
        "Spegel moved what was configured for {of} to this directory and wrote its own. containerd does not read this one"
    );
    let fix = "to use both, set `spegel.prependExisting: true` in Spegel's chart: it then asks these hosts after its own. \
               Without Spegel, move the directories back";
    let finding = info("spegel_backup", &whole(&format!("{root}/{SPEGEL_BACKUP}")), message, fix);
    Some(directory.files.iter().fold(finding, Finding::about))
}

/// Whether hosts.toml names a file of its directory.
fn names(directory: &HostDirectory, file: &str) -> bool {
    let path = format!("{}/{file}", directory.path);
    directory.hosts.iter().chain([&directory.server]).any(|host| {
        let tls = &host.spec.tls;
        tls.ca.iter().flatten().chain(tls.client.iter().map(|(certificate, _)| certificate)).any(|named| *named == path)
    })
}

/// An earlier directory of `config_path` that serves the registry already.
fn hidden(name: &str, root: &str, earlier: &[(&str, &BTreeMap<String, HostDir>)], found: &mut Vec<Finding>) {
    let hiding = earlier.iter().find_map(|(path, entries)| {
        let by = [name, "_default"].into_iter().find(|by| {
            matches!(
                entries.get(*by),
                Some(HostDir::Hosts(_) | HostDir::Fault(_) | HostDir::NoDirectory(_) | HostDir::Unread(_))
            )
        })?;
        Some(format!("{path}/{by}"))
    });
    if let Some(hiding) = hiding {
        let message = format!("{hiding} is found first and hides this directory: directories are not merged");
        found.push(warning(
            "host_dir_hidden",
            &whole(&format!("{root}/{name}")),
            message,
            "keep each registry, and _default, in one directory of `config_path`",
        ));
    }
}
