//! The chart renders with real Helm into what the design promises, and refuses wrong values.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::tools::{command, files, helm, items, object, objects, output, path, refusal, success, text, yaml};

/// Of a message of Helm's lint.
const WARNING: i64 = 2;
/// The agent's exit code for settings that it refuses.
const SETTINGS_WRONG: Option<i32> = Some(2);

#[test]
fn helm_lints_the_chart_without_a_warning() {
    let report: Value = serde_json::from_str(&success(&mut helm("lint", None))).unwrap();
    for message in items(&report["messages"]) {
        assert!(message["severity"].as_i64().unwrap() < WARNING, "{message:#}");
    }
    assert_eq!(report["total_charts_linted"], 1);
}

#[test]
fn the_chart_has_the_version_of_the_agent() {
    let chart = yaml(&path("deploy/helm/pullprobe/Chart.yaml"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_pod_is_on_the_nodes_network_with_the_nodes_names_and_no_rights() {
    let objects = objects(None);
    let pod = &object(&objects, "DaemonSet")["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["dnsPolicy"], "Default");
    assert_eq!(pod["hostPID"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
    assert_eq!(
        pod["securityContext"],
        json!({"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false,
               "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let containers = items(&pod["containers"]);
    assert_eq!(containers.len(), 1);
    let container = &containers[0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "privileged": false,
               "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(container["args"], json!(["run", "--config", "/etc/pullprobe/config.yaml"]));
    // Without it `kubectl exec … -- /pullprobe check IMAGE` would answer for the pod's own empty root.
    let config = json!({"name": "PULLPROBE_CONFIG", "value": "/etc/pullprobe/config.yaml"});
    assert!(items(&container["env"]).contains(&config), "{}", container["env"]);
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(object(&objects, "ServiceAccount")["automountServiceAccountToken"], false);
}

#[test]
fn pods_are_read_with_a_role_and_a_token_of_an_hour_and_with_neither_where_that_is_not_wanted() {
    let all = objects(None);
    let role = object(&all, "ClusterRole");
    assert_eq!(role["rules"], json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]));
    let binding = object(&all, "ClusterRoleBinding");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let account = &object(&all, "ServiceAccount")["metadata"];
    let subject = json!([{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]);
    assert_eq!(binding["subjects"], subject);
    let pod = &object(&all, "DaemonSet")["spec"]["template"]["spec"];
    let token = items(&pod["volumes"]).iter().find(|volume| volume["name"] == "token").unwrap();
    let sources = items(&token["projected"]["sources"]);
    assert_eq!(sources[0]["serviceAccountToken"], json!({"path": "token", "expirationSeconds": 3600}));
    assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
    let mount = items(&pod["containers"][0]["volumeMounts"]).iter().find(|mount| mount["name"] == "token").unwrap();
    assert_eq!(mount["mountPath"], pullprobe::cluster::Access::DIRECTORY);

    let scratch = tempfile::tempdir().unwrap();
    let values = |text: &str| {
        let file = scratch.path().join("values.yaml");
        std::fs::write(&file, text).unwrap();
        file
    };
    let none = objects(Some(&values("rbac: {pods: false}\n")));
    assert!(!none.iter().any(|object| object["kind"].as_str().unwrap().starts_with("ClusterRole")));
    let pod = &object(&none, "DaemonSet")["spec"]["template"]["spec"];
    assert!(!pod.to_string().contains("token\""), "{pod:#}");
    let shared = refusal(&mut helm("render", Some(&values("serviceAccount: {create: false}\n"))));
    assert!(shared.contains("rbac.pods needs an account of the agent's own"), "{shared}");
}

/// Where plugins are run, inside the node's root, and nowhere else.
#[test]
fn one_capability_comes_with_credential_providers() {
    for values in value_sets() {
        let objects = objects(values.as_deref());
        let settings = object(&objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
        let pod = &object(&objects, "DaemonSet")["spec"]["template"]["spec"];
        let capabilities = &pod["containers"][0]["securityContext"]["capabilities"];
        let expected = if settings.contains("provider_config: /") {
            json!({"drop": ["ALL"], "add": ["SYS_CHROOT"]})
        } else {
            json!({"drop": ["ALL"]})
        };
        assert_eq!(*capabilities, expected, "{values:?}");
    }
    let example = path("deploy/helm/examples/credential-providers.yaml");
    assert!(value_sets().contains(&Some(example)));
}

#[test]
fn every_mount_of_every_example_is_read_only_and_every_host_path_a_directory() {
    for values in value_sets() {
        let objects = objects(values.as_deref());
        let pod = &object(&objects, "DaemonSet")["spec"]["template"]["spec"];
        for mount in items(&pod["containers"][0]["volumeMounts"]) {
            assert_eq!(mount["readOnly"], true, "{values:?}: {mount}");
        }
        let host_paths: Vec<_> = items(&pod["volumes"]).iter().filter_map(|volume| volume.get("hostPath")).collect();
        assert!(!host_paths.is_empty(), "{values:?}");
        for host_path in host_paths {
            assert_eq!(host_path["type"], "Directory", "{values:?}: {host_path}");
        }
    }
}

#[test]
fn the_operators_objects_carry_the_rules_and_the_dashboards_of_this_repository() {
    let objects = objects(Some(&path("deploy/helm/examples/prometheus-operator.yaml")));
    let rules = yaml(&path("deploy/alerts/pullprobe.yaml"));
    assert_eq!(object(&objects, "PrometheusRule")["spec"]["groups"], rules["groups"]);
    for file in ["pullprobe-fleet.json", "pullprobe-registry.json", "pullprobe-node.json"] {
        let holder =
            objects.iter().find(|object| object["data"][file].is_string()).expect("a ConfigMap with the dashboard");
        assert_eq!(holder["metadata"]["labels"]["grafana_dashboard"], "1", "Grafana's sidecar looks for this label");
        let dashboard = holder["data"][file].as_str().unwrap();
        assert_eq!(dashboard.trim_end(), text(&format!("dashboards/{file}")).trim_end());
    }
    let monitor = &object(&objects, "PodMonitor")["spec"];
    let pod = &object(&objects, "DaemonSet")["spec"]["template"];
    assert_eq!(monitor["podMetricsEndpoints"][0]["port"], pod["spec"]["containers"][0]["ports"][0]["name"]);
    for (label, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][label], value, "{label}");
    }
}

fn is_the_agents(object: &Value) -> bool {
    object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-pods"))
}

/// What people get, and that the agent gets nothing of it.
#[test]
fn people_on_call_get_roles_and_the_agent_gets_none() {
    let people = |objects: &[Value]| {
        let names = objects.iter().filter(|object| object["kind"].as_str().unwrap().contains("Role"));
        names.filter(|object| !is_the_agents(object)).count()
    };
    assert_eq!(people(&objects(None)), 0, "only the agent's own role");
    let objects = objects(Some(&path("deploy/helm/examples/on-call.yaml")));
    let named = |kind: &str, name: &str| {
        objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap().clone()
    };
    let rights = |role: &Value| {
        let rules = items(&role["rules"])
            .iter()
            .flat_map(|rule| items(&rule["resources"]).iter().map(move |one| (one, &rule["verbs"])));
        rules.map(|(resource, verbs)| format!("{} {verbs}", resource.as_str().unwrap())).collect::<BTreeSet<_>>()
    };
    let cluster_wide = rights(&named("ClusterRole", "pullprobe-user"));
    for right in [r#"pods ["get","list"]"#, r#"events ["list"]"#, r#"nodes ["list"]"#] {
        assert!(cluster_wide.contains(right), "{cluster_wide:?}");
    }
    for right in &cluster_wide {
        assert!(
            !["secrets", "exec", "proxy", "create", "update", "*"].iter().any(|part| right.contains(part)),
            "{right}"
        );
    }
    assert_eq!(rights(&named("Role", "pullprobe-user")), BTreeSet::from([r#"pods/proxy ["get"]"#.to_owned()]));
    assert_eq!(rights(&named("Role", "pullprobe-exec")), BTreeSet::from([r#"pods/exec ["get","create"]"#.to_owned()]));
    let bound = named("RoleBinding", "pullprobe-exec");
    assert_eq!(items(&bound["subjects"]).len(), 1, "{bound:#}");
    let bindings = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding"));
    let bindings = bindings.filter(|object| !is_the_agents(object));
    assert!(bindings.flat_map(|binding| items(&binding["subjects"])).all(|subject| subject["kind"] == "Group"));
}

#[test]
fn the_krew_manifest_is_one_when_a_release_has_filled_it_in() {
    let template = text("deploy/krew/pullprobe.yaml").replace("{{ .TagName }}", "v9.9.9");
    let filled: String = template
        .lines()
        .map(|line| match line.trim().strip_prefix("{{addURIAndSha \"") {
            Some(rest) => {
                let (uri, _) = rest.split_once('"').unwrap();
                format!("      uri: {uri}\n      sha256: {}\n", "0".repeat(64))
            }
            None => format!("{line}\n"),
        })
        .collect();
    assert!(!filled.contains("{{"), "{filled}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), filled).unwrap();
    let plugin = yaml(file.path());
    assert_eq!((&plugin["kind"], &plugin["metadata"]["name"]), (&"Plugin".into(), &"pullprobe".into()));
    for platform in items(&plugin["spec"]["platforms"]) {
        assert_eq!(platform["bin"], "kubectl-pullprobe");
        let arch = platform["selector"]["matchLabels"]["arch"].as_str().unwrap();
        assert!(platform["uri"].as_str().unwrap().ends_with(&format!("/v9.9.9/pullprobe_linux_{arch}.tar.gz")));
    }
}

#[test]
fn a_change_of_settings_replaces_the_pods() {
    let checksum = |values: Option<&Path>| {
        let objects = objects(values);
        let pod = &object(&objects, "DaemonSet")["spec"]["template"];
        pod["metadata"]["annotations"]["checksum/config"].clone()
    };
    let k3s = path("deploy/helm/examples/k3s.yaml");
    assert_eq!(checksum(None), checksum(None));
    assert_ne!(checksum(None), checksum(Some(&k3s)));
}

#[test]
fn the_agent_accepts_the_settings_that_the_chart_renders() {
    let scratch = tempfile::tempdir().unwrap();
    let node = scratch.path().join("node");
    std::fs::create_dir(&node).unwrap();
    let lint = |settings: &str| {
        let file = scratch.path().join("config.yaml");
        std::fs::write(&file, settings).unwrap();
        let mut lint = command(env!("CARGO_BIN_EXE_pullprobe"), ["lint", "--config"]);
        lint.arg(&file).arg("--host-root").arg(&node);
        output(&mut lint)
    };
    for values in value_sets() {
        let objects = objects(values.as_deref());
        let settings = object(&objects, "ConfigMap")["data"]["config.yaml"].clone();
        let answer = lint(settings.as_str().unwrap());
        assert_ne!(answer.status.code(), SETTINGS_WRONG, "{values:?}: {answer:?}");
    }
    // It does look: a key that it does not have is refused.
    assert_eq!(lint("no_such_key: 1\n").status.code(), SETTINGS_WRONG);
}

#[test]
fn wrong_values_are_refused_by_name() {
    for file in files("tests/fixtures/deploy/refused") {
        let written = std::fs::read_to_string(&file).unwrap();
        let named = written
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# refused: "))
            .unwrap_or_else(|| panic!("{} does not say what is refused", file.display()));
        let message = refusal(&mut helm("render", Some(&file)));
        assert!(
            message.contains("specifications of the schema") && message.contains(named),
            "{}: {message}",
            file.display()
        );
    }
}

#[test]
fn the_schema_knows_exactly_the_values_that_are_documented() {
    let schema: Value = serde_json::from_str(&text("deploy/helm/pullprobe/values.schema.json")).unwrap();
    let values = yaml(&path("deploy/helm/pullprobe/values.yaml"));
    assert_same_keys("", &schema, &values);
}

/// `config` is the agent's own, of which the chart sets only what it has an opinion on.
/// A setting that the chart refuses is none for who installs by it.
#[test]
fn each_setting_can_be_given_to_the_chart() {
    // They are the chart's own.
    const NOT_THERE: [&str; 2] = ["node.host_root", "node.allow_unconfined"];
    let schema: Value = serde_json::from_str(&text("deploy/helm/pullprobe/values.schema.json")).unwrap();
    let settings = text("docs/settings.md");
    let named = settings.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let named: Vec<&str> = named.map(|(name, _)| name).filter(|name| !NOT_THERE.contains(name)).collect();
    assert!(named.len() > 20, "{named:?}");
    let config = &schema["properties"]["config"];
    let is_known = |name: &&str| name.split('.').try_fold(config, |at, key| at["properties"].get(key)).is_some();
    let missing: Vec<&str> = named.into_iter().filter(|name| !is_known(name)).collect();
    assert!(missing.is_empty(), "values.schema.json refuses {missing:?}");
}

/// What Kubernetes or an operator defines: more of it can be set than the chart sets.
const NOT_THE_CHARTS: [&str; 9] = [
    "/affinity",
    "/livenessProbe",
    "/podMonitor/basicAuth",
    "/podMonitor/tlsConfig",
    "/readinessProbe",
    "/seLinuxOptions",
    "/serviceMonitor/basicAuth",
    "/serviceMonitor/tlsConfig",
    "/updateStrategy",
];

fn assert_same_keys(at: &str, schema: &Value, values: &Value) {
    let (Some(properties), Some(values)) = (schema["properties"].as_object(), values.as_object()) else {
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{at} is open");
    if at == "/config" {
        return;
    }
    let allowed: BTreeSet<_> = properties.keys().filter(|key| *key != "global").collect();
    let documented: BTreeSet<_> = values.keys().collect();
    if NOT_THE_CHARTS.contains(&at) {
        assert!(documented.is_subset(&allowed), "at {at}");
        return;
    }
    assert_eq!(allowed, documented, "at {at}");
    for (key, value) in values {
        assert_same_keys(&format!("{at}/{key}"), &properties[key], value);
    }
}

/// The defaults, and every example that users are given.
pub fn value_sets() -> Vec<Option<std::path::PathBuf>> {
    let examples = files("deploy/helm/examples").into_iter().map(Some);
    std::iter::once(None).chain(examples).collect()
}
