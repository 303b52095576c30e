//! Secrets as JSON: one `Secret`, a list of them as the API and kubectl give it, or one dockerconfigjson.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Content, PullSecret, TYPES};
use crate::keyring::dockerconfig::{DockerConfig, Form};
use crate::redact::clean::Clean;
use crate::redact::secret::Secret;

/// The API server takes 1 MiB for a secret, and a pod with more than a few of that size is nobody's.
pub const SIZE_LIMIT: usize = 8 << 20;
/// More secrets than these are no pod's.
const NUMBER_LIMIT: usize = 256;
/// What stands for the namespace and the name of a login without a secret around it.
const NAMELESS: (&str, &str) = ("-", "dockerconfigjson");

/// Only what kubelet looks at. Everything else is passed over and not kept.
#[derive(Deserialize)]
struct Object {
    kind: Option<String>,
    #[serde(default)]
    items: Option<Vec<Object>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(rename = "type")]
    secret_type: Option<String>,
    #[serde(default)]
    data: Option<Data>,
    /// Only in manifests: the API server moves it to `data`.
    #[serde(rename = "stringData")]
    string_data: Option<Data>,
    auths: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(rename = ".dockerconfigjson", default, deserialize_with = "secret")]
    json: Option<Secret>,
    #[serde(rename = ".dockercfg", default, deserialize_with = "secret")]
    old: Option<Secret>,
}

impl Data {
    const fn of(&self, form: Form) -> Option<&Secret> {
        match form {
            Form::ConfigJson => self.json.as_ref(),
            Form::Dockercfg => self.old.as_ref(),
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// The secrets of a pod, in its order. The error repeats nothing of the document.
pub fn read(document: &[u8]) -> Result<Vec<PullSecret>, String> {
    let object: Object = parse(document)?;
    match object.kind.as_deref() {
        Some("Secret") => Ok(vec![secret_of(object)?]),
        Some("List" | "SecretList") => {
            let items = object.items.unwrap_or_default();
            if items.len() > NUMBER_LIMIT {
                return Err(format!("it lists {} secrets; no pod has more than {NUMBER_LIMIT}", items.len()));
            }
            let other = |item: &Object| item.kind.as_deref().is_some_and(|kind| kind != "Secret");
            if items.iter().any(other) {
                return Err("it lists other objects than secrets".into());
            }
            items.into_iter().map(secret_of).collect()
        }
        None if object.auths.is_some() => {
            let (namespace, name) = NAMELESS;
            Ok(vec![PullSecret {
                namespace: namespace.into(),
                name: name.into(),
                content: decoded(document, Form::ConfigJson),
            }])
        }
        _ => Err("it is neither a Secret, nor a list of Secrets, nor a dockerconfigjson with `auths`".into()),
    }
}

/// The secret that the API answers with.
pub fn read_one(document: &[u8]) -> Result<PullSecret, String> {
    secret_of(parse(document)?)
}

fn parse(document: &[u8]) -> Result<Object, String> {
    // serde's own words repeat values of a wrong type.
    serde_json::from_slice(document).map_err(|error| {
        let what = if error.is_data() { "it has a value of a wrong type" } else { "it is no JSON" };
        format!("{what} (line {}, column {})", error.line(), error.column())
    })
}

fn secret_of(object: Object) -> Result<PullSecret, String> {
    let metadata = object.metadata.unwrap_or_default();
    let name = metadata.name.unwrap_or_default();
    let shown = Clean::line(&name);
    if name.is_empty() {
        return Err("it has a secret without a name".into());
    }
    let kind = object.secret_type.as_deref().unwrap_or("Opaque");
    let known = TYPES.into_iter().zip([Form::ConfigJson, Form::Dockercfg]).find(|((own, _), _)| *own == kind);
    let content = match known {
        None => Content::OtherType(Clean::clipped(kind, 200)),
        Some(((_, key), form)) => {
            let plain = object.string_data.as_ref().and_then(|data| data.of(form));
            let coded = object.data.as_ref().and_then(|data| data.of(form));
            let bytes = match (plain, coded) {
                (Some(plain), _) => Zeroizing::new(plain.expose().as_bytes().to_vec()),
                (None, Some(coded)) => Zeroizing::new(
                    BASE64_STANDARD
                        .decode(coded.expose())
                        .map_err(|_| format!("`data` of the secret {shown} is not base64"))?,
                ),
                (None, None) => Zeroizing::default(),
            };
            if bytes.is_empty() { Content::WithoutKey(key) } else { decoded(&bytes, form) }
        }
    };
    Ok(PullSecret { namespace: Clean::line(metadata.namespace.as_deref().unwrap_or(NAMELESS.0)), name: shown, content })
}

fn decoded(bytes: &[u8], form: Form) -> Content {
    match DockerConfig::parse(bytes, form) {
        Ok(config) => Content::Logins(config),
        Err(malformed) => Content::Malformed(malformed),
    }
}
