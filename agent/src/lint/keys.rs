//! Keys of config.toml that containerd does not know, or knows elsewhere.

use go::toml::{Dialect, Table, Value};

use super::{Lint, error, warning};
use crate::containerd::config::migrate::{IMAGES, OLD_CRI};
use crate::model::finding::Finding;
use crate::model::nearest::nearest;
use crate::redact::urls;

const TOP: &[&str] = &[
    "version",
    "root",
    "state",
    "temp",
    "plugin_dir",
    "grpc",
    "ttrpc",
    "debug",
    "metrics",
    "disabled_plugins",
    "required_plugins",
    "plugins",
    "oom_score",
    "cgroup",
    "proxy_plugins",
    "timeouts",
    "imports",
    "stream_processors",
    // Gone since 1.3, ignored, and still in what Flatcar ships.
    "subreaper",
];

/// Keys of the file that no plugin has: below a header they belong to its table, wherever they were meant to be.
const OF_THE_FILE: &[&str] = &["plugins", "imports", "disabled_plugins", "proxy_plugins", "stream_processors"];

const OLD: &[&str] = &[
    "containerd",
    "cni",
    "registry",
    "image_decryption",
    "disable_tcp_service",
    "stream_server_address",
    "stream_server_port",
    "stream_idle_timeout",
    "enable_selinux",
    "selinux_category_range",
    "sandbox_image",
    "stats_collect_period",
    "systemd_cgroup",
    "enable_tls_streaming",
    "x509_key_pair_streaming",
    "max_container_log_line_size",
    "disable_cgroup",
    "disable_apparmor",
    "restrict_oom_score_adj",
    "max_concurrent_downloads",
    "disable_proc_mount",
    "unset_seccomp_profile",
    "tolerate_missing_hugetlb_controller",
    "disable_hugetlb_controller",
    "device_ownership_from_security_context",
    "ignore_image_defined_volumes",
    "netns_mounts_under_state_dir",
    "enable_unprivileged_ports",
    "enable_unprivileged_icmp",
    "enable_cdi",
    "cdi_spec_dirs",
    "image_pull_progress_timeout",
    "drain_exec_sync_io_timeout",
    "image_pull_with_sync_fs",
    "ignore_deprecation_warnings",
];

const NEW: &[&str] = &[
    "snapshotter",
    "disable_snapshot_annotations",
    "discard_unpacked_layers",
    "pinned_images",
    "runtime_platforms",
    "registry",
    "image_decryption",
    "max_concurrent_downloads",
    "concurrent_layer_fetch_buffer",
    "image_pull_progress_timeout",
    "image_pull_with_sync_fs",
    "stats_collect_period",
    "use_local_image_pull",
];

/// What the migration of containerd 2.x itself leaves behind.
const LEFT_BY_MIGRATION: &[&str] = &["runtime_platform"];

const REGISTRY: &[&str] = &["config_path", "mirrors", "configs", "auths", "headers"];
const MIRROR: &[&str] = &["endpoint"];
const CONFIG: &[&str] = &["auth", "tls"];
const AUTH: &[&str] = &["username", "password", "auth", "identitytoken"];
const TLS: &[&str] = &["insecure_skip_verify", "ca_file", "cert_file", "key_file"];

impl Lint<'_, '_> {
    pub(super) fn keys(&self, found: &mut Vec<Finding>) {
        let dialect = self.version.dialect();
        for file in &self.merged.files {
            check(&file.table, TOP, "the file itself", dialect, found);
            for (name, table) in file.table.entries.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("plugins")) {
                if let Some(table) = table.as_table() {
                    below_a_header(table, name, found);
                }
            }
            let Some(plugins) = file.table.field("plugins", dialect).and_then(Value::as_table) else { continue };
            for (id, value) in &plugins.entries {
                let Some(section) = value.as_table() else { continue };
                below_a_header(section, &format!("plugins.\"{id}\""), found);
                let known: Vec<&str> = match id.as_str() {
                    IMAGES => [NEW, LEFT_BY_MIGRATION].concat(),
                    OLD_CRI | "cri" => OLD.to_vec(),
                    _ => continue,
                };
                check(section, &known, &format!("[plugins.\"{id}\"]"), dialect, found);
                registry(section, id, dialect, found);
            }
        }
    }
}

/// A line at the end of the file belongs to the last header. What other findings are about is left to them.
fn below_a_header(table: &Table, path: &str, found: &mut Vec<Finding>) {
    let checked = ["cri\"", "images\""].iter().any(|end| path.ends_with(end)) || path.contains(".registry");
    for (key, value) in &table.entries {
        if OF_THE_FILE.contains(&key.as_str()) && !checked && !path.ends_with(".options") {
            let message = format!(
                "`{key}` stands below the header [{path}], so it is a key of that table: containerd ignores it"
            );
            let fix = "write it at the top of the file, above every header, or as a table with a header of its own";
            found.push(error("misplaced_key", &value.key, message, fix));
        } else if let Some(inner) = value.as_table() {
            below_a_header(inner, &format!("{path}.{key}"), found);
        }
    }
}

fn registry(section: &Table, id: &str, dialect: Dialect, found: &mut Vec<Finding>) {
    let Some(registry) = section.field("registry", dialect).and_then(Value::as_table) else { return };
    let place = format!("[plugins.\"{id}\".registry]");
    check(registry, REGISTRY, &place, dialect, found);
    for (key, known) in [("mirrors", MIRROR), ("configs", CONFIG), ("auths", AUTH)] {
        let entries =
            registry.field(key, dialect).and_then(Value::as_table).into_iter().flat_map(|table| &table.entries);
        for (name, entry) in entries {
            let Some(entry) = entry.as_table() else { continue };
            let name = urls::redacted(name);
            check(entry, known, &format!("registry.{key}.\"{name}\""), dialect, found);
            for (inner, known) in [("auth", AUTH), ("tls", TLS)].into_iter().filter(|_| key == "configs") {
                if let Some(table) = entry.field(inner, dialect).and_then(Value::as_table) {
                    check(table, known, &format!("registry.{key}.\"{name}\".{inner}"), dialect, found);
                }
            }
        }
    }
}

fn check(table: &Table, known: &[&str], place: &str, dialect: Dialect, found: &mut Vec<Finding>) {
    let taken: Vec<_> = known.iter().filter_map(|name| table.field(name, dialect)).map(|found| &found.key).collect();
    for (key, value) in table.entries.iter().filter(|(_, value)| !taken.contains(&&value.key)) {
        let ignored = format!("`{key}` is no key of {place}: containerd ignores it");
        found.push(if let Some(home) = belongs(key) {
            error("misplaced_key", &value.key, ignored, format!("write it in {home}"))
        } else {
            let near = nearest(key, known.iter().copied());
            let fix = near.map_or_else(|| "remove it".into(), |name| format!("did you mean `{name}`?"));
            warning("unknown_key", &value.key, ignored, fix)
        });
    }
}

/// The section where a key of the registry's settings has its place.
fn belongs(key: &str) -> Option<&'static str> {
    if OF_THE_FILE.contains(&key) {
        Some("the top of the file, above every header")
    } else if REGISTRY.contains(&key) {
        Some("the `registry` table of the plugin that pulls images")
    } else if key == "registry" {
        Some(
            "[plugins.\"io.containerd.cri.v1.images\"] (containerd 2.x) or [plugins.\"io.containerd.grpc.v1.cri\"] (1.x)",
        )
    } else if key == "use_local_image_pull" || key == "snapshotter" {
        Some(
            "[plugins.\"io.containerd.cri.v1.images\"] (containerd 2.x) or [plugins.\"io.containerd.grpc.v1.cri\".containerd] (1.x)",
        )
    } else if TLS.contains(&key) {
        Some("`registry.configs.\"HOST\".tls` (containerd 1.x), or as `ca`, `client` or `skip_verify` in hosts.toml")
    } else if key == "capabilities" || key == "skip_verify" || key == "override_path" {
        Some("hosts.toml")
    } else {
        None
    }
}
