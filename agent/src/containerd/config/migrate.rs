//! How containerd 2.x carries settings of older schemas over to the plugins it has now.

use go::place::SourceLocation;
use go::toml::{Data, Table, Value};

use crate::containerd::config_keys::check::go_type;
use crate::version::Version;

/// The CRI plugin of containerd 1.x, and what remains of it.
pub const OLD_CRI: &str = "io.containerd.grpc.v1.cri";
/// The plugin that pulls images in containerd 2.x.
pub const IMAGES: &str = "io.containerd.cri.v1.images";

/// And the one that runs pods there.
pub const RUNTIME: &str = "io.containerd.cri.v1.runtime";
const TASK: &str = "io.containerd.runtime.v2.task";
const SHIM: &str = "io.containerd.shim.v1.manager";
const RENAMED: [(&str, &str); 2] = [
    ("io.containerd.monitor.v1.cgroups", "io.containerd.monitor.task.v1.cgroups"),
    ("io.containerd.internal.v1.restart", "io.containerd.monitor.container.v1.restart"),
];
/// What of the old CRI section is the images plugin's.
const IMAGE_KEYS: [&str; 6] = [
    "registry",
    "image_decryption",
    "max_concurrent_downloads",
    "image_pull_progress_timeout",
    "image_pull_with_sync_fs",
    "stats_collect_period",
];
/// And of its `containerd` table.
const CONTAINERD_KEYS: [&str; 3] = ["snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers"];
/// What stays with the server of CRI.
const SERVER_KEYS: [&str; 6] = [
    "disable_tcp_service",
    "stream_server_address",
    "stream_server_port",
    "stream_idle_timeout",
    "enable_tls_streaming",
    "x509_key_pair_streaming",
];

impl Version {
    /// `bin_dir` became a list.
    fn has_cni_bin_dirs(self) -> bool {
        (self.major, self.minor) >= (2, 1)
    }
}

/// The long name of a plugin of schema 1. A name with a dot is long already.
pub fn long_name(name: &str) -> String {
    let prefix = match name {
        name if name.contains('.') => return name.to_owned(),
        "cgroups" => "monitor.v1.",
        "linux" => "runtime.v1.",
        "scheduler" => "gc.v1.",
        "bolt" => "metadata.v1.",
        "task" => "runtime.v2.",
        "opt" | "restart" | "tracing" => "internal.v1.",
        "otlp" => "tracing.processor.v1.",
        "aufs" | "btrfs" | "devmapper" | "native" | "overlayfs" | "zfs" | "windows" | "windows-lcow" => {
            "snapshotter.v1."
        }
        name if name.ends_with("-service") => "service.v1.",
        _ => "grpc.v1.",
    };
    format!("io.containerd.{prefix}{name}")
}

/// The name that containerd 1.x has for a plugin in a file of schema 1: what follows its type.
pub fn short_name(id: &str) -> &str {
    let type_ends = id.match_indices(".v").find_map(|(at, _)| {
        let rest = id.get(at + 2..)?;
        rest.strip_prefix(|c: char| c.is_ascii_digit()).and_then(|rest| rest.strip_prefix('.'))
    });
    type_ends.unwrap_or(id)
}

/// Gives every plugin of a file of schema 1 its long name.
pub fn short_names(
    plugins: &mut Table,
    disabled: &mut [(String, SourceLocation)],
    required: &mut [(String, SourceLocation)],
) {
    for (name, _) in disabled.iter_mut().chain(required) {
        *name = long_name(name);
    }
    for (id, _) in &mut plugins.entries {
        *id = long_name(id);
    }
}

/// Carries the sections of older schemas over to the plugins that containerd 2.x has for them. `Err`: where it fails,
/// with Go's words.
pub fn sections(plugins: &mut Table, schema: i64, version: Version) -> Result<(), (SourceLocation, String)> {
    if schema >= i64::from(version.config_schema()) {
        return Ok(());
    }
    for (old, new) in RENAMED {
        if let Some(section) = plugins.remove(old) {
            plugins.set(new, section);
        }
    }
    if let Some(old) = plugins.get(TASK) {
        table(old)?;
        let moved = Value { data: Data::Table(Table::default()), ..old.clone() };
        plugins.set(SHIM, moved);
    }
    let Some(old) = plugins.get(OLD_CRI).cloned() else { return Ok(()) };
    let section = table(&old)?;
    let mut images = match plugins.get(IMAGES) {
        Some(images) => table(images)?.clone(),
        None => Table::default(),
    };
    carry(section, &mut images)?;
    let mut runtime = plugins.table(RUNTIME).cloned().unwrap_or_default();
    carry_runtime(section, &mut runtime, version)?;
    let mut server = Table::default();
    move_keys(section, &mut server, &SERVER_KEYS);
    for (id, table) in [(IMAGES, images), (RUNTIME, runtime), (OLD_CRI, server)] {
        plugins.set(id, Value { data: Data::Table(table), ..old.clone() });
    }
    Ok(())
}

/// The value as a table. If it is none, Go panics here.
fn table(value: &Value) -> Result<&Table, (SourceLocation, String)> {
    value.as_table().ok_or_else(|| panics(value, "map[string]interface {}"))
}

fn panics(value: &Value, wanted: &str) -> (SourceLocation, String) {
    let words = format!("panic: interface conversion: interface {{}} is {}, not {wanted}", go_type(&value.data));
    (value.key.clone(), words)
}

/// What is neither of images nor of the server goes to the runtime's plugin, unless it has the key already.
fn carry_runtime(old: &Table, runtime: &mut Table, version: Version) -> Result<(), (SourceLocation, String)> {
    let apart = |key: &str| {
        ["cni", "containerd", "sandbox_image"].contains(&key) || IMAGE_KEYS.contains(&key) || SERVER_KEYS.contains(&key)
    };
    for (key, value) in old.entries.iter().filter(|(key, _)| !apart(key)) {
        keep(runtime, key, value);
    }
    for name in ["cni", "containerd"] {
        let Some(from) = old.get(name) else { continue };
        let Some(table) = from.as_table() else { continue };
        let mut to = runtime.table(name).cloned().unwrap_or_default();
        for (key, value) in &table.entries {
            if name == "cni" && key == "bin_dir" && version.has_cni_bin_dirs() {
                let dirs = value.as_str().is_some().then(|| Data::Array(vec![value.clone()]));
                let data = dirs.ok_or_else(|| panics(value, "string"))?;
                to.set("bin_dirs", Value { data, ..value.clone() });
            } else if !(name == "containerd" && CONTAINERD_KEYS.contains(&key.as_str())) {
                keep(&mut to, key, value);
            }
        }
        runtime.set(name, Value { data: Data::Table(to), ..from.clone() });
    }
    Ok(())
}

fn keep(table: &mut Table, key: &str, value: &Value) {
    if table.get(key).is_none() {
        table.set(key, value.clone());
    }
}

fn carry(old: &Table, images: &mut Table) -> Result<(), (SourceLocation, String)> {
    if let Some(pinned) = images.get("pinned_images") {
        table(pinned)?;
    }
    if let Some(sandbox) = old.get("sandbox_image") {
        let mut pinned = images.table("pinned_images").cloned().unwrap_or_default();
        pinned.set("sandbox", sandbox.clone());
        let wrapper = Value { data: Data::Table(pinned), ..sandbox.clone() };
        images.set("pinned_images", wrapper);
    }
    move_keys(old, images, &IMAGE_KEYS);
    let Some(containerd) = old.get("containerd") else { return Ok(()) };
    let containerd = table(containerd)?;
    // Without runtimes the three are left behind.
    let Some(runtimes) = containerd.get("runtimes") else { return Ok(()) };
    for (_, runtime) in &table(runtimes)?.entries {
        table(runtime)?;
    }
    move_keys(containerd, images, &CONTAINERD_KEYS);
    Ok(())
}

fn move_keys(from: &Table, to: &mut Table, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(key) {
            to.set(key, value.clone());
        }
    }
}
