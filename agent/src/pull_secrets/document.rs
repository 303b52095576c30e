//! Secrets as JSON: one `Secret`, a list of them as the API and kubectl give it, or one dockerconfigjson.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
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

impl Object {
    fn secret_type(&self) -> &str {
        self.secret_type.as_deref().unwrap_or("Opaque")
    }
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
        Some("Secret") => Ok(vec![secret_of(&object)?]),
        Some("List" | "SecretList") => {
            let items = object.items.unwrap_or_default();
            if items.len() > NUMBER_LIMIT {
                return Err(format!("it lists {} secrets; no pod has more than {NUMBER_LIMIT}", items.len()));
            }
            let other = |item: &Object| item.kind.as_deref().is_some_and(|kind| kind != "Secret");
            if items.iter().any(other) {
                return Err("it lists other objects than secrets".into());
            }
            items.iter().map(secret_of).collect()
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

/// The secret that the API answers with, and what of it an agent is to be sent.
pub fn read_one(document: &[u8]) -> Result<(PullSecret, Zeroizing<Vec<u8>>), String> {
    let object = parse(document)?;
    let sent = HandedOn::of(&object).written();
    Ok((secret_of(&object)?, sent))
}

/// What is sent of a secret: the one key that kubelet reads, and whose it is. Its annotations may repeat all of an earlier
/// state of it, and other keys are nothing to the node.
#[derive(Serialize)]
struct HandedOn<'a> {
    kind: &'static str,
    metadata: HandedOnMetadata<'a>,
    #[serde(rename = "type")]
    secret_type: &'a str,
    data: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct HandedOnMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

impl<'a> HandedOn<'a> {
    fn of(object: &'a Object) -> Self {
        let metadata = object.metadata.as_ref();
        let text = |text: Option<&'a String>| text.map_or("", String::as_str);
        let read = form_of(object.secret_type());
        let data = read.and_then(|(key, form)| Some((key, object.data.as_ref()?.of(form)?.expose())));
        Self {
            kind: "Secret",
            metadata: HandedOnMetadata {
                name: text(metadata.and_then(|metadata| metadata.name.as_ref())),
                namespace: text(metadata.and_then(|metadata| metadata.namespace.as_ref())),
            },
            secret_type: object.secret_type(),
            data: data.into_iter().collect(),
        }
    }

    fn written(&self) -> Zeroizing<Vec<u8>> {
        let texts = [self.metadata.name, self.metadata.namespace, self.secret_type];
        // An escaped character takes up to six bytes. A buffer that grows would leave a copy behind.
        let length: usize = texts.iter().chain(self.data.values()).map(|text| 6 * text.len()).sum();
        let mut sent = Zeroizing::new(Vec::with_capacity(length + 256));
        // There are only texts in it, and writing to memory does not fail.
        let _ = serde_json::to_writer(&mut *sent, self);
        sent
    }
}

/// The key that kubelet reads in secrets of this type. `None`: it ignores them.
fn form_of(secret_type: &str) -> Option<(&'static str, Form)> {
    let known = TYPES.into_iter().zip([Form::ConfigJson, Form::Dockercfg]);
    known.into_iter().find_map(|((own, key), form)| (own == secret_type).then_some((key, form)))
}

fn parse(document: &[u8]) -> Result<Object, String> {
    // serde's own words repeat values of a wrong type.
    serde_json::from_slice(document).map_err(|error| {
        let what = if error.is_data() { "it has a value of a wrong type" } else { "it is no JSON" };
        format!("{what} (line {}, column {})", error.line(), error.column())
    })
}

fn secret_of(object: &Object) -> Result<PullSecret, String> {
    let (name, namespace) = match &object.metadata {
        Some(metadata) => (metadata.name.as_deref().unwrap_or_default(), metadata.namespace.as_deref()),
        None => ("", None),
    };
    let shown = Clean::line(name);
    if name.is_empty() {
        return Err("it has a secret without a name".into());
    }
    let content = match form_of(object.secret_type()) {
        None => Content::OtherType(Clean::clipped(object.secret_type(), 200)),
        Some((key, form)) => {
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
    Ok(PullSecret { namespace: Clean::line(namespace.unwrap_or(NAMELESS.0)), name: shown, content })
}

fn decoded(bytes: &[u8], form: Form) -> Content {
    match DockerConfig::parse(bytes, form) {
        Ok(config) => Content::Logins(config),
        Err(malformed) => Content::Malformed(malformed),
    }
}
