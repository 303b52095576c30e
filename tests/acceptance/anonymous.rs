//! `--no-credentials`: nobody's login is sent, neither kubelet's nor one of containerd's own files, and what containerd itself would do is
//! told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use serde_json::Value;

use super::binary::{document, finish};
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
const REGISTRY: &str = "
    [[registries]]
    host = 'registry.example'
    tls = {}
    auth = {basic = {users = {puller = 'right-planted'}}}
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
";
/// `puller:right-planted`.
const LOGIN: &str = "cHVsbGVyOnJpZ2h0LXBsYW50ZWQ=";

/// A token that ended in 2001.
const ENDED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjEwMDAwMDAwMDB9.cGxhbnRlZA";

/// containerd signs in by a header of hosts.toml, or by its own configuration.
fn worlds() -> [(&'static str, World); 2] {
    let header = format!(
        "containerd = '2.1'\nhosts.'registry.example' = \"server = 'https://registry.example'\\n[header]\\nAuthorization = 'Basic \
         {LOGIN}'\\n\"\n{REGISTRY}"
    );
    let auth = format!(
        "containerd = '1.7.24'\n[files]\n'/etc/containerd/config.toml' = \"\"\"\nversion = 2\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'registry.example'.auth]\nauth = '{LOGIN}'\n\"\"\"\n{REGISTRY}"
    );
    [("header", header), ("auth", auth)]
        .map(|(name, given)| (name, World::start(toml::from_str::<Given>(&given).unwrap())))
}

/// What containerd would send, and that kubelet's logins were not looked for.
fn findings(told: &Value) -> [usize; 2] {
    let all = told["findings"].as_array().unwrap();
    let of =
        |severity| all.iter().filter(move |one| one["code"] == "credentials_withheld" && one["severity"] == severity);
    ["warning", "info"].map(|severity| of(severity).count())
}

#[test]
fn no_login_is_sent_and_what_containerd_would_send_is_told() {
    for (name, world) in worlds() {
        let ask = |verb: &str, more: &[&str]| {
            let finished = finish(world.command(verb).args([IMAGE, "-o", "json"]).args(more));
            assert!(!finished.stdout.contains("planted") && !finished.stdout.contains(LOGIN), "{name}: {finished:?}");
            (finished.code, document(&finished))
        };
        let signed_in =
            || world.at("registry.example").requests().iter().filter(|it| it.authorization().is_some()).count();
        let (code, told) = ask("check", &["--no-credentials"]);
        assert_eq!(
            (code, told["images"][0]["cause"].as_str()),
            (Some(1), Some("credentials_missing")),
            "{name}: {told:#}"
        );
        assert_eq!((signed_in(), findings(&told)), (0, [1, 1]), "{name}: {told:#}");
        let said = |field: &str| told["images"][0][field].as_str().unwrap().to_owned();
        assert!(
            said("summary").contains("asked anonymously") && !said("summary").contains("none that fits"),
            "{told:#}"
        );
        assert!(said("fix").starts_with("Ask without `--no-credentials`"), "{told:#}");
        let (_, plan) = ask("plan", &["--no-credentials"]);
        let host = &plan["images"][0]["hosts"][0];
        assert_eq!(
            (&host["credential"], host["headers"].as_array().unwrap().len()),
            (&Value::Null, 0),
            "{name}: {host:#}"
        );
        assert_eq!(findings(&plan), [1, 1], "{name}: {plan:#}");

        let (code, told) = ask("check", &[]);
        assert_eq!((code, findings(&told)), (Some(0), [0, 0]), "{name}: {told:#}");
        assert!(signed_in() > 0, "{name}");
    }
}

/// The end of a login that is not sent says nothing about a pull.
#[test]
fn no_login_that_is_kept_back_is_said_to_have_ended() {
    let given = format!(
        "containerd = '1.7.24'\n[files]\n'/etc/containerd/config.toml' = \"\"\"\nversion = 2\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'registry.example'.auth]\nusername = 'puller'\n\
         password = '{ENDED}'\n\"\"\"\n{REGISTRY}"
    );
    let world = World::start(toml::from_str::<Given>(&given).unwrap());
    let kubelets = format!(r#"{{"auths": {{"registry.example": {{"username": "puller", "password": "{ENDED}"}}}}}}"#);
    world.node.write("/var/lib/kubelet/config.json", kubelets).unwrap();
    let ended = |more: &[&str]| {
        let told = document(&finish(world.command("lint").args(["-o", "json"]).args(more)));
        told["findings"].as_array().unwrap().iter().filter(|one| one["code"] == "credential_expired").count()
    };
    assert_eq!((ended(&[]), ended(&["--no-credentials"])), (2, 0));
}
