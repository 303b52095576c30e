//! Faults of the configuration of plugins: each is told with its file and place, and harms nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::os::unix::fs::PermissionsExt as _;

use super::super::binary::{document, finish};
use super::{BINARY, CONFIG, FAILED, Node, PASSWORD, PRIVATE, PUBLIC, V1, configuration, login, print};

const INVALID: &str = "credential_provider_config_invalid";

/// A node whose kubelet has a login for the private registry in its file.
fn with_a_login() -> Node {
    let node = Node::with("credentials = {'registry.example' = {user = 'puller', password = 'pw-plugin-4721'}}");
    node.plugin(&print(&login("registry.example")));
    node
}

#[test]
fn a_configuration_that_kubelet_refuses_is_told_with_its_place() {
    let node = with_a_login();
    let whole = configuration("lab", "");
    let twice =
        format!("{whole}- name: lab\n  apiVersion: {V1}\n  matchImages: [a.example]\n  defaultCacheDuration: 0s\n");
    for (text, line, words) in [
        (whole.replace("open.example]", "open.example"), None, "expected"),
        (whole.replace("providers:", "providers: {"), None, "expected"),
        (configuration("../lab", ""), Some(4), "`name`"),
        (configuration("bin/lab", ""), Some(4), "`name`"),
        (configuration("..", ""), Some(4), "`name`"),
        (configuration("'a b'", ""), Some(4), "`name`"),
        (twice, Some(8), "is there twice"),
        (configuration("lab", "  shell: true\n"), Some(8), "unknown field `shell`"),
        (whole.replace("defaultCacheDuration: 0s", "defaultCacheDuration: soon"), Some(7), "`soon`"),
        (whole.replace("kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v2"), Some(1), "kubelet.config.k8s.io/v2"),
        (whole.replace(V1, "credentialprovider.kubelet.k8s.io/v9"), Some(5), "v9"),
        (String::new(), None, "empty"),
    ] {
        node.configure(CONFIG, &text);
        let told = node.check(&[PRIVATE], &[]);
        // The login of the file goes on working, and no plugin is run.
        told.pulls(Some("kubelet-config-json")).does_not_say(PASSWORD);
        let finding = told.finding(INVALID);
        assert_eq!((&finding["severity"], &finding["file"]), (&"error".into(), &CONFIG.into()), "{text}\n{finding}");
        assert!(finding["message"].as_str().unwrap().contains(words), "{text}\n{finding}");
        if let Some(line) = line {
            assert_eq!(finding["line"], line, "{text}\n{finding}");
        }
        let lint = finish(&mut node.world.command("lint"));
        assert!(lint.code == Some(1) && lint.stdout.contains(INVALID), "{text}\n{lint:?}");
    }
    assert!(node.runs().is_empty());
}

#[test]
fn where_a_login_is_wanting_a_refused_configuration_is_why() {
    let node = Node::new();
    node.configure(CONFIG, &configuration("lab", "  shell: true\n"));
    let told = node.check(&[PRIVATE], &[]);
    told.ends_with(1).has_cause(FAILED, &format!("{CONFIG}:8:3"));
    assert_eq!(told.image()["also_possible"], serde_json::json!(["credentials_missing"]));
    node.check(&[PUBLIC], &[]).pulls(None);
}

#[test]
fn a_binary_that_kubelet_cannot_start() {
    let node = Node::new();
    let mode = |mode| std::fs::set_permissions(node.world.node.path(BINARY), std::fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause(FAILED, "its binary is not executable");
    let told = node.check(&[PUBLIC], &[]);
    told.pulls(None);
    assert!(told.finding(FAILED)["message"].as_str().unwrap().contains("not executable"));
    node.configure(BINARY, "#!/no/such/loader\n");
    mode(0o755).unwrap();
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause(FAILED, "does not start");
    std::fs::remove_file(node.world.node.path(BINARY)).unwrap();
    let told = node.check(&[PRIVATE], &[]);
    told.ends_with(1).has_cause(FAILED, BINARY);
    let finding = told.finding("credential_provider_missing");
    assert_eq!((&finding["severity"], &finding["file"]), (&"error".into(), &BINARY.into()), "{finding}");
    std::fs::create_dir(node.world.node.path(BINARY)).unwrap();
    assert!(
        node.check(&[PUBLIC], &[]).pulls(None).finding("credential_provider_missing")["message"]
            .as_str()
            .unwrap()
            .contains("not a regular file")
    );
}

#[test]
fn a_directory_is_read_in_the_order_of_its_files() {
    let node = Node::new();
    let directory = "/etc/kubernetes/providers.d";
    let for_registry = |name: &str| configuration(name, "").replace(", open.example", "");
    for (file, name) in [("10.yaml", "first"), ("20.yml", "second")] {
        let user = format!("{name}-user");
        let answer = print(&login("registry.example")).replace("puller", &user);
        node.program(&format!("/opt/providers/{name}"), &answer);
        node.configure(&format!("{directory}/{file}"), &for_registry(name));
    }
    let json = serde_json::json!({"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [{"name": "lab", "apiVersion": V1, "matchImages": ["registry.example"], "defaultCacheDuration": "0s"}]});
    node.configure("/etc/kubernetes/linked.json", &json.to_string());
    node.world.node.link(&format!("{directory}/30.json"), "/etc/kubernetes/linked.json").unwrap();
    node.plugin(&print(&login("registry.example")));
    // No files of kubelet's.
    node.configure(&format!("{directory}/00.yaml.bak"), "}");
    node.configure(&format!("{directory}/below/00.yaml"), "}");
    let flags = ["--credential-provider-config", directory];
    node.check(&[PRIVATE], &flags).pulls(Some("provider:lab"));
    let sent = node.sent();
    let place = |user: &str| {
        use base64::Engine as _;
        sent.find(&base64::engine::general_purpose::STANDARD.encode(format!("{user}:{PASSWORD}"))).unwrap()
    };
    assert!(place("first-user") < place("second-user") && place("second-user") < place("puller"), "{sent}");
    // A name may be there once in all of them.
    node.configure(&format!("{directory}/40.yaml"), &for_registry("first"));
    let finding = node.check(&[PUBLIC], &flags).finding(INVALID);
    assert_eq!(finding["file"], format!("{directory}/40.yaml"), "{finding}");
    assert!(finding["message"].as_str().unwrap().contains("`first` is there twice"), "{finding}");
    // Broken in one file is broken in all.
    node.configure(&format!("{directory}/40.yaml"), "providers: [");
    let told = node.check(&[PUBLIC], &flags);
    assert_eq!(told.finding(INVALID)["file"], format!("{directory}/40.yaml"));
    assert!(document(&told.json)["images"][0]["pullable"] == true);
}

#[test]
fn one_of_the_two_flags_is_not_enough() {
    let node = Node::new();
    node.configure(
        "/pullprobe.yaml",
        &format!("targets: {{discover: {{certs_d: false, sandbox_image: false}}}}\ncredentials: {{provider_config: {CONFIG}}}\n"),
    );
    let told = node.check(&[PUBLIC], &[]);
    told.pulls(None);
    assert!(told.finding(INVALID)["message"].as_str().unwrap().contains("--image-credential-provider-config alone"));
}
