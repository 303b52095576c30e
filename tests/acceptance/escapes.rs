//! Nothing that a peer or a file of somebody else says steers what shows it: a terminal, a page, JSON, a log.
//!
//! Hostile characters are planted in each field that a registry, a token service, a proxy or a file of the node
//! has, and everything that the program then says is looked through.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use serde_json::Value;

use super::secrets::outputs::Said;
use super::world::{Given, World};

/// As JSON, TOML and YAML write it: colours, a link, bells, C1, marks of direction, ends of lines, no width.
const WRITTEN: &str =
    r"\u001b[31m\u001b]8;;https://evil.example\u0007\u007f\u009b2J\u202e\u2066\u200b\u2028\u2029\ufeff\r\nFORGED";
/// What a header can carry of it.
const CARRIED: &str = "\u{9b}2J\u{202e}\u{2066}\u{200b}\u{2028}\u{2029}\u{feff}FORGED";
/// It stands beside all that is planted: where it is not said, nothing was tried.
const MARK: &str = "FORGED";

fn is_hostile(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Without the colours that are our own: `ESC [ digits m`.
fn without_own_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('m') {
            Some((code, rest)) if ["0", "1", "2", "32", "33", "31;1"].contains(&code) => plain.push_str(rest),
            _ => plain = format!("{plain}\u{1b}[{part}"),
        }
    }
    plain
}

/// What is wrong with a text, be it text or JSON.
fn faults(text: &str) -> Vec<String> {
    let mut strings = vec![without_own_colours(text)];
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        collect(&document, &mut strings);
    }
    let mut faults = Vec::new();
    for string in &strings {
        for line in string.split('\n') {
            if line.trim_start().starts_with(MARK) {
                faults.push(format!("a line is forged: {line:?}"));
            }
            if let Some(at) = line.find(is_hostile) {
                let from = line[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
                let to = line[at..].char_indices().nth(20).map_or(line.len(), |(end, _)| at + end);
                faults.push(format!("{:?}", &line[from..to]));
            }
        }
    }
    faults
}

fn collect(value: &Value, strings: &mut Vec<String>) {
    match value {
        Value::String(text) => strings.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            strings.push(name.clone());
            collect(value, strings);
        }),
        _ => {}
    }
}

#[track_caller]
fn assert_harmless(said: &Said) {
    let found: Vec<String> = said
        .places()
        // What the kernel shows of the process is no output of it.
        .filter(|(place, _)| !place.starts_with("run: its "))
        .flat_map(|(place, text)| faults(text).into_iter().map(move |fault| format!("{place}: {fault}")))
        .collect();
    assert!(found.is_empty(), "{} places are steered:\n{}", found.len(), found.join("\n"));
}

/// Every verb and the agent about these images of `evil.example` in this world.
fn said(given: &str, images: &[&str]) -> Said {
    let text = given.replace("<json>", WRITTEN).replace("<header>", CARRIED);
    let world = World::start(toml::from_str::<Given>(&text).unwrap_or_else(|error| panic!("{error}")));
    let names: Vec<String> = images.iter().map(|image| format!("evil.example/{image}")).collect();
    Said::by_all(&world, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[track_caller]
fn assert_each_is_harmless(given: &str, images: &[&str]) {
    let said = said(given, images);
    said.assert_mentions(MARK);
    assert_harmless(&said);
}

const DOCUMENTS: &str = r#"
[[registries]]
host = "evil.example"
tls = {}
[[registries.push]]
repository = "a/platforms"
tag = "1"
content = {raw = ["application/vnd.oci.image.index.v1+json", '''{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
  {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2,"platform":{"os":"<json>","architecture":"<json>","variant":"<json>","os.version":"<json>"}}]}''']}
[[registries.push]]
repository = "a/entry"
tag = "1"
content = {raw = ["application/vnd.oci.image.index.v1+json", '''{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
  {"mediaType":"<json>","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2,"platform":{"os":"linux","architecture":"amd64"}}]}''']}
[[registries.push]]
repository = "a/digest"
tag = "1"
content = {raw = ["application/vnd.oci.image.index.v1+json", '''{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
  {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"<json>","size":2,"platform":{"os":"linux","architecture":"amd64"}}]}''']}
[[registries.push]]
repository = "a/layers"
tag = "1"
content = {raw = ["application/vnd.oci.image.manifest.v1+json", '''{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
  "config":{"mediaType":"<json>","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2},
  "layers":[{"mediaType":"<json>","digest":"<json>","size":2}]}''']}
[[registries.push]]
repository = "a/own-type"
tag = "1"
content = {raw = ["application/vnd.oci.image.manifest.v1+json", '''{"schemaVersion":2,"mediaType":"<json>","config":{},"layers":[]}''']}
[[registries.push]]
repository = "a/field"
tag = "1"
content = {raw = ["application/vnd.oci.image.manifest.v1+json", '''{"schemaVersion":2,"<json>":["<json>"],"config":"<json>","layers":{"<json>":"<json>"}}''']}
"#;

#[test]
fn of_documents() {
    assert_each_is_harmless(
        DOCUMENTS,
        &["a/platforms:1", "a/entry:1", "a/digest:1", "a/layers:1", "a/own-type:1", "a/field:1"],
    );
}

const REFUSALS: &str = r#"
[[registries]]
host = "evil.example"
tls = {}
push = [{repository = "a/limited", tag = "1", content = {image = {}}}, {repository = "a/warned", tag = "1", content = {image = {}}}]
faults = [
  {when = {path = "*/a/denied/*"}, then = {status = 403, content_type = "application/json", body = '{"errors":[{"code":"<json>","message":"<json>","detail":"<json>"},{"code":"DENIED","message":"<json>"}]}'}},
  {when = {path = "*/a/missing/*"}, then = {status = 404, content_type = "application/json", body = '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"<json>"}]}'}},
  {when = {path = "*/a/sentence/*"}, then = {status = 500, content_type = "application/json", body = '{"message":"<json>"}'}},
  {when = {path = "*/a/reason/*"}, then = {raw = "HTTP/1.1 403 No <header> here\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"}},
  {when = {path = "*/a/escaped/*"}, then = {raw = "HTTP/1.1 403 No \u001b[31m FORGED\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"}},
  {when = {path = "*/a/no-http/*"}, then = {raw = "\u001b]0;FORGED\u0007\u202e\r\n\r\n"}},
  {when = {path = "*/a/header/*"}, then = {raw = "HTTP/1.1 200 OK\r\nX-\u001b[31mFORGED: \u001b\r\ncontent-length: 0\r\n\r\n"}},
  {when = {path = "*/a/limited/*"}, then = {headers = [["ratelimit-limit", "100;w=21600"], ["ratelimit-remaining", "9;w=21600"], ["docker-ratelimit-source", "<header>"]]}},
  {when = {path = "*/a/warned/*"}, then = {headers = [["warning", '299 - "<header>"']]}},
  {when = {path = "*/a/type/*"}, then = {status = 200, content_type = "<header>", body = "{}"}},
  {when = {path = "*/a/digest/*"}, then = {status = 200, headers = [["docker-content-digest", "<header>"]], body = "{}"}},
  {when = {path = "*/a/moved/*"}, then = {redirect = "https://evil.example/<header>?<header>"}},
  {when = {path = "*/a/away/*"}, then = {redirect = "https://<header>.example/x"}},
  {when = {path = "*/a/scheme/*"}, then = {redirect = "<header>://x"}},
  {when = {path = "*/a/challenged/*"}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://evil.example/<header>",service="<header>",scope="<header>",error="<header>"']]}},
  {when = {path = "*/a/nowhere/*"}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="<header>",service="<header>"']]}},
  {when = {path = "*/a/unknown/*"}, then = {status = 401, headers = [["www-authenticate", '<header> realm="<header>"']]}},
]
"#;

#[test]
fn of_answers_and_headers() {
    let images = [
        "a/denied:1",
        "a/missing:1",
        "a/sentence:1",
        "a/reason:1",
        "a/escaped:1",
        "a/no-http:1",
        "a/header:1",
        "a/limited:1",
        "a/warned:1",
        "a/type:1",
        "a/digest:1",
        "a/moved:1",
        "a/away:1",
        "a/scheme:1",
        "a/challenged:1",
        "a/nowhere:1",
        "a/unknown:1",
    ];
    assert_each_is_harmless(REFUSALS, &images);
}

const TOKENS: &str = r#"
[[registries]]
host = "evil.example"
tls = {}
faults = [
  {when = {path = "/v2/a/said/*"}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://auth.example/said",service="s"']]}},
  {when = {path = "/v2/a/broken/*"}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://auth.example/broken",service="s"']]}},
  {when = {path = "/v2/a/given/*", authorized = false}, then = {status = 401, headers = [["www-authenticate", 'Bearer realm="https://auth.example/given",service="s"']]}},
]
[[registries]]
host = "auth.example"
tls = {}
faults = [
  {when = {path = "/said"}, then = {status = 403, content_type = "application/json", body = '{"details":"<json>"}'}},
  {when = {path = "/broken"}, then = {status = 200, content_type = "application/json", body = '{"token":["<json>"],"<json>":1}'}},
  {when = {path = "/given"}, then = {status = 200, content_type = "application/json", body = '{"token":"<json>"}'}},
]
"#;

#[test]
fn of_token_services() {
    assert_each_is_harmless(TOKENS, &["a/said:1", "a/broken:1", "a/given:1"]);
}

const FILES: &str = r#"
[hosts]
"evil.example" = '''
server = "https://<json>.example"
"<json>" = "<json>"
[host."https://<json>"]
  capabilities = ["<json>"]
  ca = "/etc/<json>.pem"
  "<json>" = 1
[host."https://mirror.example".header]
  "<json>" = "<json>"
'''
[files]
"/etc/containerd/config.toml" = '''
version = 2
"<json>" = 1
imports = ["/etc/<json>.toml"]
[plugins."io.containerd.grpc.v1.cri"]
  "<json>" = "<json>"
  sandbox_image = "<json>"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
'''
"/var/lib/kubelet/config.json" = '{"auths":{"<json>":{"auth":"<json>"},"evil.example":{"username":"<json>","password":"x"}},"<json>":1}'
"/etc/nsswitch.conf" = "hosts: files [\u001b[31mFORGED=\u202e] dns"
"/etc/hosts" = "\u001b[31mFORGED evil.example\n127.0.0.1 \u202eFORGED"
"#;

#[test]
fn of_files_of_the_node() {
    assert_each_is_harmless(FILES, &["a/app:1"]);
}

#[test]
fn what_is_hostile_is_found_where_it_is_said() {
    for (text, count) in [
        ("plain\n  text – é 🦀", 0),
        ("\u{1b}[31;1mours\u{1b}[0m", 0),
        ("\u{1b}[31mnot ours", 1),
        ("a\rb", 1),
        ("x\n  FORGED", 1),
        ("\u{202e}", 1),
        ("{\"a\": [\"\\u202e\"]}", 1),
        ("{\"a\": \"x\\nFORGED\"}", 1),
    ] {
        assert_eq!(faults(text).len(), count, "{text:?}");
    }
}
