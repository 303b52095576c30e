//! What a plugin answered, judged as kubelet judges it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use go::text;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::config::Plugin;
use crate::keyring::dockerconfig::{DockerConfig, Entry};
use crate::redact::clip::clip_to;
use crate::redact::redactor::Redactor;
use crate::redact::secret::Secret;

const KIND: &str = "CredentialProviderResponse";

/// For which images an answer may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKey {
    Image,
    Registry,
    Global,
}

#[derive(Debug)]
pub struct ProviderResponse {
    pub logins: DockerConfig,
    pub cache_key: CacheKey,
    /// Zero: only for this once.
    pub cache_for: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Response {
    kind: String,
    api_version: String,
    cache_key_type: String,
    cache_duration: Option<String>,
    auth: Option<BTreeMap<String, Option<Object<Login>>>>,
}

/// In Go a `null` leaves a field as it was, which is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    username: Option<String>,
    password: Option<Secretive>,
}

/// A secret on its way in.
#[derive(Default)]
struct Secretive(Secret);

impl<'de> Deserialize<'de> for Secretive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// A JSON object: a list is none, although it could be read as the fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

impl ProviderResponse {
    /// `Err`: kubelet rejects it. The reason never holds anything of a login.
    pub fn parse(text: &Secret, plugin: &Plugin, redactor: &Redactor) -> Result<Self, String> {
        let Object(response): Object<Response> = serde_json::from_str(text.expose()).map_err(|error| {
            let kind = if error.is_data() { "not a response" } else { "not JSON" };
            format!("its answer is {kind} (line {}, column {})", error.line(), error.column())
        })?;
        if response.kind != KIND {
            return Err(format!("its answer has {}, expected `{KIND}`", shown("kind", &redactor.hide(&response.kind))));
        }
        if response.api_version != plugin.api_version {
            let (found, expected) = (shown("apiVersion", &redactor.hide(&response.api_version)), &plugin.api_version);
            return Err(format!("its answer has {found}, expected `{expected}`"));
        }
        let cache_key = match response.cache_key_type.as_str() {
            "Image" => CacheKey::Image,
            "Registry" => CacheKey::Registry,
            "Global" => CacheKey::Global,
            other => {
                let found = shown("cacheKeyType", &redactor.hide(other));
                return Err(format!("its answer has {found}, expected Image, Registry or Global"));
            }
        };
        let cache_for = match response.cache_duration.as_deref() {
            None => plugin.default_cache,
            Some(text) => match text::duration(text) {
                Ok(found) if found.negative => Duration::ZERO,
                Ok(found) => found.length,
                Err(_) => return Err(format!("its answer has {}", shown("cacheDuration", &redactor.hide(text)))),
            },
        };
        let entry = |(key, login): (String, Option<Object<Login>>)| {
            let login = login.map_or_else(Login::default, |Object(login)| login);
            Entry {
                key,
                position: None,
                username: login.username.unwrap_or_default(),
                password: login.password.unwrap_or_default().0,
                unused: Vec::new(),
            }
        };
        let entries = response.auth.unwrap_or_default().into_iter().map(entry).collect();
        Ok(Self { logins: DockerConfig { entries, ..DockerConfig::default() }, cache_key, cache_for })
    }
}

/// A broken plugin may have put anything in these fields: what is no word or version is not shown.
fn shown(field: &str, value: &str) -> String {
    let (group, version) = value.rsplit_once('/').unwrap_or(("", value));
    let is_group = group.bytes().all(|byte| byte.is_ascii_lowercase() || b"8.".contains(&byte));
    let is_version = version.starts_with('v') && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_word = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphabetic());
    if value.len() <= 64 && (is_word || (is_group && is_version)) {
        return format!("{field} `{value}`");
    }
    if value.is_empty() { format!("no {field}") } else { format!("an unknown {field}") }
}

/// The keys of an answer, as far as they are said.
pub fn keys(logins: &DockerConfig) -> String {
    const SHOWN: usize = 4;
    let keys: Vec<String> =
        logins.entries.iter().take(SHOWN).map(|entry| format!("`{}`", clip_to(&entry.key, 80))).collect();
    let more = logins.entries.len().saturating_sub(SHOWN);
    if more == 0 { keys.join(", ") } else { format!("{} and {more} more", keys.join(", ")) }
}
