//! Credentials that stand in files of the node and of the cluster: kubelet's, pull secrets, containerd's own.

use super::super::world::World;
use super::marker::{Marker, plant};
use super::outputs::Said;
use super::{assert_only, world};

/// A registry that wants the marker of its own name from `robot`, as `basic`.
fn private(host: &str, name: &str) -> String {
    format!(
        "[[registries]]\nhost = \"{host}\"\ntls = {{}}\n\
         push = [{{repository = \"demo/app\", tag = \"1.0\", content = {{image = {{}}}}}}]\n\
         [registries.auth.basic]\nusers = {{robot = \"<{name}>\"}}\n"
    )
}

/// Every registry got its own secret and no other's, and nobody else heard of any.
fn assert_kept(world: &World, markers: &[Marker], owners: &[(&str, &str)]) {
    let images: Vec<String> = owners.iter().map(|(host, _)| format!("{host}/demo/app:1.0")).collect();
    let said = Said::by_all(world, &images.iter().map(String::as_str).collect::<Vec<_>>());
    said.assert_silent_about(markers);
    for marker in markers {
        let meant_for: Vec<&str> =
            owners.iter().filter(|(_, name)| *name == marker.name).map(|(host, _)| *host).collect();
        let hosts: Vec<&str> = owners.iter().map(|(host, _)| *host).collect();
        assert_only(world, marker, &hosts, &meant_for);
    }
}

#[test]
fn kubelets_file_and_pull_secrets() {
    let owners =
        [("auth.example", "auth"), ("password.example", "password"), ("new.example", "new"), ("old.example", "old")];
    let files = r#"
        [files]
        "/var/lib/kubelet/config.json" = '''{
          "auths": {
            "auth.example": {"auth": "<login:auth>", "email": "<email>"},
            "password.example": {"username": "robot", "password": "<password>"},
            "tokens.example": {"identitytoken": "<identity>", "registrytoken": "<registry>"},
            "https://robot:<url:key>@key.example/": {"auth": "<login:key>"}
          },
          "HttpHeaders": {"X-Key": "<http-header>"},
          "credsStore": "desktop"
        }'''
        "/var/lib/kubelet/.dockercfg" = '{"auth.example": {"auth": "<login:shadowed>"}}'
        "/secrets/team/new/.dockerconfigjson" = '{"auths": {"new.example": {"auth": "<login:new>"}}}'
        "/secrets/team/old/.dockercfg" = '{"old.example": {"username": "robot", "password": "<old>"}}'
        [credential_settings]
        pull_secrets_dir = "${node}/secrets"
    "#;
    let registries: String = owners.iter().map(|(host, name)| private(host, name)).collect();
    let (text, markers) = plant(&format!("{registries}{files}"));
    assert_kept(&world(&text), &markers, &owners);
}

#[test]
fn kubelets_legacy_file() {
    let file = "[files]\n\"/var/lib/kubelet/.dockercfg\" = '{\"legacy.example\": {\"auth\": \"<login:legacy>\"}}'\n";
    let (text, markers) = plant(&(private("legacy.example", "legacy") + file));
    assert_kept(&world(&text), &markers, &[("legacy.example", "legacy")]);
}

/// `registry.configs` and `registry.auths`, which containerd honours where kubelet has nothing.
#[test]
fn containerds_own_configuration() {
    for (version, number, plugin) in
        [("1.7.0", 2, "io.containerd.grpc.v1.cri"), ("2.1.9", 3, "io.containerd.cri.v1.images")]
    {
        let owners = [("user.example", "user"), ("field.example", "field"), ("auths.example", "auths")];
        let registries: String = owners.iter().map(|(host, name)| private(host, name)).collect();
        let config = format!(
            r#"
            [files]
            "/etc/containerd/config.toml" = '''
            version = {number}
            [plugins."{plugin}".registry.headers]
              X-Everywhere = ["<header>"]
            [plugins."{plugin}".registry.configs."user.example".auth]
              username = "robot"
              password = "<user>"
            [plugins."{plugin}".registry.configs."field.example".auth]
              auth = "<login:field>"
            [plugins."{plugin}".registry.configs."token.example".auth]
              identitytoken = "<identity>"
            [plugins."{plugin}".registry.auths."https://auths.example"]
              username = "robot"
              password = "<auths>"
            '''
            "#
        );
        let token = r#"
            [[registries]]
            host = "token.example"
            tls = {}
            push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
            [registries.auth.bearer]
            identity_tokens = ["<identity>"]
            private = ["*"]
        "#;
        let (text, markers) = plant(&format!("containerd = \"{version}\"\n{registries}{token}{config}"));
        let world = world(&text);
        let owners = [&owners[..], &[("token.example", "identity")]].concat();
        let hosts: Vec<&str> = owners.iter().map(|(host, _)| *host).collect();
        let images: Vec<String> = hosts.iter().map(|host| format!("{host}/demo/app:1.0")).collect();
        let said = Said::by_all(&world, &images.iter().map(String::as_str).collect::<Vec<_>>());
        said.assert_silent_about(&markers);
        for marker in &markers {
            let owner = owners.iter().find(|(_, name)| *name == marker.name).map(|(host, _)| *host);
            // The headers are for every registry.
            let meant_for = owner.map_or(hosts.clone(), |host| vec![host]);
            assert_only(&world, marker, &hosts, &meant_for);
        }
    }
}

/// The private key with which a mirror is told who asks, and one that is not a key at all.
#[test]
fn a_clients_private_key() {
    let (text, mut markers) = plant(
        r#"
        [hosts]
        "keyed.example" = '''
        server = "https://keyed.example"
        [host."https://mirror.example"]
          client = "/etc/lab/client.pem"
        '''
        "broken.example" = '''
        server = "https://broken.example"
        [host."https://mirror.example"]
          client = [["/etc/lab/client.pem", "/etc/lab/broken.key"]]
        '''
        [files]
        "/etc/lab/client.pem" = "${client}"
        "/etc/lab/broken.key" = "-----BEGIN PRIVATE KEY-----\n<login:key>\n-----END PRIVATE KEY-----\n<behind-key>\n"
        [[registries]]
        host = "mirror.example"
        tls = {client_certificate = true}
        push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
        [[registries]]
        host = "keyed.example"
        tls = {}
        "#,
    );
    let world = world(&text);
    let pem = std::fs::read_to_string(world.node.path("/etc/lab/client.pem")).unwrap();
    let (_, key) = pem.split_once("PRIVATE KEY-----\n").unwrap();
    let lines = key.lines().take_while(|line| !line.starts_with('-'));
    markers.extend(lines.map(|line| Marker::found("line of a key", line)));
    assert!(markers.len() > 3, "{pem}");
    let said = Said::by_all(&world, &["keyed.example/demo/app:1.0", "broken.example/demo/app:1.0"]);
    said.assert_silent_about(&markers);
    said.assert_mentions("failed to load X509 key pair");
    assert!(world.at("mirror.example").handshakes() > 0, "the key was never used");
}
