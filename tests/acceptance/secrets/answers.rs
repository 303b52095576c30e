//! What registries, mirrors, token services and the targets of redirects say back: tokens that they give,
//! and credentials that they repeat.

use super::marker::{Marker, plant};
use super::outputs::Said;
use super::{assert_only, said_by, world};

/// The token service gives a token and a refresh token; the realm has a user and a key of its own.
const TOKENS: &str = r#"
[[registries]]
host = "open.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
faults = [{when = {authorized = false}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://robot:<url:realm>@auth.example/token?key=<url:realm-key>",service="open"']]}}]

[[registries]]
host = "auth.example"
tls = {}
faults = [{then = {body = '{"token": "<token>", "access_token": "<token>", "refresh_token": "<refresh>", "expires_in": 60}', status = 200, content_type = "application/json"}}]

[[registries]]
host = "garbage.example"
tls = {}
faults = [{then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://other.example/token",service="s"']]}}]

[[registries]]
host = "other.example"
tls = {}
faults = [{then = {body = '{"refresh_token": "<other-refresh>", "token": ["<other-token>"]}', status = 200, content_type = "application/json"}}]
"#;

#[test]
fn tokens_and_realms() {
    for version in super::VERSIONS {
        let (text, markers) = plant(&format!("containerd = \"{version}\"\n{TOKENS}"));
        let world = world(&text);
        let said = Said::by_all(&world, &["open.example/demo/app:1.0", "garbage.example/demo/app:1.0"]);
        said.assert_silent_about(&markers);
        said.assert_mentions("auth.example");
        said.assert_mentions("token_invalid");
        for marker in &markers {
            let meant_for: &[&str] = match marker.name.as_str() {
                "token" => &["open.example"],
                // As Go does: the user of a URL signs in.
                "realm" | "realm-key" => &["auth.example"],
                _ => &[],
            };
            assert_only(
                &world,
                marker,
                &["open.example", "auth.example", "garbage.example", "other.example"],
                meant_for,
            );
        }
    }
}

/// Everybody repeats what was confided to them, in every place whose text people are shown.
const ECHOES: &str = r#"
[credentials]
"basic.example" = {user = "robot", password = "<basic>"}
"token.example" = {user = "robot", password = "<oauth>"}
"bearer.example" = {user = "robot", password = "<password>"}
"get.example" = {user = "robot", password = "<get>"}

[hosts]
"mirrored.example" = '''
server = "https://mirrored.example"
[host."https://mirror.example".header]
  Authorization = "Basic <login:mirror>"
  X-Key = ["<mirror-key>"]
'''

[[registries]]
host = "basic.example"
tls = {}
faults = [
  {when = {authorized = true, path = "*/warned/*"}, then = {headers = [["warning", '299 - "you sent Basic <login:basic>, that is <basic> or <url:basic>"']]}},
  {when = {authorized = true, path = "*/reason/*"}, then = {raw = "HTTP/1.1 403 no <basic> (Basic <login:basic>)\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"}},
  {when = {authorized = true}, then = {status = 403, body = '{"errors": [{"code": "<basic>", "message": "not with Basic <login:basic> (<basic>)", "detail": "<basic>"}]}', content_type = "application/json"}},
]
push = [{repository = "demo/warned", tag = "1.0", content = {image = {}}}]
[registries.auth.basic]
users = {robot = "<basic>"}

[[registries]]
host = "token.example"
tls = {}
faults = [{when = {kind = "token"}, then = {status = 403, body = '{"details": "robot may not with <oauth>, <url:oauth> or <login:oauth>"}', content_type = "application/json"}}]
[registries.auth.bearer]
users = {robot = "<oauth>"}
private = ["*"]

[[registries]]
host = "get.example"
tls = {}
faults = [
  {when = {kind = "token", method = "POST"}, then = {status = 405}},
  {when = {kind = "token"}, then = {status = 401, error = ["UNAUTHORIZED", "Basic <login:get> is wrong"]}},
]
[registries.auth.bearer]
users = {robot = "<get>"}
private = ["*"]

[[registries]]
host = "bearer.example"
tls = {}
faults = [
  {when = {kind = "token"}, then = {status = 200, body = '{"token": "<token>"}', content_type = "application/json"}},
  {when = {authorized = true}, then = {status = 401, error = ["UNAUTHORIZED", "what is <token>?"], headers = [["www-authenticate", 'Bearer realm="https://bearer.example/token",service="<token>",error="Bearer <token>",error_description="<token>"']]}},
]
[registries.auth.bearer]
users = {robot = "<password>"}
private = ["*"]

[[registries]]
host = "mirror.example"
tls = {}
faults = [{then = {status = 403, error = ["DENIED", "neither Basic <login:mirror> (<mirror>) nor <mirror-key>"]}}]

[[registries]]
host = "mirrored.example"
tls = {}
faults = [{then = {status = 500, error = ["UNKNOWN", "the storage at https://robot:<url:storage>@storage.example/?X-Amz-Signature=<url:storage-key>&x=1 is gone"]}}]
"#;

#[test]
fn what_is_confided_and_repeated() {
    for version in super::VERSIONS {
        let (text, markers) = plant(&format!("containerd = \"{version}\"\n{ECHOES}"));
        let world = world(&text);
        let images = [
            "basic.example/demo/app:1.0",
            "basic.example/demo/warned/app:1.0",
            "basic.example/demo/warned:1.0",
            "basic.example/demo/reason/app:1.0",
            "token.example/demo/app:1.0",
            "get.example/demo/app:1.0",
            "bearer.example/demo/app:1.0",
            "mirrored.example/demo/app:1.0",
        ];
        let said = Said::by_all(&world, &images);
        said.assert_silent_about(&markers);
        // What is around them was shown.
        for words in [
            "not with *** (***)",
            "you sent ***, that is *** or ***",
            "robot may not with ***",
            "*** is wrong",
            "neither *** (***) nor ***",
        ] {
            said.assert_mentions(words);
        }
        said.assert_mentions("the storage at https://");
    }
}

/// A proxy that repeats the password with which it was asked, in its refusal.
#[test]
fn what_a_proxy_repeats() {
    let refusals = [
        "HTTP/1.1 403 not <proxy> (Basic <login:proxy>)\r\n\r\n",
        "HTTP/1.1 407 who is <proxy>?\r\nProxy-Authenticate: Basic realm=\"not <login:proxy>\"\r\n\r\n",
        "HTTP/1.1 4x3 <proxy> <login:proxy>\r\n\r\n",
        "<proxy> <login:proxy>\r\n\r\n",
    ];
    for refusal in refusals {
        let (refusal, markers) = plant(refusal);
        let refusal = toml::Value::String(refusal).to_string();
        let (text, _) = plant(&format!(
            "[files]\n\"/usr/lib/systemd/system/containerd.service\" = '''\n[Service]\n\
             Environment=HTTPS_PROXY=http://robot:<unit:proxy>@proxy.example:80\nExecStart=/usr/bin/containerd\n'''\n\
             [[registries]]\nhost = \"proxy.example\"\nfaults = [{{then = {{raw = {refusal}}}}}]\n"
        ));
        let world = world(&text);
        let said = Said::by_all(&world, &["registry.example/demo/app:1.0"]);
        said.assert_silent_about(&markers);
        said.assert_mentions("proxy_");
    }
}

/// Signatures and passwords in the targets of redirects.
const REDIRECTS: &str = r#"
[[registries]]
host = "redirects.example"
tls = {}
push = [{repository = "demo/blob", tag = "1.0", content = {image = {}}}]
faults = [
  {when = {path = "*/closed/*"}, then = {redirect = "https://robot:<url:user>@cdn.example/closed?X-Amz-Signature=<url:amazon>&X-Amz-Credential=<url:who>&sig=<url:azure>&token=<url:query>"}},
  {when = {path = "*/gone/*"}, then = {redirect = "https://robot:<url:user>@gone.example/x?sig=<url:azure>#<url:fragment>"}},
  {when = {path = "*/loop/*"}, then = {redirect = "https://robot:<url:user>@redirects.example/v2/loop/manifests/1?token=<url:query>"}},
  {when = {path = "*/broken/*"}, then = {redirect = "https://robot:<url:user>@cdn .example/x?sig=<url:azure>"}},
  {when = {path = "*/odd/*"}, then = {redirect = "ftp://robot:<url:user>@cdn.example/x?sig=<url:azure>"}},
  {when = {path = "*/unfollowed/*"}, then = {status = 300, error = ["FOUND", "at https://robot:<url:user>@cdn.example/x?sig=<url:azure>"], headers = [["location", "https://robot:<url:user>@cdn.example/x?sig=<url:azure>"]]}},
  {when = {kind = "blob"}, then = {redirect = "https://cdn.example/blob?X-Amz-Signature=<url:amazon>&token=<url:query>"}},
]

[[registries]]
host = "cdn.example"
tls = {}
faults = [
  {when = {path = "/closed"}, then = {status = 403, error = ["DENIED", "X-Amz-Signature=<amazon>, sig <azure>, token=<url:query> of robot:<user>"]}},
  {then = {status = 403, body = "<Error>"}},
]
"#;

#[test]
fn targets_of_redirects() {
    for version in super::VERSIONS {
        // `<Error>` is the storage's word, no marker.
        let (text, markers) = plant(&REDIRECTS.replace("<Error>", "denied"));
        let world = world(&format!("containerd = \"{version}\"\n{text}"));
        let images = ["blob", "closed/app", "gone/app", "loop/app", "broken/app", "odd/app", "unfollowed/app"]
            .map(|name| format!("redirects.example/demo/{name}:1.0"));
        let said = Said::by_all(&world, &images.each_ref().map(String::as_str));
        said.assert_silent_about(&markers);
        for words in ["cdn.example", "gone.example", "10 redirects", "redirect_invalid"] {
            said.assert_mentions(words);
        }
        let user: Vec<Marker> = markers.into_iter().filter(|marker| marker.name == "user").collect();
        assert!(said_by(&world, "cdn.example", &user[0]), "Go signs in with the user of a URL");
    }
}
