//! Which host is told which secret: never another than containerd would tell.

use super::marker::{Marker, plant};
use super::outputs::Said;
use super::{VERSIONS, assert_only, basic, said_by, tokens, world};

/// `registry.example` is mirrored by a host that wants a header, has its tokens from `auth.example` and
/// its blobs from `cdn.example`; `cut.example` sends clients to a host that is not there, `odd.example` to a
/// realm with user information.
const WORLD: &str = r#"
counted_pulls = 9

[credentials]
"registry.example" = {user = "robot", password = "<password>"}
"odd.example" = {user = "robot", password = "<password>"}
"basic.example" = {user = "robot", password = "<basic>"}

[hosts]
"registry.example" = '''
server = "https://registry.example"
[host."https://mirror.example"]
  capabilities = ["pull", "resolve"]
  [host."https://mirror.example".header]
    X-Mirror-Key = "<header>"
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
faults = [{when = {kind = "blob", authorized = true}, then = {redirect = "https://cdn.example/blob?X-Signature=<url:signature>"}}]
[registries.auth.bearer]
realm = "https://auth.example/token"
users = {robot = "<password>"}
private = ["*"]

[[registries]]
name = "auth"
host = "auth.example"
tls = {}
[registries.auth.bearer]
users = {robot = "<password>"}
private = ["*"]

[[registries]]
name = "cdn"
host = "cdn.example"
tls = {}
faults = [{then = {status = 403, body = "no: X-Signature=<signature>"}}]

[[registries]]
name = "odd"
host = "odd.example"
tls = {}
[registries.auth.bearer]
realm = "https://robot:<url:realm>@nobody.example/token?key=<url:realm>"
users = {robot = "other"}
private = ["*"]

[[registries]]
name = "cut"
host = "cut.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
faults = [{when = {kind = "blob"}, then = {redirect = "https://gone.example/blob?X-Signature=<url:signature>"}}]

[[registries]]
name = "basic"
host = "basic.example"
tls = {}
rate_limit = {limit = 100, remaining = 50}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
[registries.auth.basic]
users = {robot = "<basic>"}
"#;

const HOSTS: [&str; 6] =
    ["mirror.example", "registry.example", "auth.example", "cdn.example", "odd.example", "basic.example"];

const IMAGES: [&str; 5] = [
    "registry.example/demo/app:1.0",
    "registry.example/demo/app:no-such-tag",
    "odd.example/demo/app:1.0",
    "cut.example/demo/app:1.0",
    "basic.example/demo/app:1.0",
];

#[test]
fn each_secret_is_for_the_host_that_it_is_meant_for() {
    for version in VERSIONS {
        let (text, mut markers) = plant(WORLD);
        let world = world(&format!("containerd = \"{version}\"\n{text}"));
        let said = Said::by_all(&world, &IMAGES);
        assert!(said.written().iter().any(|file| file.contains("counted-pulls")), "{:?}", said.written());
        let issued = tokens(world.at("registry.example"));
        assert!(!issued.is_empty(), "no token was ever used, so nothing is shown here");
        markers.extend(issued);
        said.assert_silent_about(&markers);
        said.assert_mentions("gone.example");
        said.assert_mentions("nobody.example");
        for marker in &markers {
            let meant_for: &[&str] = match marker.name.as_str() {
                "password" => &["auth.example"],
                "basic" => &["basic.example"],
                "header" => &["mirror.example"],
                "signature" => &["cdn.example"],
                "issued token" => &["registry.example"],
                _ => &[],
            };
            assert_only(&world, marker, &HOSTS, meant_for);
        }
    }
}

#[test]
fn a_proxys_password_is_for_the_proxy_alone() {
    let (text, mut markers) = plant(WORLD);
    let world = world(&text);
    let password = Marker::found("proxy", "pWq7-of-the-proxy");
    let proxy = world.proxy("node", &password.text, "");
    let said = Said::by_all(&world, &IMAGES);
    let (seen, login) = (proxy.seen(), basic("node", &password));
    let by_login = |seen: &&pullprobe_lab::proxy::Seen| seen.authorization.as_ref() == Some(&login);
    assert!(seen.iter().filter(by_login).any(|seen| seen.target == "registry.example:443"), "{seen:?}");
    assert!(!tokens(world.at("registry.example")).is_empty(), "the tunnel was never used:\n{said:?}");
    assert_only(&world, &password, &HOSTS, &[]);
    markers.push(password);
    said.assert_silent_about(&markers);
}

/// A mirror whose headers are credentials, each in its own header; it and its token service redirect.
const HEADERS: &str = r#"
[hosts]
"registry.example" = '''
server = "https://nobody.example"
[host."https://mirror.example"]
  [host."https://mirror.example".header]
    Authorization = "Basic <login:authorization>"
    Cookie = "session=<cookie>"
    X-Key = "<key>"
'''

[[registries]]
host = "mirror.example"
tls = {}
faults = [
  {when = {path = "*/below/*"}, then = {redirect = "https://cdn.mirror.example${path}"}},
  {when = {kind = "manifest"}, then = {redirect = "https://cdn.example${path}"}},
]

[[registries]]
host = "cdn.mirror.example"
tls = {}
push = [{repository = "below/app", tag = "1.0", content = {image = {}}}]

[[registries]]
host = "cdn.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
faults = [{when = {path = "*/twice/*"}, then = {redirect = "https://mirror.example/v2/back/app/manifests/1.0"}}]
"#;

/// Go drops `Authorization` and `Cookie` on the way to another host and keeps all else. To a host below it keeps
/// them, too.
#[test]
fn a_redirect_takes_no_credential_to_another_host() {
    for version in ["1.6.20", "1.7.0", "2.1.9"] {
        let (text, markers) = plant(HEADERS);
        let world = world(&format!("containerd = \"{version}\"\n{text}"));
        let images =
            ["registry.example/demo/app:1.0", "registry.example/below/app:1.0", "registry.example/twice/app:1.0"];
        let said = Said::by_all(&world, &images);
        said.assert_silent_about(&markers);
        for marker in &markers {
            assert!(said_by(&world, "mirror.example", marker), "<{}> is for the mirror", marker.name);
            let follows = marker.name == "key";
            assert_eq!(said_by(&world, "cdn.example", marker), follows, "<{}> in {version}", marker.name);
            assert!(said_by(&world, "cdn.mirror.example", marker), "<{}> in {version}", marker.name);
        }
    }
}

/// A token service that sends its clients to another one: what stood in `Authorization` stays behind, what
/// stood in the form goes along only where Go repeats the POST.
const TOKEN_REDIRECTS: &str = r#"
[credentials]
"turned.example" = {user = "robot", password = "<turned>"}
"kept.example" = {user = "robot", password = "<kept>"}
"posted.example" = {user = "robot", password = "<posted>"}

[[registries]]
host = "turned.example"
tls = {}
faults = [
  {when = {kind = "token", method = "POST"}, then = {status = 404}},
  {when = {kind = "token"}, then = {redirect = "https://other.example/token"}},
]
[registries.auth.bearer]
users = {robot = "<turned>"}
private = ["*"]

[[registries]]
host = "kept.example"
tls = {}
faults = [{when = {kind = "token"}, then = {status = 302, headers = [["location", "https://other.example/token"]]}}]
[registries.auth.bearer]
users = {robot = "<kept>"}
private = ["*"]

[[registries]]
host = "posted.example"
tls = {}
faults = [{when = {kind = "token"}, then = {redirect = "https://other.example/token"}}]
[registries.auth.bearer]
users = {robot = "<posted>"}
private = ["*"]

[[registries]]
host = "other.example"
tls = {}
[registries.auth.bearer]
"#;

#[test]
fn a_token_services_redirect_takes_no_password_along() {
    let (text, markers) = plant(TOKEN_REDIRECTS);
    let world = world(&text);
    let images = ["turned", "kept", "posted"].map(|host| format!("{host}.example/demo/app:1.0"));
    let said = Said::by_all(&world, &images.each_ref().map(String::as_str));
    said.assert_silent_about(&markers);
    assert!(!world.at("other.example").requests().is_empty(), "nobody was redirected");
    for marker in &markers {
        assert_only(
            &world,
            marker,
            &["turned.example", "kept.example", "posted.example"],
            &[&format!("{}.example", marker.name)],
        );
        assert!(!said_by(&world, "other.example", marker), "{}", marker.name);
    }
}
