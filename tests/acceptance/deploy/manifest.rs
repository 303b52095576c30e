//! What is made of the chart is what the chart says today: the plain manifest, the table of its values, and the plain rules.

use super::tools::{command, items, path, refusal, success, text, yaml};

#[test]
fn what_is_rendered_is_up_to_date() {
    let rendered =
        ["deploy/manifests/pullprobe.yaml", "docs/chart.md", "deploy/alerts/pullprobe.yaml", "deploy/mixin/rules.json"];
    let scratch = tempfile::tempdir().unwrap();
    let fresh = rendered.map(|name| scratch.path().join(name.replace('/', "-")));
    success(command(path("deploy/render.sh"), &fresh).current_dir("/"));
    for (name, fresh) in rendered.iter().zip(fresh) {
        let fresh = std::fs::read_to_string(fresh).unwrap();
        assert!(fresh.len() > 1_000 && !fresh.contains("helm.sh/hook"), "{fresh}");
        assert!(text(name) == fresh, "{name}: the chart has changed: run deploy/render.sh");
    }
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
