//! kubelet's config.json and .dockercfg: two files that differ in nothing but passwords look the same.

use std::path::PathBuf;
use std::thread_local;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullprobe::credentials::{CredentialOptions, Credentials};
use pullprobe::image::reference::Reference;
use serde_json::Value;

use super::node::{Node, check_findings};

const CONFIG_JSON: &str = "/var/lib/kubelet/config.json";
const DOCKERCFG: &str = "/var/lib/kubelet/.dockercfg";
const IMAGES: [&str; 5] = ["nginx", "registry.example/team/app:1", "localhost:5000/x", "[::1]:5000/x", "ghcr.io/o/a/b"];

thread_local! {
    static NODES: [(&'static str, Node); 2] = [CONFIG_JSON, DOCKERCFG].map(|file| (file, Node::new()));
}

pub fn holds(data: &[u8]) {
    NODES.with(|nodes| {
        for (file, node) in nodes {
            let seen = look(node, file, data);
            // kubelet's Go takes bytes that are not UTF-8 for replacement characters.
            match serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) {
                Ok(document) => {
                    let one = look(node, file, &written(&document, 'K'));
                    let other = look(node, file, &written(&document, 'Q'));
                    assert_eq!(one, other, "a password shows");
                }
                // No part of a file that is no JSON is told apart from a password.
                Err(_) => assert!(!seen.contains(super::MARKER), "{seen}"),
            }
        }
    });
}

/// All that the agent may say of the file.
fn look(node: &Node, file: &str, bytes: &[u8]) -> String {
    node.write(file, bytes);
    let credentials = Credentials::load(&node.root, &options());
    check_findings(&credentials.findings, file, bytes);
    let offered = IMAGES.map(|image| {
        let image = Reference::parse(image).unwrap();
        let candidates = credentials.candidates(&image);
        assert!(candidates.len() <= bytes.len(), "{candidates:?}");
        let near = credentials.near_miss(&image);
        assert!(candidates.is_empty() || near.is_none(), "{near:?}");
        format!("{candidates:?} {:?} {:?}", near.map(|near| near.to_string()), credentials.malformed())
    });
    format!("{credentials:?} {offered:?} {:?}", credentials.rejected_file())
}

fn options() -> CredentialOptions {
    CredentialOptions {
        kubelet_root: PathBuf::from("/var/lib/kubelet"),
        kubelet: true,
        pull_secrets_dir: None,
        provider_config: None,
        provider_bin_dir: None,
        may_enter: false,
        home: PathBuf::from("/root"),
    }
}

/// The document with every letter of every password replaced.
pub fn written(document: &Value, letter: char) -> Vec<u8> {
    let mut document = document.clone();
    mask(&mut document, letter);
    serde_json::to_vec(&document).unwrap()
}

fn mask(value: &mut Value, letter: char) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name.eq_ignore_ascii_case("password") => *text = masked(text, letter),
                    Value::String(text) if name.eq_ignore_ascii_case("auth") => *text = masked_auth(text, letter),
                    below => mask(below, letter),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, letter)),
        _ => {}
    }
}

fn masked(text: &str, letter: char) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { letter } else { c }).collect()
}

/// In base64 of `user:password` the password; where it is no such thing, all of it, kept so.
fn masked_auth(auth: &str, letter: char) -> String {
    let decoded = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().map(|text| text.split_once(':')) {
        Some(Some((user, password))) => STANDARD.encode(format!("{user}:{}", masked(password, letter))),
        // Without a colon all of it may be the password.
        Some(None) => STANDARD.encode(masked(decoded.as_deref().unwrap_or_default(), letter)),
        None if auth.contains('!') => masked(auth, letter),
        None => auth.to_owned(),
    }
}
