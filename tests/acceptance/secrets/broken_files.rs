//! Files that are broken in every place: the complaint about a line does not repeat what stands in it.

use super::super::world::World;
use super::marker::{Marker, plant};
use super::outputs::Said;
use super::world;

/// Characters whose loss turns a value into something else.
const BEARING: &str = "\"'[]{}=:,@";
/// A file, whole but for what is done to it next, that holds secrets in every place for them.
struct File {
    path: &'static str,
    text: &'static str,
    /// Some findings about it are reported under this name.
    findings: &'static str,
}

const FILES: [File; 8] = [
    File {
        path: "/var/lib/kubelet/config.json",
        text: r#"{"auths": {"registry.example": {"username": "robot", "password": "<one>", "auth": "<login:two>"}, "https://robot:<url:key>@b.example": {"auth": "<login:three>"}}, "HttpHeaders": {"X": "<header>"}}"#,
        findings: "config.json",
    },
    File {
        path: "/var/lib/kubelet/.dockercfg",
        text: r#"{"registry.example": {"username": "robot", "password": "<one>", "auth": "<login:two>", "email": "<mail>"}}"#,
        findings: ".dockercfg",
    },
    File {
        path: "/secrets/team/key/.dockerconfigjson",
        text: r#"{"auths": {"registry.example": {"auth": "<login:one>"}, "b.example": {"username": "robot", "password": "<two>"}}}"#,
        findings: ".dockerconfigjson",
    },
    File {
        path: "/secrets/team/old/.dockercfg",
        text: r#"{"registry.example": {"username": "robot", "password": "<one>"}}"#,
        findings: "/secrets/team/old/.dockercfg",
    },
    File {
        path: "/etc/containerd/certs.d/registry.example/hosts.toml",
        text: "server = \"https://robot:<url:server>@registry.example/v2?token=<url:query>\"\n\
               [host.\"https://robot:<url:host>@mirror.example\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
               client = [[\"/a.pem\", \"/b.pem\"]]\n  ca = '/ca.pem'\n  dial_timeout = '5s'\n  \
               [host.\"https://robot:<url:host>@mirror.example\".header]\n    Authorization = \"Bearer <bearer>\"\n    \
               X-Key = ['<key>', \"<other>\"]\n",
        findings: "hosts.toml",
    },
    File {
        path: "/etc/containerd/config.toml",
        text: "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = 'https://robot:<url:pause>@r.example/pause:3'\n\
               [plugins.\"io.containerd.grpc.v1.cri\".registry.headers]\n  Authorization = ['Bearer <bearer>']\n\
               [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"registry.example\".auth]\n  username = 'robot'\n  \
               password = '<one>'\n  auth = \"<login:two>\"\n  identitytoken = '<three>'\n\
               [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"registry.example\"]\n  \
               endpoint = ['https://robot:<url:mirror>@mirror.example?token=<url:query>']\n",
        findings: "config.toml",
    },
    File {
        path: "/etc/kubernetes/providers.yaml",
        text: "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n  - name: good\n    \
               apiVersion: credentialprovider.kubelet.k8s.io/v1\n    matchImages: ['r.example', 'robot:<match>@b.example']\n    \
               defaultCacheDuration: 0s\n    args: ['--key=<argument>', \"<word>\"]\n    \
               env:\n      - {name: KEY, value: '<flow>'}\n      - name: OTHER\n        value: <block>\n",
        findings: "providers.yaml",
    },
    File {
        path: "/etc/systemd/system/containerd.service",
        text: "[Service]\nExecStart=/usr/bin/containerd\nEnvironment=\"HTTPS_PROXY=http://robot:<unit:proxy>@proxy.example:3128\" 'NO_PROXY=a'\n\
               Environment=HTTP_PROXY=robot:<unit:plain>@proxy.example\n",
        findings: "",
    },
];

/// The file broken at one place: a character is lost, is the end of a line, or is the end of the file.
fn broken(text: &str, at: usize, way: usize) -> String {
    let (before, after) = (&text[..at], &text[at + 1..]);
    match way % 3 {
        // Without its `@` a password is a port to everybody.
        0 if !text[at..].starts_with('@') => format!("{before}{after}"),
        1 => format!("{before}\n{after}"),
        _ => before.to_owned(),
    }
}

fn node() -> World {
    let world = world(
        r#"
        [credential_settings]
        provider_config = "/etc/kubernetes/providers.yaml"
        provider_bin_dir = "/opt/providers"
        pull_secrets_dir = "${node}/secrets"
        "#,
    );
    std::fs::create_dir_all(world.node.path("/secrets")).unwrap();
    world
}

fn breaks(file: &File) {
    let world = node();
    let (text, markers) = plant(file.text);
    let places: Vec<usize> = text.char_indices().filter(|(_, c)| BEARING.contains(*c)).map(|(at, _)| at).collect();
    assert!(places.len() > 8 && !markers.is_empty());
    let mut complaints = 0;
    let variants = places.iter().zip(0..).map(|(at, way)| broken(&text, *at, way));
    for variant in variants.chain([text.clone()]) {
        world.node.write(file.path, &variant).unwrap();
        let mut said = Said::default();
        said.by("lint", &[], &mut world.command("lint"));
        assert_silent(&said, &markers, &variant);
        complaints += usize::from(file.findings.is_empty() || said.mentions(file.findings));
    }
    assert!(complaints > places.len() / 2, "{}: only {complaints} complaints", file.path);
    // All verbs get what `lint` gets: the last of them, and the whole file, stand for the others.
    for variant in [broken(&text, *places.last().unwrap(), 0), broken(&text, places[places.len() / 2], 2), text] {
        world.node.write(file.path, &variant).unwrap();
        let said = Said::by_all(&world, &["registry.example/demo/app:1.0", "b.example/app"]);
        assert_silent(&said, &markers, &variant);
    }
}

#[track_caller]
fn assert_silent(said: &Said, markers: &[Marker], text: &str) {
    let silent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| said.assert_silent_about(markers)));
    assert!(silent.is_ok(), "about:\n{text}");
}

#[test]
fn kubelets_config_json() {
    breaks(&FILES[0]);
}

#[test]
fn kubelets_dockercfg() {
    breaks(&FILES[1]);
}

#[test]
fn a_pull_secret() {
    breaks(&FILES[2]);
}

#[test]
fn an_old_pull_secret() {
    breaks(&FILES[3]);
}

#[test]
fn a_hosts_toml() {
    breaks(&FILES[4]);
}

#[test]
fn containerds_config_toml() {
    breaks(&FILES[5]);
}

#[test]
fn a_provider_configuration() {
    breaks(&FILES[6]);
}

#[test]
fn containerds_unit() {
    breaks(&FILES[7]);
}
