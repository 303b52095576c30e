//! Credential files that pullprobe may not read and kubelet may: no verdict that hangs on them is certain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use serde_json::Value;

use super::binary::{Finished, document, finish};
use super::world::{Given, World};

const PRIVATE: &str = "registry.example/demo/app:1.0";
const PUBLIC: &str = "open.example/demo/app:1.0";
const CONFIG: &str = "/var/lib/kubelet/config.json";
const LATER: &str = "/root/.docker/config.json";
const PROVIDERS: &str = "/etc/kubernetes/providers.yaml";
const GOOD: &str = r#"{"auths": {"registry.example": {"username": "puller", "password": "right"}}}"#;
const WRONG: &str = r#"{"auths": {"registry.example": {"username": "puller", "password": "wrong"}}}"#;
const NOBODY: u32 = 65534;

struct Node(World);

impl Node {
    fn new(settings: &str) -> Self {
        let push = "push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]";
        let given = format!(
            "credential_settings = {{{settings}}}
            [[registries]]
            host = 'registry.example'
            tls = {{}}
            auth = {{basic = {{users = {{puller = 'right'}}}}}}
            {push}
            [[registries]]
            host = 'open.example'
            tls = {{}}
            {push}"
        );
        let world = World::start(toml::from_str::<Given>(&given).unwrap());
        std::fs::set_permissions(world.node.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(world)
    }

    /// A file, or a directory that is there, with these permissions.
    fn closed(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.0.node.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn with(self, path: &str, text: &str, mode: u32) -> Self {
        self.0.node.write(path, text).unwrap();
        self.closed(path, mode);
        self
    }

    fn ask(&self, image: &str, user: u32) -> Finished {
        finish(self.0.command("check").args([image, "--format", "json"]).uid(user).gid(user))
    }

    /// For the user nobody the answer is unknown because of `file`. For root it is the usual answer.
    #[track_caller]
    fn is_untold(&self, file: &str, to_root: bool) {
        let said = self.ask(PRIVATE, NOBODY);
        let image = image(&said);
        assert_eq!(
            (said.code, &image["pullable"], &image["cause"]),
            (Some(3), &Value::Null, &Value::Null),
            "{image:#}"
        );
        for text in ["summary", "fix"] {
            assert!(image[text].as_str().unwrap().contains(file), "{file} is not in {image:#}");
        }
        assert!(!image["fix"].as_str().unwrap().contains("give the pod"), "{image:#}");
        let image = self::image(&self.ask(PRIVATE, 0));
        assert_eq!(image["pullable"], to_root, "{image:#}");
        // Where no credential is wanted kubelet's would not matter, either.
        let said = self.ask(PUBLIC, NOBODY);
        assert_eq!((said.code, &self::image(&said)["pullable"]), (Some(0), &true.into()), "{said:?}");
    }
}

fn image(said: &Finished) -> Value {
    document(said)["images"][0].clone()
}

#[test]
fn a_file_of_kubelets() {
    let node = Node::new("").with(CONFIG, GOOD, 0o600);
    node.is_untold(CONFIG, true);
    // Its directory is closed: whether there is a file in it is not to be seen.
    let node = Node::new("").with(CONFIG, GOOD, 0o644);
    node.closed("/var/lib/kubelet", 0o700);
    node.is_untold(CONFIG, true);
}

/// kubelet uses the first file alone, so that what the second one holds says nothing.
#[test]
fn a_file_of_kubelets_before_one_that_can_be_read() {
    Node::new("").with(CONFIG, WRONG, 0o600).with(LATER, GOOD, 0o644).is_untold(CONFIG, false);
    Node::new("").with(CONFIG, GOOD, 0o600).with(LATER, WRONG, 0o644).is_untold(CONFIG, true);
    // And one behind it is never read.
    let node = Node::new("").with(CONFIG, GOOD, 0o644).with(LATER, WRONG, 0o600);
    for user in [0, NOBODY] {
        assert_eq!(image(&node.ask(PRIVATE, user))["pullable"], true);
    }
}

#[test]
fn a_link_to_where_nothing_is_mounted() {
    let node = Node::new("");
    node.0.node.write("/var/lib/kubelet/pki", "").unwrap();
    node.0.node.link(CONFIG, "/opt/elsewhere/config.json").unwrap();
    let said = node.ask(PRIVATE, 0);
    assert_eq!((said.code, &image(&said)["pullable"]), (Some(3), &Value::Null), "{said:?}");
    assert!(image(&said)["summary"].as_str().unwrap().contains(CONFIG), "{said:?}");
}

#[test]
fn a_pull_secret_and_the_directory_of_all() {
    let setting = "pull_secrets_dir = '${node}/secrets'";
    let file = "/secrets/shop/pull/.dockerconfigjson";
    Node::new(setting).with(file, GOOD, 0o600).is_untold("shop/pull/.dockerconfigjson", true);
    for directory in ["/secrets", "/secrets/shop", "/secrets/shop/pull"] {
        let node = Node::new(setting).with(file, GOOD, 0o644);
        node.closed(directory, 0o700);
        node.is_untold(directory, true);
    }
}

#[test]
fn the_configuration_and_the_binary_of_a_provider() {
    let settings = format!("provider_config = '{PROVIDERS}', provider_bin_dir = '/opt/providers'");
    let text = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: lab\n  \
                apiVersion: credentialprovider.kubelet.k8s.io/v1\n  matchImages: ['*.example']\n  defaultCacheDuration: 0s\n";
    let answer = "#!/bin/sh\necho '{\"kind\":\"CredentialProviderResponse\",\
                  \"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"cacheKeyType\":\"Image\",\
                  \"auth\":{\"registry.example\":{\"username\":\"puller\",\"password\":\"right\"}}}'\n";
    let binary = "/opt/providers/lab";
    Node::new(&settings).with(binary, answer, 0o755).with(PROVIDERS, text, 0o600).is_untold(PROVIDERS, true);
    let node = Node::new(&settings).with(binary, answer, 0o700).with(PROVIDERS, text, 0o644);
    let said = node.ask(PRIVATE, NOBODY);
    assert_eq!((said.code, &image(&said)["pullable"]), (Some(3), &Value::Null), "{said:?}");
    assert!(image(&said)["summary"].as_str().unwrap().contains("may not execute"), "{said:?}");
    assert_eq!(image(&node.ask(PRIVATE, 0))["pullable"], true);
}

const HOSTS: &str = "/etc/containerd/certs.d/open.example";
const CONTAINERD: &str = "/etc/containerd/config.toml";
const DROP_IN: &str = "/etc/systemd/system/containerd.service.d/http-proxy.conf";
const ENVIRONMENT: &str = "/etc/default/containerd";

/// A node whose containerd goes by every kind of file that it reads, and pulls.
fn ordinary() -> Node {
    let node = Node::new("");
    let authority = std::fs::read_to_string(node.0.node.path("/etc/ssl/certs/ca-certificates.crt")).unwrap();
    node.0.node.certs_file("open.example", "ca.pem", &authority).unwrap();
    node.0.node.hosts_toml("open.example", "server = 'https://open.example'\nca = 'ca.pem'\n").unwrap();
    let config = std::fs::read_to_string(node.0.node.path(CONTAINERD)).unwrap();
    node.with(CONTAINERD, &format!("imports = ['/etc/containerd/conf.d/*.toml']\n{config}"), 0o644)
        .with("/etc/containerd/conf.d/own.toml", "", 0o644)
        .with("/usr/lib/systemd/system/containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n", 0o644)
        .with(DROP_IN, &format!("[Service]\nEnvironmentFile={ENVIRONMENT}\n"), 0o644)
        .with(ENVIRONMENT, "NO_PROXY=elsewhere.example\n", 0o644)
}

/// containerd runs as root with every capability: what keeps only pullprobe out says nothing of its pulls.
#[test]
fn a_file_of_containerds() {
    for (path, mode) in [
        (CONTAINERD, 0o600),
        ("/etc/containerd", 0o700),
        ("/etc/containerd/conf.d", 0o700),
        ("/etc/containerd/certs.d", 0o700),
        (HOSTS, 0o700),
        (&format!("{HOSTS}/hosts.toml"), 0o600),
        (&format!("{HOSTS}/ca.pem"), 0o600),
        (DROP_IN, 0o600),
        (ENVIRONMENT, 0o600),
        ("/etc/hosts", 0o600),
        ("/etc/resolv.conf", 0o600),
    ] {
        let node = ordinary();
        let said = node.ask(PUBLIC, NOBODY);
        assert_eq!((said.code, &image(&said)["pullable"]), (Some(0), &true.into()), "{said:?}");
        node.closed(path, mode);
        let said = node.ask(PUBLIC, NOBODY);
        let image = image(&said);
        assert_eq!(
            (said.code, &image["pullable"], &image["cause"]),
            (Some(3), &Value::Null, &Value::Null),
            "{path}: {image:#}"
        );
        let summary = image["summary"].as_str().unwrap();
        assert!(summary.contains(path) && summary.contains("permission denied"), "{path}: {summary}");
        assert!(image["fix"].as_str().unwrap().contains("as root"), "{image:#}");
        let findings = document(&said)["findings"].clone();
        let codes: Vec<&str> = findings.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"file_unread"), "{path}: {codes:?}");
        assert_eq!(node.ask("open.example", NOBODY).code, Some(3), "{path}");
        assert_eq!(node.ask(PUBLIC, 0).code, Some(0), "{path}");
    }
}
