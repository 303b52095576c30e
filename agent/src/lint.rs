//! Findings about containerd's files: where they do not do what they seem to say.
//!
//! Findings never change what is planned; they tell why it is so. Each code has a paragraph in
//! `docs/findings.md`.

mod certs_d;
mod config;
mod config_path;
mod host;
mod hosts;
mod impossible;
mod keys;
mod meant;
mod names;
mod registry_mirrors;
mod sections;

#[cfg(test)]
mod tests;

pub use meant::other_ports;

use go::place::{Position, SourceLocation};

use crate::containerd::config::{ConfigFault, FaultKind, Merged};
use crate::containerd::configured::CERTS_D_FLAG;
use crate::containerd::reader::Reader;
use crate::containerd::settings::Settings;
use crate::mirrors::registry::RegistrySettings;
use crate::model::finding::{Finding, Severity};
use crate::version::{PullMode, Version, VersionSource};

/// The closed set of codes of this room.
pub const CODES: &[&str] = &[
    // config.toml keeps containerd or its CRI plugin from starting
    "config_syntax",
    "config_type",
    "config_import",
    "config_schema",
    "plugin_name_invalid",
    "config_refused",
    "cri_disabled",
    "mirrors_and_config_path",
    "configs_tls_and_config_path",
    "config_value_invalid",
    // what pullprobe does not read
    "file_unread",
    // config.toml
    "config_missing",
    "import_circular",
    "version_assumed",
    "version_unknown",
    "unknown_key",
    "misplaced_key",
    "wrong_plugin_section",
    "section_replaced",
    "schema_deprecated",
    "schema_newer",
    "registry_keys_deprecated",
    "config_path_unset",
    "certs_d_unread",
    "config_path_colon",
    "config_path_default_unread",
    "config_path_missing",
    "config_path_unusable",
    "config_path_relative",
    "transfer_config_path",
    "configs_tls_ignored",
    "configs_auth_docker_io",
    "containerd_auth_invalid",
    "conf_d_not_imported",
    "snapshotter_not_unpacked",
    "local_pull_forced",
    "mirror_path_without_v2",
    "mirror_endpoint_unusable",
    // directories of certs.d
    "certs_d_too_large",
    "host_dir_unusable",
    "host_dir_unreachable",
    "host_dir_hidden",
    "host_dir_empty",
    "registry_port_differs",
    "hosts_file_too_deep",
    "spegel_backup",
    "host_dir_dangling",
    "hosts_file_misnamed",
    "hosts_file_misplaced",
    "hosts_file_empty",
    "hosts_file_dangling",
    "certificate_files_ignored",
    // hosts.toml
    "hosts_file_invalid",
    "hosts_file_unknown_key",
    "host_vanishes",
    "host_url_unusable",
    "host_scheme_missing",
    "header_replaced_by_token",
    "server_without_settings",
    "host_userinfo_dropped",
    "host_path_v2",
    "override_path_without_v2",
    "scheme_port_mismatch",
    "host_rewrite",
    "secret_world_readable",
    "host_repeated",
    "host_without_resolve",
    "no_host_resolves",
    "server_docker_io",
    "root_capabilities_ignored",
    "tls_file_unusable",
    "tls_path_relative",
    "skip_verify",
    "plain_http",
    "http_upgraded",
    "dial_timeout_ignored",
    "dial_timeout_odd",
];

/// All that was made of the files.
pub struct Lint<'a, 'r> {
    pub reader: &'a mut Reader<'r>,
    pub version: Version,
    pub source: VersionSource,
    /// The configuration file that was asked for.
    pub config: &'a str,
    pub merged: &'a Merged,
    pub settings: &'a Settings,
    pub config_path: &'a str,
    pub mode: PullMode,
    pub mode_reason: &'a str,
    pub registry: &'a RegistrySettings,
    pub fatal: Option<&'a ConfigFault>,
    pub unpack_error: Option<&'a str>,
}

impl Lint<'_, '_> {
    pub fn findings(mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        found.extend(self.fatal.map(Self::fault));
        self.keys(&mut found);
        self.sections(&mut found);
        self.version(&mut found);
        // The settings of files that do not load are not those of any containerd.
        if !self.fatal.is_some_and(|fault| fault.kind.hides_settings()) {
            self.config(&mut found);
            self.mirrors(&mut found);
            self.config_path(&mut found);
            self.certs_d(&mut found);
        }
        found
    }

    fn fault(fault: &ConfigFault) -> Finding {
        let (code, fix) = match fault.kind {
            FaultKind::Syntax => (
                "config_syntax",
                "correct the line and restart containerd; `containerd -c FILE config dump` shows whether it parses",
            ),
            FaultKind::WrongType => ("config_type", "give the key a value of the type that containerd expects"),
            FaultKind::Import if fault.place.position.is_none() => {
                ("config_import", "put containerd's configuration there, or name its file by `--containerd-config`")
            }
            FaultKind::Import => ("config_import", "create the imported file, or take it out of `imports`"),
            FaultKind::SchemaVersion => {
                ("config_schema", "write the `version` that this containerd knows, or upgrade containerd")
            }
            FaultKind::PluginName => {
                ("plugin_name_invalid", "write the plugin's full name, such as io.containerd.grpc.v1.cri")
            }
            FaultKind::Refused => (
                "config_refused",
                "give the key a value that containerd can read, or take a plugin that does not load out of `required_plugins`",
            ),
            FaultKind::CriDisabled => {
                ("cri_disabled", "take the plugin out of `disabled_plugins` and restart containerd")
            }
            FaultKind::MirrorsAndConfigPath => (
                "mirrors_and_config_path",
                "move the mirrors to hosts.toml files below `config_path` and remove them here",
            ),
            FaultKind::ConfigsTlsAndConfigPath => (
                "configs_tls_and_config_path",
                "move `ca_file` and the other keys to hosts.toml as `ca`, `client` and `skip_verify`",
            ),
            FaultKind::InvalidValue => ("config_value_invalid", "give the key a value that containerd can read"),
            FaultKind::Unread => ("file_unread", READABLE),
        };
        let what = if fault.kind == FaultKind::Unread {
            "containerd's configuration is unknown"
        } else if fault.kind.stops_containerd() {
            "containerd does not start"
        } else {
            "containerd starts without CRI, so kubelet can pull nothing"
        };
        Finding::new(Severity::Error, code, format!("{what}: {}", fault.message), fix).located(&fault.place)
    }
}

/// The fix that lets pullprobe read the file.
const READABLE: &str = "run pullprobe as root, as containerd is, and make it a file of at most 1 MiB";

/// It is unknown what containerd does with a file, because pullprobe does not read it.
fn unread(place: &SourceLocation, why: &str) -> Finding {
    let message = format!("what containerd does with this file is unknown: {why}");
    error("file_unread", place, message, READABLE)
}

/// The finding about an unread file that is not part of containerd's configuration.
pub(super) fn beside(fault: &ConfigFault) -> Finding {
    unread(&whole(&fault.place.file), &fault.message)
}

fn note(
    severity: Severity,
    code: &'static str,
    place: &SourceLocation,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    let finding = Finding::new(severity, code, message, fix);
    // What was typed stands in no file.
    if *place.file == *CERTS_D_FLAG { finding } else { finding.located(place) }
}

fn error(code: &'static str, place: &SourceLocation, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    note(Severity::Error, code, place, message, fix)
}

fn warning(code: &'static str, place: &SourceLocation, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    note(Severity::Warning, code, place, message, fix)
}

fn info(code: &'static str, place: &SourceLocation, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    note(Severity::Info, code, place, message, fix)
}

/// A whole file or directory.
fn whole(path: &str) -> SourceLocation {
    SourceLocation::new(path, Position::START)
}
