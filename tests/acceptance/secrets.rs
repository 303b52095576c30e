//! Secrets go where they are meant to go, and nowhere else: no output, no log, no other host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullprobe_lab::registry::{Authorization, Registry, Request};

use super::binary::{Agent, finish};
use super::world::{Given, World};

/// The password of kubelet's config.json.
const PASSWORD: &str = "pw-kubelet-4711";
/// The value of a header in hosts.toml.
const HEADER: &str = "header-4712";
/// The signature in the query of a blob's redirect.
const SIGNATURE: &str = "signature-4713";
/// The password in the URL of the proxy.
const PROXY: &str = "pw-proxy-4714";
/// The password in the user information of a realm.
const REALM: &str = "pw-realm-4715";
/// The password of a registry that wants Basic authentication.
const BASIC: &str = "pw-basic-4716";

/// Two whose errors differ: the newer one takes the values out of queries.
const NEW: &str = "2.1.9";
const OLD: &str = "1.7.0";

const IMAGES: [&str; 5] = [
    "registry.example/demo/app:1.0",
    "registry.example/demo/app:no-such-tag",
    "odd.example/demo/app:1.0",
    "cut.example/demo/app:1.0",
    "basic.example/demo/app:1.0",
];

/// `registry.example` is mirrored by a host that wants a header, has its tokens from `auth.example` and
/// its blobs from `cdn.example`; `cut.example` sends clients to a host that is not there, `odd.example` to a
/// realm with user information.
const WORLD: &str = r#"
containerd = "$CONTAINERD"

[credentials]
"registry.example" = {user = "kubelet", password = "$PASSWORD"}
"odd.example" = {user = "kubelet", password = "$PASSWORD"}
"basic.example" = {user = "kubelet", password = "$BASIC"}

[hosts]
"registry.example" = '''
server = "https://registry.example"
[host."https://mirror.example"]
  capabilities = ["pull", "resolve"]
  [host."https://mirror.example".header]
    X-Mirror-Key = "$HEADER"
'''

[[registries]]
name = "mirror"
host = "mirror.example"
tls = {}
faults = [{when = {kind = "manifest"}, then = {status = 503}}]

[[registries]]
name = "registry"
host = "registry.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {index = {manifests = [{platform = "linux/amd64"}]}}}]
faults = [{when = {kind = "blob", authorized = true}, then = {redirect = "https://cdn.example/blob?X-Signature=$SIGNATURE"}}]
[registries.auth.bearer]
realm = "https://auth.example/token"
users = {kubelet = "$PASSWORD"}
private = ["*"]

[[registries]]
name = "auth"
host = "auth.example"
tls = {}
[registries.auth.bearer]
users = {kubelet = "$PASSWORD"}
private = ["*"]

[[registries]]
name = "cdn"
host = "cdn.example"
tls = {}
faults = [{then = {status = 403, body = "no: X-Signature=$SIGNATURE"}}]

[[registries]]
name = "odd"
host = "odd.example"
tls = {}
[registries.auth.bearer]
realm = "https://robot:$REALM@nobody.example/token?key=$REALM"
users = {kubelet = "other"}
private = ["*"]

[[registries]]
name = "cut"
host = "cut.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
faults = [{when = {kind = "blob"}, then = {redirect = "https://gone.example/blob?X-Signature=$SIGNATURE"}}]

[[registries]]
name = "basic"
host = "basic.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
[registries.auth.basic]
users = {kubelet = "$BASIC"}
"#;

fn world(containerd: &str) -> World {
    let words = [
        ("$CONTAINERD", containerd),
        ("$PASSWORD", PASSWORD),
        ("$HEADER", HEADER),
        ("$SIGNATURE", SIGNATURE),
        ("$REALM", REALM),
        ("$BASIC", BASIC),
    ];
    let given = words.iter().fold(WORLD.to_owned(), |text, (word, meaning)| text.replace(word, meaning));
    assert!(!given.contains('$'), "a word has no meaning: {given}");
    World::start(toml::from_str::<Given>(&given).unwrap())
}

/// Everything that the program can be made to say about this world.
fn said(world: &World) -> Vec<(String, String)> {
    world.settings(&IMAGES);
    let mut said = Vec::new();
    let traced = ["--log-level", "trace"];
    for (verb, options, targets) in [
        ("check", &["--format", "text"][..], &IMAGES[..]),
        ("check", &["--format", "json"], &IMAGES),
        ("check", &["--format", "json", "--log-format", "json"], &IMAGES),
        ("plan", &["--format", "text"], &IMAGES),
        ("plan", &["--format", "json"], &IMAGES),
        ("lint", &["--format", "text"], &[]),
        ("lint", &["--format", "json"], &[]),
    ] {
        let finished = finish(world.command(verb).args(targets).args(options).args(traced));
        assert_ne!(finished.code, Some(2), "{verb} {options:?}: {finished:?}");
        said.push((format!("{verb} {options:?}: standard output"), finished.stdout));
        said.push((format!("{verb} {options:?}: standard error"), finished.stderr));
    }
    let mut agent = Agent::start(world.command("run").args(traced)).ready();
    for path in ["/", "/metrics", "/api/v1/report", "/api/v1/schema"] {
        said.push((format!("run: {path}"), agent.get(path).text()));
    }
    agent.terminate();
    assert!(agent.ended_within(Duration::from_secs(10)).is_some());
    said.push(("run: log".into(), agent.log()));
    said
}

/// The shapes in which a secret can show.
fn shapes(secret: &str, user: &str) -> Vec<String> {
    let login = STANDARD.encode(format!("{user}:{secret}"));
    vec![secret.to_owned(), STANDARD.encode(secret), login]
}

/// The bearer tokens that reached a registry.
fn tokens(registry: &Registry) -> Vec<String> {
    let token = |request: &Request| match request.authorization() {
        Some(Authorization::Bearer(token)) => Some(token),
        _ => None,
    };
    registry.requests().iter().filter_map(token).collect()
}

/// Whether any request to a registry held one of these texts, anywhere.
fn reached(registry: &Registry, texts: &[String]) -> bool {
    let holds = |request: &Request| {
        let all = format!("{} {} {:?} {}", request.path, request.query, request.headers, request.body);
        texts.iter().any(|text| all.contains(text.as_str()))
    };
    registry.requests().iter().any(holds)
}

fn assert_unsaid(said: &[(String, String)], secrets: &[String]) {
    let mut leaks = Vec::new();
    for (place, text) in said {
        for line in text.lines() {
            let leaked = secrets.iter().filter(|secret| line.contains(secret.as_str()));
            leaks.extend(leaked.map(|secret| format!("{secret} in {place}: {line}")));
        }
    }
    assert!(leaks.is_empty(), "{} lines tell a secret:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn no_output_and_no_other_host_learns_a_secret() {
    keeps_secrets(&world(NEW));
}

/// Older releases write whole URLs into their errors, which kubelet shows: pullprobe does not.
#[test]
fn what_an_old_containerd_would_say_is_said_without_its_secrets() {
    keeps_secrets(&world(OLD));
}

fn keeps_secrets(world: &World) {
    let said = said(world);
    let tokens = tokens(world.at("registry.example"));
    assert!(!tokens.is_empty(), "no token was ever used, so nothing is shown here");
    for host in ["gone.example", "nobody.example"] {
        assert!(
            said.iter().any(|(_, text)| text.contains(host)),
            "nothing was said of {host}, so nothing is shown here"
        );
    }
    let secrets = [
        (shapes(PASSWORD, "kubelet"), &["auth.example"][..]),
        (shapes(BASIC, "kubelet"), &["basic.example"]),
        (shapes(HEADER, "kubelet"), &["mirror.example"]),
        (shapes(SIGNATURE, "kubelet"), &["cdn.example"]),
        (shapes(REALM, "robot"), &[]),
        (tokens, &["registry.example"]),
    ];
    let hosts = ["mirror", "registry", "auth", "cdn", "odd", "basic"].map(|name| format!("{name}.example"));
    assert_unsaid(&said, &secrets.iter().flat_map(|(shapes, _)| shapes.clone()).collect::<Vec<_>>());
    for (secret, meant_for) in &secrets {
        for host in &hosts {
            let may = meant_for.contains(&host.as_str());
            assert_eq!(reached(world.at(host), secret), may, "{} and {host}", secret[0]);
        }
    }
}

#[test]
fn a_proxys_password_is_for_the_proxy_alone() {
    let world = world(NEW);
    let proxy = world.proxy("node", PROXY, "");
    let said = said(&world);
    let seen = proxy.seen();
    let login = format!("Basic {}", STANDARD.encode(format!("node:{PROXY}")));
    let by_login = |seen: &&pullprobe_lab::proxy::Seen| seen.authorization.as_ref() == Some(&login);
    assert!(seen.iter().filter(by_login).any(|seen| seen.target == "registry.example:443"), "{seen:?}");
    assert!(!tokens(world.at("registry.example")).is_empty(), "the tunnel was never used:\n{said:?}");
    assert_unsaid(&said, &shapes(PROXY, "node"));
    assert_unsaid(&said, &shapes(PASSWORD, "kubelet"));
    for host in ["mirror.example", "registry.example", "auth.example", "cdn.example", "odd.example", "basic.example"] {
        assert!(!reached(world.at(host), &shapes(PROXY, "node")), "{host}");
    }
}

/// A password that lands in a wrong place of a file is not quoted back by the complaint about it.
#[test]
fn complaints_about_broken_files_do_not_quote_secrets() {
    let given = format!(
        r#"
        [hosts]
        "registry.example" = '''
        server = "https://robot:{REALM}@registry.example"
        [host."https://mirror.example".header]
          Authorization = ["Bearer {HEADER}", 7]
        '''
        "header.example" = '''
        [host."https://mirror.example".header]
          Authorization = "Bearer {HEADER}
        '''
        [files]
        "/var/lib/kubelet/config.json" = '{{"auths": {{"registry.example": {{"auth": "{login}", "password": "{PASSWORD}",}}}}}}'
        "/etc/containerd/config.toml" = '''
        version = 2
        [plugins."io.containerd.grpc.v1.cri".registry.configs."registry.example".auth]
          username = "robot"
          password = "{BASIC}
        '''
        "#,
        login = STANDARD.encode(format!("kubelet:{PASSWORD}")),
    );
    let world = World::start(toml::from_str::<Given>(&given).unwrap());
    let said = said(&world);
    for (secret, user) in [(REALM, "robot"), (HEADER, ""), (PASSWORD, "kubelet"), (BASIC, "robot")] {
        assert_unsaid(&said, &shapes(secret, user));
    }
    let complained = said.iter().any(|(place, text)| place.starts_with("lint") && text.contains("config.json"));
    assert!(complained, "nothing was found wrong: {said:?}");
}
