//! Reads the file, and tells every problem in it at once.

use std::path::{Path, PathBuf};

use axum::http::{HeaderName, HeaderValue};

use super::names::{CLIENT_AUTH, GROUPS, HEADERS, OLD_VERSIONS, Policy, SUITES, VERSIONS};
use super::passwords::{self, COSTS};
use super::{Authorities, Clients, TlsServer, TlsVersion, WebConfig};
use crate::redact::secret::Secret;
use crate::settings::Problem;
use crate::settings::read::Reader;
use crate::yaml::{Key, Node, Value};

const SECTIONS: [&str; 4] = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
const OF_TLS: [&str; 13] = [
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "cert",
    "key",
    "client_ca",
];
const OF_HTTP: [&str; 2] = ["http2", "headers"];

/// `file` is where the text comes from: the problems name it, and relative paths begin beside it.
pub fn parse(file: &Path, text: &str) -> Result<WebConfig, Vec<Problem>> {
    let mut read = Reader::new(&file.display().to_string());
    let mut config = WebConfig::default();
    match crate::yaml::load(text) {
        Ok(Some(root)) => each(&root, "", &SECTIONS, &mut read, |name, key, node, read| match name {
            "tls_server_config" => config.tls = tls(key, node, file, read),
            "http_server_config" => http(node, &mut config, read),
            "basic_auth_users" => users(node, &mut config, read),
            _ => {
                let fix = "The agent has limits of its own, for connections and for passwords: remove it.";
                read.problem(key.at, "a rate limit", "no such section", fix);
            }
        }),
        Ok(None) => {}
        Err(fault) => read.fault(&fault),
    }
    read.finish(config)
}

/// Each entry of a mapping whose name is known, and for which something is written.
fn each(
    node: &Node,
    path: &str,
    known: &[&'static str],
    read: &mut Reader,
    mut set: impl FnMut(&'static str, &Key, &Node, &mut Reader),
) {
    path.clone_into(&mut read.key);
    let Some(entries) = entries(node, &format!("a mapping with {}", known.join(", ")), read) else { return };
    for (key, value) in entries {
        match known.iter().find(|name| **name == key.name) {
            Some(_) if value.is_null() => {}
            Some(name) => {
                read.key = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
                set(name, key, value, read);
            }
            None => {
                path.clone_into(&mut read.key);
                read.unknown(&key.name, key.at, known, None);
            }
        }
    }
    path.clone_into(&mut read.key);
}

/// What stands there instead may be a secret: it is not shown.
fn entries<'a>(node: &'a Node, allowed: &str, read: &mut Reader) -> Option<&'a [(Key, Node)]> {
    match &node.value {
        Value::Map(entries) => return Some(entries),
        _ if node.is_null() => {}
        _ => read.problem(node.at, "something else", allowed, ""),
    }
    None
}

/// `tls_server_config` as it stands, before it is held against itself.
#[derive(Default)]
struct Written {
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    policy: Policy,
    ca_file: Option<PathBuf>,
    allowed_names: Option<Vec<String>>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
}

fn tls(section: &Key, node: &Node, file: &Path, read: &mut Reader) -> Option<TlsServer> {
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        return None;
    }
    let mut written = Written::default();
    let (mut suites, mut groups, mut own_order) = (None, None, true);
    each(node, "tls_server_config", &OF_TLS, read, |name, key, node, read| match name {
        "cert_file" => written.cert_file = path(node, file, read),
        "key_file" => written.key_file = path(node, file, read),
        "client_ca_file" => written.ca_file = path(node, file, read),
        "client_auth_type" => policy(node, &mut written.policy, read),
        "client_allowed_sans" => written.allowed_names = Some(texts(node, read)),
        "min_version" => written.min_version = version(node, read),
        "max_version" => written.max_version = version(node, read),
        "cipher_suites" => suites = named(node, &SUITES, "no suite with CBC, and none without ECDHE", read),
        "curve_preferences" => groups = named(node, &GROUPS, "no other curve", read),
        "prefer_server_cipher_suites" => read.switch(node, &mut own_order),
        inline => {
            let fix = format!("Write it to a file, and name that in `{inline}_file`.");
            read.problem(key.at, "a certificate or key in the file itself", "the name of a file", &fix);
        }
    });
    "tls_server_config".clone_into(&mut read.key);
    let versions = (written.min_version.unwrap_or(TlsVersion::Tls12), written.max_version.unwrap_or(TlsVersion::Tls13));
    if versions.0 > versions.1 {
        read.problem(section.at, "a min_version above max_version", "a min_version up to max_version", "");
    }
    let clients = clients(section, &mut written, read);
    for (name, there) in [("cert_file", written.cert_file.is_some()), ("key_file", written.key_file.is_some())] {
        let is_wrong = matches!(&node.value, Value::Map(entries) if entries.iter().any(|(key, _)| key.name == name));
        if !there && !is_wrong {
            read.problem(section.at, &format!("no `{name}`"), "cert_file and key_file", "");
        }
    }
    let (cert_file, key_file) = (written.cert_file?, written.key_file?);
    Some(TlsServer { cert_file, key_file, clients, versions, suites, groups, own_order })
}

/// What the keys about clients say together.
fn clients(section: &Key, written: &mut Written, read: &mut Reader) -> Clients {
    let allowed_names = written.allowed_names.take();
    let wanted = written.policy != Policy::None;
    let mut wrong = |found: &str, allowed: &str| read.problem(section.at, found, allowed, "");
    match (wanted, written.ca_file.take()) {
        (true, Some(ca_file)) => {
            let authorities = Authorities { ca_file, allowed_names: allowed_names.unwrap_or_default() };
            return match written.policy {
                Policy::Required => Clients::Required(authorities),
                _ => Clients::IfGiven(authorities),
            };
        }
        (true, None) => wrong("a client_auth_type without client_ca_file", "client_ca_file beside it"),
        (false, Some(_)) => {
            wrong("client_ca_file without client_auth_type", "client_auth_type: RequireAndVerifyClientCert");
        }
        (false, None) => {}
    }
    if !wanted && allowed_names.is_some() {
        wrong("client_allowed_sans without client_auth_type", "client_auth_type: RequireAndVerifyClientCert");
    }
    Clients::Anybody
}

/// A file's name; a relative one begins beside the web configuration file.
fn path(node: &Node, file: &Path, read: &mut Reader) -> Option<PathBuf> {
    let allowed = "the name of a file";
    match &node.value {
        Value::Scalar { text, .. } if text.contains("-----BEGIN") => {
            read.problem(node.at, "the text of a certificate or key", allowed, "");
            return None;
        }
        _ => {}
    }
    let text = read.scalar(node, allowed)?;
    if text.is_empty() || text.contains(char::is_control) {
        read.wrong(node, allowed, "");
        return None;
    }
    Some(file.parent().unwrap_or(Path::new("/")).join(text))
}

fn policy(node: &Node, into: &mut Policy, read: &mut Reader) {
    let choices: Vec<(&str, Policy)> =
        CLIENT_AUTH.iter().filter_map(|(name, policy)| Some((*name, (*policy)?))).collect();
    let unverified = matches!(&node.value, Value::Scalar { text, .. }
        if CLIENT_AUTH.iter().any(|(name, policy)| name == text && policy.is_none()));
    if unverified {
        let allowed = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let fix = "Nobody looks at such a certificate, so it protects nothing: write RequireAndVerifyClientCert.";
        read.wrong(node, &allowed, fix);
    } else {
        read.choice(node, &choices, into);
    }
}

fn version(node: &Node, read: &mut Reader) -> Option<TlsVersion> {
    if matches!(&node.value, Value::Scalar { text, .. } if OLD_VERSIONS.contains(&text.as_str())) {
        read.wrong(node, "TLS12, TLS13", "The agent has no older version of TLS.");
        return None;
    }
    let mut found = None;
    let choices = VERSIONS.map(|(name, version)| (name, Some(version)));
    read.choice(node, &choices, &mut found);
    found
}

/// A list of names that have a meaning. An empty one is as none. `lacking`: what rustls has not.
fn named<T: Copy>(node: &Node, known: &[(&str, T)], lacking: &str, read: &mut Reader) -> Option<Vec<T>> {
    let mut found = Vec::new();
    for item in read.list(node, "a list of names") {
        let mut one = None;
        let choices: Vec<(&str, Option<T>)> = known.iter().map(|(name, meant)| (*name, Some(*meant))).collect();
        let before = read.problems();
        read.choice(item, &choices, &mut one);
        if read.problems() > before {
            read.amend(&format!("The agent has {lacking}."));
        }
        found.extend(one);
    }
    (!found.is_empty()).then_some(found)
}

fn texts(node: &Node, read: &mut Reader) -> Vec<String> {
    let items = read.list(node, "a list of names");
    if items.is_empty() {
        read.wrong(node, "at least one name", "Without the key every certificate of the authority is taken.");
    }
    items.iter().filter_map(|item| Some(read.scalar(item, "a name, address or URI")?.to_owned())).collect()
}

fn http(node: &Node, config: &mut WebConfig, read: &mut Reader) {
    each(node, "http_server_config", &OF_HTTP, read, |name, _, node, read| {
        if name == "headers" {
            return headers(node, config, read);
        }
        let mut wanted = false;
        read.switch(node, &mut wanted);
        if wanted {
            read.wrong(node, "false", "The agent speaks HTTP/1.1 alone: remove it, or write false.");
        }
    });
}

fn headers(node: &Node, config: &mut WebConfig, read: &mut Reader) {
    let known = HEADERS.map(|(name, _)| name);
    each(node, "http_server_config.headers", &known, read, |name, _, node, read| {
        let values = HEADERS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, values)| *values);
        let allowed = if values.is_empty() { "a header's value".to_owned() } else { values.join(", ") };
        let Some(text) = read.scalar(node, &allowed) else { return };
        if text.is_empty() {
            return;
        }
        let value = HeaderValue::from_str(text).ok().filter(|_| values.is_empty() || values.contains(&text));
        match (HeaderName::try_from(name), value) {
            (Ok(name), Some(value)) => config.headers.push((name, value)),
            _ => read.wrong(node, &allowed, ""),
        }
    });
}

fn users(node: &Node, config: &mut WebConfig, read: &mut Reader) {
    "basic_auth_users".clone_into(&mut read.key);
    let Some(entries) = entries(node, "a mapping of users to bcrypt hashes", read) else { return };
    for (key, value) in entries {
        if key.name.is_empty() || key.name.contains(|c: char| c == ':' || c.is_control()) {
            read.problem(key.at, "such a name", "a user's name, without a colon", "");
            continue;
        }
        // Neither the hash nor what stands in its place is shown.
        let hash = match &value.value {
            Value::Scalar { text, .. } => Some(text).filter(|text| passwords::cost(text).is_some()),
            _ => None,
        };
        if let Some(hash) = hash {
            config.users.insert(key.name.clone(), Secret::new(hash));
        } else {
            let allowed = format!("a bcrypt hash with a cost from {} to {}", COSTS.start(), COSTS.end());
            read.problem(value.at, "none", &allowed, "`htpasswd -nBC 10 USER` makes one.");
        }
    }
}

#[cfg(test)]
mod tests;
