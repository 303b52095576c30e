//! Configurations written by hand from `pkg/credentialprovider/plugin/config.go` of Kubernetes 1.36.

use super::*;

const GOOD: &str = r#"apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: ecr-credential-provider
    matchImages: ["*.dkr.ecr.*.amazonaws.com", "public.ecr.aws"]
    defaultCacheDuration: 12h
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    args: [get-credentials]
    env:
      - name: AWS_PROFILE
        value: "1"
"#;

fn loaded(files: &[(&str, &str)], path: &str) -> Result<Vec<Plugin>, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let place = |f: &Finding| f.line().map_or_else(String::new, |line| format!("{line}: "));
    load(&HostRoot::open(dir.path()).unwrap(), Path::new(path))
        .map_err(|findings| findings.iter().map(|f| format!("{}{}", place(f), f.message)).collect())
}

fn one(text: &str) -> Result<Plugin, String> {
    loaded(&[("c.yaml", text)], "/c.yaml").map(|mut all| all.remove(0)).map_err(|faults| faults.join("; "))
}

#[test]
fn a_plugin_has_all_that_kubelet_gives_it() {
    let plugin = one(GOOD).unwrap();
    assert_eq!((plugin.name.as_str(), plugin.default_cache), ("ecr-credential-provider", Duration::from_secs(43200)));
    assert_eq!(
        (plugin.args, plugin.env),
        (vec![Secret::new("get-credentials")], vec![("AWS_PROFILE".into(), Secret::new("1"))])
    );
    assert!(!plugin.wants_pod_token);
}

#[test]
fn images_are_matched_by_host_labels_port_and_path() {
    let plugin = one(GOOD).unwrap();
    for (image, expected) in [
        ("1234.dkr.ecr.eu-west-1.amazonaws.com/app", true),
        ("1234.dkr.ecr.eu-west-1.amazonaws.com:443/app", false),
        ("1234.dkr.ecr.cn-north-1.amazonaws.com.cn/app", false),
        ("public.ecr.aws/a/b", true),
        ("docker.io/library/nginx", false),
    ] {
        assert_eq!(plugin.is_for(image), expected, "{image}");
    }
}

#[test]
fn json_is_yaml_too() {
    let text = r#"{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"CredentialProviderConfig","providers":[
      {"name":"p","matchImages":["r.example"],"defaultCacheDuration":"0s","apiVersion":"credentialprovider.kubelet.k8s.io/v1beta1"}]}"#;
    assert_eq!(one(text).unwrap().default_cache, Duration::ZERO);
}

#[test]
fn the_token_of_the_pod_is_a_matter_of_version_one() {
    let tokens =
        "    tokenAttributes: {serviceAccountTokenAudience: a, cacheType: Token, requireServiceAccount: true}\n";
    assert!(one(&format!("{GOOD}{tokens}")).unwrap().wants_pod_token);
    let old = GOOD.replace("kubelet.k8s.io/v1\n", "kubelet.k8s.io/v1beta1\n");
    assert!(one(&format!("{old}{tokens}")).unwrap_err().contains("needs version v1"));
    let short = tokens.replace("cacheType: Token, ", "");
    assert!(one(&format!("{GOOD}{short}")).unwrap_err().contains("no `cacheType`"));
}

#[test]
fn every_fault_is_named_with_its_line() {
    for (from, to, fault) in [
        ("kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v2", "1: kubelet does not start"),
        ("CredentialProviderConfig", "KubeletConfiguration", "`kind` is `KubeletConfiguration`"),
        (
            "    args:",
            "    arguments:",
            "8: kubelet does not start with this credential provider configuration: unknown field `arguments`",
        ),
        ("defaultCacheDuration: 12h", "defaultCacheDuration: 12", "expected a text"),
        ("defaultCacheDuration: 12h", "defaultCacheDuration: -1h", "`defaultCacheDuration` is `-1h`"),
        ("    defaultCacheDuration: 12h\n", "", "`defaultCacheDuration` is missing"),
        ("[\"*.dkr.ecr.*.amazonaws.com\", \"public.ecr.aws\"]", "[]", "`matchImages` must have at least one entry"),
        ("\"public.ecr.aws\"", "\"public ecr\"", "`public ecr`, which is not the beginning of a URL"),
        ("name: ecr-credential-provider", "name: ../sh", "`name` must be"),
        ("name: ecr-credential-provider", "nom: x", "unknown field `nom`"),
        ("credentialprovider.kubelet.k8s.io/v1", "credentialprovider.kubelet.k8s.io/v3", "7: "),
        ("value: \"1\"", "value: 1", "11: "),
        ("[get-credentials]", "get-credentials", "expected a list"),
        ("providers:", "providers: [] #", "kubelet"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let error = one(&text).unwrap_err();
        assert!(error.contains(fault), "{to}: {error}");
    }
    assert!(one("").unwrap_err().contains("it is empty"));
    assert!(loaded(&[], "/c.yaml").unwrap_err()[0].contains("no such file"));
}

/// kubelet has no such limit, and may start with it.
#[test]
fn a_configuration_that_is_too_large_is_not_told_to_be_wrong() {
    let large = format!("{GOOD}#{}\n", "x".repeat(yaml::SIZE_LIMIT));
    let told = loaded(&[("c.yaml", &large)], "/c.yaml").unwrap_err();
    assert!(told[0].ends_with("is unknown") && !told[0].contains("does not start"), "{told:?}");
}

#[test]
fn the_files_of_a_directory_are_merged_in_the_order_of_their_names() {
    let second = GOOD.replace("ecr-credential-provider", "second");
    let files = [("d/b.yaml", GOOD), ("d/a.yml", second.as_str()), ("d/readme.txt", "not read")];
    let names: Vec<String> = loaded(&files, "/d").unwrap().into_iter().map(|plugin| plugin.name).collect();
    assert_eq!(names, ["second", "ecr-credential-provider"]);
    let twice = loaded(&[("d/a.yaml", GOOD), ("d/b.yaml", GOOD)], "/d").unwrap_err();
    assert!(twice[0].contains("is there twice"), "{twice:?}");
    assert!(loaded(&[], "/d").unwrap_err()[0].contains("it has no provider"));
}
