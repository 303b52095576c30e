//! Credential provider plugins of every temper, run by the program itself as kubelet runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod configuration;
mod elsewhere;
mod failing;
mod repeated;
mod working;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::binary::{Finished, document, finish};
use super::world::{Given, World};

/// Wants the login of [`USER`].
const PRIVATE: &str = "registry.example/demo/app:1.0";
/// Wants none.
const PUBLIC: &str = "open.example/demo/app:1.0";
const USER: &str = "puller";
/// The password that the registry takes: no output may have it.
const PASSWORD: &str = "pw-plugin-4721";
const V1: &str = "credentialprovider.kubelet.k8s.io/v1";
const FAILED: &str = "credential_provider_failed";
const CONFIG: &str = "/etc/kubernetes/providers.yaml";
const BINARY: &str = "/opt/providers/lab";

/// A node with a plugin named `lab`, and two registries.
struct Node {
    world: World,
}

impl Node {
    fn new() -> Self {
        Self::with("")
    }

    /// `more` is of the world, in TOML.
    fn with(more: &str) -> Self {
        Self::seen(true, more)
    }

    /// The program sees the node as its own root, or as a directory.
    fn seen(own_root: bool, more: &str) -> Self {
        let push = "push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]";
        let given = format!(
            "own_root = {own_root}
            {more}
            [[registries]]
            host = 'registry.example'
            tls = {{}}
            auth = {{basic = {{users = {{{USER} = '{PASSWORD}'}}}}}}
            {push}
            [[registries]]
            host = 'open.example'
            tls = {{}}
            {push}
            [credential_settings]
            provider_config = '{CONFIG}'
            provider_bin_dir = '/opt/providers'"
        );
        Self::of(World::start(toml::from_str::<Given>(&given).unwrap()))
    }

    fn of(world: World) -> Self {
        let node = Self { world };
        std::fs::create_dir_all(node.world.node.path("/plugin")).unwrap();
        node.plugin(&but("auth", serde_json::json!({})));
        node.configure(CONFIG, &configuration("lab", ""));
        node
    }

    /// What the plugin does once it has left its process, arguments, environment and input in `/plugin`.
    fn plugin(&self, script: &str) {
        self.program(
            BINARY,
            &format!(
                "echo $$ >> '{seen}/runs'\nprintf '<%s>' \"$@\" > '{seen}/args'\nenv > '{seen}/env'\ncat > '{seen}/input'\n{script}",
                seen = self.world.node.path("/plugin").display()
            ),
        );
    }

    fn program(&self, path: &str, script: &str) {
        self.world.node.write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.world.node.path(path), mode).unwrap();
    }

    fn configure(&self, path: &str, text: &str) {
        self.world.node.write(path, text).unwrap();
    }

    /// What the plugin left in one of its files, which are then gone. `None`: it did not run.
    fn left(&self, file: &str) -> Option<String> {
        let path = self.world.node.path(&format!("/plugin/{file}"));
        let text = std::fs::read_to_string(&path).ok()?;
        std::fs::remove_file(path).unwrap();
        Some(text)
    }

    /// The process of each time that it ran, from the first on.
    fn runs(&self) -> Vec<i32> {
        let path = self.world.node.path("/plugin/runs");
        std::fs::read_to_string(path).unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
    }

    fn check(&self, images: &[&str], options: &[&str]) -> Told {
        let run = |format| {
            finish(
                self.world
                    .command("check")
                    .args(images)
                    .args(["--log-level", "trace", "--format", format])
                    .args(options),
            )
        };
        Told { json: run("json"), text: run("text") }
    }

    /// What was sent to the private registry, in one text.
    fn sent(&self) -> String {
        format!("{:?}", self.world.at("registry.example").requests())
    }
}

/// The providers of a file: one, for both registries; `more` are lines of it.
fn configuration(name: &str, more: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: {name}\n  \
         apiVersion: {V1}\n  matchImages: [registry.example, open.example]\n  defaultCacheDuration: 0s\n{more}"
    )
}

/// A line of a plugin that prints an answer.
fn print(answer: &Value) -> String {
    format!("cat << 'END'\n{answer}\nEND")
}

/// An answer with the right login for a key.
fn login(key: &str) -> Value {
    serde_json::json!({
        "kind": "CredentialProviderResponse", "apiVersion": V1, "cacheKeyType": "Registry", "cacheDuration": "0s",
        "auth": {key: {"username": USER, "password": PASSWORD}},
    })
}

/// The same with one field changed.
fn but(field: &str, value: impl Into<Value>) -> String {
    let mut answer = login("registry.example");
    answer[field] = value.into();
    print(&answer)
}

/// A shell of the node's own, with all that it loads.
pub fn furnish(node: &pullprobe_lab::node::Node) {
    for program in ["/bin/sh", "/bin/cat"] {
        let listed = std::process::Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let loaded = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for path in loaded.chain([program]) {
            node.write(path, std::fs::read(path).unwrap()).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(node.path(path), mode).unwrap();
        }
    }
}

/// One question in both formats.
struct Told {
    json: Finished,
    text: Finished,
}

impl Told {
    #[track_caller]
    fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(
            (self.json.code, self.text.code),
            (Some(code), Some(code)),
            "{}\n{}",
            self.json.stdout,
            self.shown()
        );
        self
    }

    fn image(&self) -> Value {
        document(&self.json)["images"][0].clone()
    }

    /// The text without its line breaks.
    fn shown(&self) -> String {
        self.text.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// In the JSON's verdict and in the text.
    #[track_caller]
    fn has_cause(&self, cause: &str, words: &str) -> &Self {
        let image = self.image();
        assert_eq!((&image["cause"], &image["pullable"]), (&cause.into(), &false.into()), "{image:#}");
        assert!(image["summary"].as_str().unwrap().contains(words), "{words:?} is not in {image:#}");
        assert!(
            self.shown().contains(cause) && self.shown().contains(words),
            "{words:?} is not in {}",
            self.text.stdout
        );
        self
    }

    #[track_caller]
    fn is_untold(&self, words: &str) -> &Self {
        let image = self.ends_with(3).image();
        assert_eq!((&image["cause"], &image["pullable"]), (&Value::Null, &Value::Null), "{image:#}");
        assert!(image["summary"].as_str().unwrap().contains(words), "{words:?} is not in {image:#}");
        assert!(self.shown().contains(words), "{words:?} is not in {}", self.text.stdout);
        self
    }

    #[track_caller]
    fn pulls(&self, source: Option<&str>) -> &Self {
        let image = self.ends_with(0).image();
        assert_eq!(image["pullable"], true, "{image:#}");
        assert_eq!(image["credential"]["source"].as_str(), source, "{image:#}");
        self
    }

    /// The finding of this code, which the text has too.
    #[track_caller]
    fn finding(&self, code: &str) -> Value {
        let findings = self.findings();
        let found: Vec<&Value> = findings.iter().filter(|finding| finding["code"] == code).collect();
        let [one] = found[..] else { panic!("not one {code}: {findings:#?}") };
        let message = one["message"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(self.shown().contains(&message), "{message:?} is not in {}", self.text.stdout);
        one.clone()
    }

    fn findings(&self) -> Vec<Value> {
        document(&self.json)["findings"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn does_not_say(&self, secret: &str) -> &Self {
        let all = format!("{:?}{:?}", self.json, self.text);
        assert!(!all.contains(secret), "{secret}: {all}");
        self
    }
}
