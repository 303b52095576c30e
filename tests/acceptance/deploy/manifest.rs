//! The plain manifest is what the chart renders today.

use super::tools::{command, path, success, text};

#[test]
fn the_manifest_is_up_to_date() {
    let rendered = tempfile::NamedTempFile::new().unwrap();
    success(command(path("deploy/render.sh"), [rendered.path()]).current_dir("/"));
    let fresh = std::fs::read_to_string(rendered.path()).unwrap();
    assert!(fresh.contains("kind: DaemonSet"), "{fresh}");
    assert!(text("deploy/manifests/pullprobe.yaml") == fresh, "the chart has changed: run deploy/render.sh");
}
