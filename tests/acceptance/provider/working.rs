//! Plugins that do their work: what they are asked, and which of their logins are offered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use serde_json::{Value, json};

use super::super::binary::finish;
use super::super::world::{Given, World};
use super::{CONFIG, Node, PASSWORD, PRIVATE, PUBLIC, USER, V1, but, configuration, login, print};

#[test]
fn a_plugin_is_asked_for_the_repository_and_its_login_is_offered() {
    let node = Node::new();
    node.plugin(&print(&login("registry.example")));
    let more = "  args: [get, '$(touch shell); a b', '*']\n  env: [{name: ROLE, value: '$HOME'}, {name: PATH, value: /usr/bin:/bin}]\n";
    node.configure(CONFIG, &configuration("lab", more));
    let told = node.check(&[PRIVATE], &[]);
    told.pulls(Some("provider:lab")).does_not_say(PASSWORD);
    assert_eq!(told.image()["credential"]["key"], "registry.example");
    assert!(told.shown().contains("provider:lab"), "{}", told.text.stdout);
    assert_eq!(told.findings(), Vec::<Value>::new());
    // Nothing stood between the program and the plugin that would have read these.
    assert_eq!(node.left("args").unwrap(), "<get><$(touch shell); a b><*>");
    let environment = node.left("env").unwrap();
    for line in ["ROLE=$HOME", "PATH=/usr/bin:/bin"] {
        assert!(environment.lines().any(|one| one == line), "{line} is not in {environment}");
    }
    let input: Value = serde_json::from_str(&node.left("input").unwrap()).unwrap();
    assert_eq!(
        input,
        json!({"kind": "CredentialProviderRequest", "apiVersion": V1, "image": "registry.example/demo/app"})
    );
}

#[test]
fn debians_registry_lets_the_login_of_a_plugin_in() {
    let given = format!(
        "own_root = true
        [[docker_registries]]
        host = 'registry.example'
        users = {{{USER} = '{PASSWORD}'}}
        push = [{{repository = 'demo/app', tag = '1.0', content = {{index = {{manifests = [{{platform = 'linux/amd64'}}]}}}}}}]
        [credential_settings]
        provider_config = '{CONFIG}'
        provider_bin_dir = '/opt/providers'"
    );
    let node = Node::of(World::start(toml::from_str::<Given>(&given).unwrap()));
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause("credentials_missing", "");
    node.plugin(&print(&login("registry.example")));
    node.check(&[PRIVATE], &[]).pulls(Some("provider:lab")).does_not_say(PASSWORD);
}

#[test]
fn a_plugin_sees_nothing_of_the_environment_of_the_program() {
    let node = Node::new();
    node.plugin(&print(&login("registry.example")));
    let said = finish(node.world.command("check").arg(PRIVATE).env("AWS_SECRET_ACCESS_KEY", PASSWORD));
    assert_eq!(said.code, Some(0), "{said:?}");
    let environment = node.left("env").unwrap();
    assert!(!environment.contains("AWS_SECRET") && !environment.contains(PASSWORD), "{environment}");
}

/// As kubelet's own process hands it on; its configuration wins.
#[test]
fn a_plugin_gets_the_environment_of_kubelet() {
    for node in [Node::new(), Node::seen(false, "")] {
        let more = "  env: [{name: ROLE, value: configured}]\n";
        node.configure(CONFIG, &configuration("lab", more));
        node.configure(
            "/etc/systemd/system/kubelet.service",
            "[Service]\nExecStart=/usr/bin/kubelet\nEnvironment=HTTPS_PROXY=http://u:pw-proxy-4724@proxy.example:3128 ROLE=unit\n\
             EnvironmentFile=/etc/default/kubelet\n",
        );
        node.configure("/etc/default/kubelet", "AWS_PROFILE=pw-profile-4725\n");
        node.configure(
            "/etc/systemd/system/containerd.service",
            "[Service]\nExecStart=/usr/bin/containerd\nEnvironment=NO_PROXY=registry.example SSL_CERT_FILE=/none\n",
        );
        node.plugin("echo \"no $AWS_PROFILE by way of $HTTPS_PROXY\" >&2; exit 1");
        let told = node.check(&[PRIVATE], &[]);
        told.does_not_say("pw-proxy-4724").does_not_say("pw-profile-4725");
        assert!(told.shown().contains("exit code 1: no *** by way of"), "{}", told.shown());
        let environment = node.left("env").unwrap();
        for line in
            ["HTTPS_PROXY=http://u:pw-proxy-4724@proxy.example:3128", "AWS_PROFILE=pw-profile-4725", "ROLE=configured"]
        {
            assert!(environment.lines().any(|one| one == line), "{line} is not in {environment}");
        }
        assert!(!environment.contains("SSL_CERT_FILE"), "{environment}");
    }
}

#[test]
fn the_keys_of_an_answer_fit_as_those_of_a_file_do() {
    let node = Node::new();
    for (key, fits) in [
        ("*.example", true),
        // The begin of a query, in a URL.
        ("registr?.example", false),
        ("reg*y.ex*e", true),
        ("registry.example/demo", true),
        ("https://registry.example/v2/", true),
        ("*", false),
        ("registry.example:443", false),
        ("registry.example/other", false),
        ("other.example", false),
        ("[", false),
    ] {
        node.plugin(&print(&login(key)));
        let told = node.check(&[PRIVATE], &[]);
        if fits {
            assert_eq!(told.pulls(Some("provider:lab")).image()["credential"]["key"], key);
            continue;
        }
        // kubelet keeps nothing of such an answer: the pull is anonymous.
        told.ends_with(1).has_cause("credentials_missing", "").does_not_say(PASSWORD);
        let finding = told.finding("credential_provider_no_match");
        assert_eq!(finding["severity"], "warning", "{finding}");
        let message = finding["message"].as_str().unwrap();
        assert!(message.contains("`lab`") && message.contains(&format!("`{key}`")), "{key}: {message}");
    }
    let sent = node.sent();
    assert!(sent.contains("authorization"), "{sent}");
}

#[test]
fn an_empty_answer_is_no_login_and_nothing_to_tell() {
    let node = Node::new();
    for auth in [json!({}), Value::Null] {
        node.plugin(&but("auth", auth));
        let told = node.check(&[PRIVATE], &[]);
        told.ends_with(1).has_cause("credentials_missing", "");
        assert_eq!(told.findings(), Vec::<Value>::new());
        node.check(&[PUBLIC], &[]).pulls(None);
    }
}

#[test]
fn an_answer_is_used_again_as_far_as_its_key_reaches() {
    let registry = "[[registries]]
        host = 'second.example'
        tls = {}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]";
    let node = Node::with(registry);
    let text = configuration("lab", "").replace("[registry.example,", "[registry.example, second.example,");
    node.configure(CONFIG, &text);
    let images = [PRIVATE, "registry.example/demo/app:2.0", "registry.example/other:1", "second.example/demo/app:1.0"];
    for (reach, runs) in [("Image", 3), ("Registry", 2), ("Global", 1)] {
        let mut answer = login("registry.example");
        answer["cacheKeyType"] = reach.into();
        answer["cacheDuration"] = "10m".into();
        node.plugin(&print(&answer));
        let told = finish(node.world.command("check").args(images).args(["--format", "json"]));
        assert!(told.stdout.contains("provider:lab"), "{told:?}");
        assert_eq!(node.left("runs").unwrap().lines().count(), runs, "{reach}");
    }
}

#[test]
fn logins_of_files_come_first_and_each_is_a_pull_of_its_own() {
    let node = Node::with("credentials = {'registry.example' = {user = 'puller', password = 'pw-old-4722'}}");
    node.plugin(&print(&login("registry.example")));
    node.check(&[PRIVATE], &[]).pulls(Some("provider:lab")).does_not_say("pw-old-4722");
    // Of two failures the first is told, with where it comes from.
    node.plugin(&but("auth", json!({"registry.example": {"username": USER, "password": "pw-stale-4723"}})));
    let told = node.check(&[PRIVATE], &[]);
    told.ends_with(1).has_cause("credentials_rejected", "").does_not_say("pw-stale-4723");
    assert_eq!(told.image()["credential"]["source"], "kubelet-config-json");
}

#[test]
fn plugins_run_only_when_asked_for() {
    let node = Node::new();
    node.plugin(&print(&login("registry.example")));
    for unasked in [&["lint"][..], &["plan", PRIVATE], &["check", "registry.example"]] {
        let said = finish(node.world.command(unasked[0]).args(&unasked[1..]));
        assert!(said.code == Some(0), "{said:?}");
        assert!(node.runs().is_empty(), "{unasked:?} ran it");
    }
    node.check(&[PRIVATE], &["--no-credentials"]).ends_with(1).has_cause("credentials_missing", "");
    let elsewhere = configuration("lab", "").replace("[registry.example,", "['*.registry.example', 'registry.exampl',");
    node.configure(CONFIG, &elsewhere);
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause("credentials_missing", "");
    node.configure(CONFIG, &configuration("lab", ""));
    // The node's files alone are no wish.
    node.configure("/pullprobe.yaml", "targets: {discover: {certs_d: false, sandbox_image: false}}\n");
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause("credentials_missing", "");
    assert!(node.runs().is_empty(), "it was run without being asked for");
    let flags = ["--credential-provider-config", CONFIG, "--credential-provider-bin-dir", "/opt/providers"];
    node.check(&[PRIVATE], &flags).pulls(Some("provider:lab"));
}
