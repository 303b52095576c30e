//! Whether the plugins load that CRI stands on: those that are switched off, those that must load, and the runtime
//! that pods get by default.

use go::place::SourceLocation;
use go::toml::{Table, Value};

use super::config::migrate::{IMAGES, OLD_CRI, RUNTIME};
use super::config::{ConfigFault, FaultKind, Merged};
use super::cri_values;
use super::settings::{Settings, section_id};
use crate::version::Version;

const DEFAULT_RUNTIME: &str = "runc";
const OVERLAYFS: &str = "io.containerd.snapshotter.v1.overlayfs";

/// Without one of these CRI does not load, in any release.
const NEEDED: [&str; 13] = [
    "io.containerd.differ.v1.walking",
    "io.containerd.content.v1.content",
    "io.containerd.metadata.v1.bolt",
    "io.containerd.event.v1.exchange",
    "io.containerd.gc.v1.scheduler",
    "io.containerd.runtime.v2.task",
    "io.containerd.service.v1.containers-service",
    "io.containerd.service.v1.content-service",
    "io.containerd.service.v1.diff-service",
    "io.containerd.service.v1.images-service",
    "io.containerd.service.v1.introspection-service",
    "io.containerd.service.v1.namespaces-service",
    "io.containerd.service.v1.snapshots-service",
];
const NEEDED_TOO: &str = "io.containerd.service.v1.tasks-service";
const NEEDED_BY_1_6: [&str; 2] = ["io.containerd.service.v1.leases-service", "io.containerd.runtime.v1.linux"];
const NEEDED_BY_1_7: [&str; 6] = [
    "io.containerd.runtime.v2.shim",
    "io.containerd.runtime.v1.linux",
    "io.containerd.sandbox.controller.v1.local",
    "io.containerd.sandbox.store.v1.local",
    "io.containerd.warning.v1.deprecations",
    "io.containerd.lease.v1.manager",
];
/// With the minor releases of 2.x that need them: the first, and the last where there is one.
const NEEDED_BY_2: [(&str, u32, Option<u32>); 13] = [
    (OLD_CRI, 0, None),
    (IMAGES, 0, None),
    (RUNTIME, 0, None),
    ("io.containerd.podsandbox.controller.v1.podsandbox", 0, None),
    ("io.containerd.sandbox.controller.v1.shim", 0, None),
    ("io.containerd.sandbox.store.v1.local", 0, None),
    ("io.containerd.shim.v1.manager", 0, None),
    ("io.containerd.warning.v1.deprecations", 0, None),
    ("io.containerd.lease.v1.manager", 0, None),
    ("io.containerd.transfer.v1.local", 1, None),
    ("io.containerd.image-verifier.v1.bindir", 1, Some(2)),
    ("io.containerd.mount-manager.v1.bolt", 2, None),
    // It opens the socket.
    ("io.containerd.server.v1.grpc", 3, None),
];
/// What containerd has under `io.containerd.grpc.v1`, in any release.
const GRPC: [&str; 19] = [
    "containers",
    "content",
    "cri",
    "diff",
    "events",
    "healthcheck",
    "images",
    "introspection",
    "leases",
    "mounts",
    "namespaces",
    "sandbox-controllers",
    "sandboxes",
    "snapshots",
    "streaming",
    "tasks",
    "transfer",
    "version",
    "restart",
];

/// Why CRI is not served although the files can be read. `cri_fault`: what keeps its plugin from loading.
pub fn fault(
    merged: &Merged,
    settings: &Settings,
    version: Version,
    cri_fault: impl FnOnce() -> Option<ConfigFault>,
) -> Option<ConfigFault> {
    if let Some(fault) = not_included(merged, version) {
        return Some(fault);
    }
    let of_runtime = || default_runtime(merged, version).or_else(|| cri_values::fault(merged, version));
    let fault = disabled(merged, settings, version).or_else(cri_fault).or_else(of_runtime)?;
    let id = if section_id(merged, version) == "cri" { "cri" } else { OLD_CRI };
    let Some((_, place)) = merged.required.iter().find(|(required, _)| required == id) else { return Some(fault) };
    let message = format!("load required plugin {OLD_CRI}: {}", fault.message);
    Some(ConfigFault::new(FaultKind::Refused, message, &place.file).at(place))
}

/// Required plugins that no containerd has, or that are switched off.
fn not_included(merged: &Merged, version: Version) -> Option<ConfigFault> {
    let short = version.major < 2 && merged.schema <= 1;
    let unknown = |id: &str| match id.strip_prefix("io.containerd.grpc.v1.") {
        Some(name) => !GRPC.contains(&name),
        None => false,
    };
    let is_disabled = |id: &String| merged.disabled.iter().any(|(disabled, _)| disabled == id);
    let missing: Vec<&(String, SourceLocation)> =
        merged.required.iter().filter(|(id, _)| is_disabled(id) || (!short && unknown(id))).collect();
    let (_, place) = missing.first()?;
    let ids: Vec<&str> = missing.iter().map(|(id, _)| id.as_str()).collect();
    let message = format!("required plugin [{}] not included", ids.join(" "));
    Some(ConfigFault::new(FaultKind::Refused, message, &place.file).at(place))
}

fn disabled(merged: &Merged, settings: &Settings, version: Version) -> Option<ConfigFault> {
    let newer: Vec<&str> = match (version.major, version.minor) {
        (0 | 1, 0..=6) => NEEDED_BY_1_6.to_vec(),
        (0 | 1, _) => NEEDED_BY_1_7.to_vec(),
        (2, minor) => {
            let of =
                |(_, first, last): &&(&str, u32, Option<u32>)| (*first..=last.unwrap_or(u32::MAX)).contains(&minor);
            NEEDED_BY_2.iter().filter(of).map(|(id, ..)| *id).collect()
        }
        _ => NEEDED_BY_2.iter().filter(|(.., last)| last.is_none()).map(|(id, ..)| *id).collect(),
    };
    let snapshotter = match &settings.snapshotter {
        Some((name, _)) => format!("io.containerd.snapshotter.v1.{name}"),
        None => OVERLAYFS.to_owned(),
    };
    let mut needed: Vec<&str> = vec![OLD_CRI, &snapshotter, NEEDED_TOO];
    needed.extend(NEEDED.iter().chain(&newer));
    // The transfer service has it in its default `unpack_config`, whatever CRI uses.
    if version.pulls_by_transfer() && settings.unpack_config.is_none() {
        needed.push(OVERLAYFS);
    }
    // Only in schema 1 of containerd 1.x is a plugin switched off by the last part of its name.
    let short = version.major < 2 && merged.schema <= 1;
    let is_needed = |id: &str| needed.iter().any(|known| *known == id || (short && known.ends_with(&format!(".{id}"))));
    let (id, place) = merged.disabled.iter().find(|(id, _)| is_needed(id))?;
    let itself = [OLD_CRI, IMAGES, "cri"].contains(&id.as_str());
    let why = if itself { "so containerd serves no CRI" } else { "and CRI does not load without it" };
    let message = format!("the plugin {id} is listed in disabled_plugins, {why}");
    Some(ConfigFault::new(FaultKind::CriDisabled, message, &place.file).at(place))
}

/// `default_runtime_name` must be one of `runtimes`.
fn default_runtime(merged: &Merged, version: Version) -> Option<ConfigFault> {
    let dialect = version.dialect();
    let field = |section: &&str| {
        let section = merged.plugins.table(section)?;
        section.field("containerd", dialect)?.as_table()
    };
    let highest = i64::from(version.config_schema());
    let carried = merged.schema < highest && !version.migrates_each_file();
    let sections: &[&str] = match (version.major, carried) {
        (0 | 1, _) => &[section_id(merged, version)],
        (_, true) => &[OLD_CRI, RUNTIME],
        (_, false) => &[RUNTIME],
    };
    let sections: Vec<&Table> = sections.iter().filter_map(field).collect();
    let old_form = |section: &&Table| section.field("default_runtime", dialect).is_some();
    if version.major < 2 && sections.iter().any(old_form) {
        return None;
    }
    let named = sections.iter().find_map(|section| section.field("default_runtime_name", dialect));
    let runtimes: Vec<&Value> = sections.iter().filter_map(|section| section.field("runtimes", dialect)).collect();
    let name = named.map_or(Some(DEFAULT_RUNTIME), Value::as_str)?;
    let listed =
        runtimes.iter().filter_map(|runtimes| runtimes.as_table()).any(|runtimes| runtimes.get(name).is_some());
    // containerd 1.x forgets its own runc where the file lists runtimes.
    let preset = name == DEFAULT_RUNTIME && (version.major >= 2 || runtimes.is_empty());
    let place = named.map_or_else(|| runtimes.first().map(|value| &value.key), |value| Some(&value.at))?;
    let message = match name {
        "" => "invalid plugin config: `default_runtime_name` is empty".to_owned(),
        _ if listed || preset => return None,
        name => format!(
            "invalid plugin config: no corresponding runtime configured in `containerd.runtimes` for `containerd` `default_runtime_name = \"{name}\""
        ),
    };
    Some(ConfigFault::new(FaultKind::InvalidValue, message, &place.file).at(place))
}
