//! How containerd 2.x carries settings of older schemas over to the plugins it has now.

use super::super::document::{Data, Place, Table, Value};
use crate::model::containerd::Version;

/// The CRI plugin of containerd 1.x, and what remains of it.
pub const OLD_CRI: &str = "io.containerd.grpc.v1.cri";
/// The plugin that pulls images in containerd 2.x.
pub const IMAGES: &str = "io.containerd.cri.v1.images";

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

/// Gives every plugin of a file of schema 1 its long name.
pub fn short_names(plugins: &mut Table, disabled: &mut [(String, Place)], required: &mut [(String, Place)]) {
    for (name, _) in disabled.iter_mut().chain(required) {
        *name = long_name(name);
    }
    for (id, _) in &mut plugins.entries {
        *id = long_name(id);
    }
}

/// Copies what the old CRI section says of images to the new plugin, over what stands there.
pub fn sections(plugins: &mut Table, schema: i64, version: Version) {
    if schema >= i64::from(version.config_schema()) {
        return;
    }
    let Some(old) = plugins.get(OLD_CRI).cloned() else { return };
    let Some(section) = old.as_table() else { return };
    let mut images = plugins.table(IMAGES).cloned().unwrap_or_default();
    carry(section, &mut images);
    plugins.set(IMAGES, Value { data: Data::Table(images), ..old });
}

fn carry(old: &Table, images: &mut Table) {
    if let Some(sandbox) = old.get("sandbox_image") {
        let mut pinned = images.table("pinned_images").cloned().unwrap_or_default();
        pinned.set("sandbox", sandbox.clone());
        let wrapper = Value { data: Data::Table(pinned), ..sandbox.clone() };
        images.set("pinned_images", wrapper);
    }
    let keys = [
        "registry",
        "image_decryption",
        "max_concurrent_downloads",
        "image_pull_progress_timeout",
        "image_pull_with_sync_fs",
        "stats_collect_period",
    ];
    move_keys(old, images, &keys);
    // Without runtimes these three are left behind.
    if let Some(containerd) = old.table("containerd").filter(|containerd| containerd.get("runtimes").is_some()) {
        move_keys(containerd, images, &["snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers"]);
    }
}

fn move_keys(from: &Table, to: &mut Table, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(key) {
            to.set(key, value.clone());
        }
    }
}
