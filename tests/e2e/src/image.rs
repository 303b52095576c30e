//! Images that are packed by hand and imported, so that no test depends on a pull that works.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pullprobe_lab::registry::sha256;
use serde_json::{Value, json};

use crate::process::run;
use crate::{Result, repository};

/// What sandboxes run, built from `pause.c`.
pub async fn build_pause(directory: &Path) -> Result<PathBuf> {
    let program = directory.join("pause");
    let source = repository("tests/e2e/pause.c");
    run("gcc", [Path::new("-Os"), Path::new("-static"), Path::new("-s"), Path::new("-o"), &program, &source]).await?;
    Ok(program)
}

/// Imports an image of one static program, which is `/NAME` in it and its entry point, under these names.
pub async fn import(scratch: &Path, names: &[&str], program: &Path, name: &str) -> Result {
    let root = scratch.join("root");
    fs::create_dir_all(&root)?;
    fs::copy(program, root.join(name))?;
    fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755))?;
    let layer = scratch.join("layer.tar");
    tar(&root, &layer).await?;
    let layout = scratch.join("layout");
    write_layout(&layout, names, &fs::read(&layer)?, &format!("/{name}"))?;
    let archive = scratch.join("image.tar");
    tar(&layout, &archive).await?;
    run("ctr", [Path::new("--namespace"), Path::new("k8s.io"), Path::new("images"), Path::new("import"), &archive])
        .await?;
    fs::remove_dir_all(scratch)?;
    Ok(())
}

async fn tar(directory: &Path, archive: &Path) -> Result {
    let options = ["--create", "--owner=0", "--group=0", "--file"].map(Path::new);
    run("tar", options.into_iter().chain([archive, Path::new("--directory"), directory, Path::new(".")])).await?;
    Ok(())
}

/// The OCI layout of one image for this machine's architecture.
fn write_layout(layout: &Path, names: &[&str], layer: &[u8], entry_point: &str) -> Result {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let store = |media_type: &str, content: &[u8]| -> Result<Value> {
        let digest = sha256(content);
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), content)?;
        Ok(
            json!({"mediaType": format!("application/vnd.oci.image.{media_type}"), "digest": digest, "size": content.len()}),
        )
    };
    let layer = store("layer.v1.tar", layer)?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Entrypoint": [entry_point]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = store("config.v1+json", config.to_string().as_bytes())?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]});
    let manifest = store("manifest.v1+json", manifest.to_string().as_bytes())?;
    let entry = |name: &&str| {
        let mut descriptor = manifest.clone();
        descriptor["annotations"] = json!({"io.containerd.image.name": name});
        descriptor
    };
    let index = json!({"schemaVersion": 2, "manifests": names.iter().map(entry).collect::<Vec<_>>()});
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
    Ok(())
}
