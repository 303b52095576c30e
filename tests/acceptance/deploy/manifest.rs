//! What is made of the chart is what the chart says today: the plain manifest, and the table of its values.

use super::tools::{command, items, path, refusal, success, text, yaml};

#[test]
fn the_manifest_and_the_table_of_values_are_up_to_date() {
    let scratch = tempfile::tempdir().unwrap();
    let (manifest, table) = (scratch.path().join("manifest.yaml"), scratch.path().join("table.md"));
    success(command(path("deploy/render.sh"), [&manifest, &table]).current_dir("/"));
    let fresh = std::fs::read_to_string(manifest).unwrap();
    assert!(fresh.contains("kind: DaemonSet") && !fresh.contains("helm.sh/hook"), "{fresh}");
    assert!(text("deploy/manifests/pullprobe.yaml") == fresh, "the chart has changed: run deploy/render.sh");
    let fresh = std::fs::read_to_string(table).unwrap();
    assert!(text("docs/chart.md") == fresh, "the chart's values have changed: run deploy/render.sh");
}

/// The control: a value without a word is not left out silently.
#[test]
fn a_value_that_is_not_explained_is_refused() {
    let chart = tempfile::tempdir().unwrap();
    let values = text("deploy/helm/pullprobe/values.yaml") + "\nunexplained: {more: 1}\n";
    std::fs::write(chart.path().join("values.yaml"), values).unwrap();
    let python = path("target/venv/bin/python");
    let mut table = command(python, [path("tests/tools/chart_values.py"), chart.path().to_owned()]);
    let said = refusal(&mut table);
    assert!(said.contains("says nothing of unexplained"), "{said}");
}

#[test]
fn the_base_for_kustomize_is_the_manifest() {
    let base = yaml(&path("deploy/manifests/kustomization.yaml"));
    assert_eq!(base["kind"], "Kustomization");
    let resources = items(&base["resources"]);
    assert_eq!(resources, ["pullprobe.yaml"]);
    assert!(path("deploy/manifests/pullprobe.yaml").is_file());
}
