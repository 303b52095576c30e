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

fn findings(told: &Value) -> Vec<&Value> {
    let all = told["findings"].as_array().unwrap();
    all.iter().filter(|finding| finding["code"] == "credentials_withheld").collect()
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
        assert_eq!((signed_in(), findings(&told).len()), (0, 1), "{name}: {told:#}");
        let (_, plan) = ask("plan", &["--no-credentials"]);
        let host = &plan["images"][0]["hosts"][0];
        assert_eq!(
            (&host["credential"], host["headers"].as_array().unwrap().len()),
            (&Value::Null, 0),
            "{name}: {host:#}"
        );
        assert_eq!(findings(&plan).len(), 1, "{name}: {plan:#}");

        let (code, told) = ask("check", &[]);
        assert_eq!((code, findings(&told).len()), (Some(0), 0), "{name}: {told:#}");
        assert!(signed_in() > 0, "{name}");
    }
}
