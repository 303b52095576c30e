//! What a plugin answered, judged as kubelet judges it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::dockerconfig::{DockerConfig, Entry};
use super::config::Plugin;
use crate::node::containerd::gotext;
use crate::secret::Secret;
use crate::secret::veil::Veil;

const KIND: &str = "CredentialProviderResponse";

/// For which images an answer may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKey {
    Image,
    Registry,
    Global,
}

#[derive(Debug)]
pub struct Answer {
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
    auth: Option<BTreeMap<String, OnlyObject<Login>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    username: String,
    password: Secretive,
}

/// A secret on its way in.
#[derive(Default)]
struct Secretive(Secret);

impl<'de> Deserialize<'de> for Secretive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// An object of JSON, or null. serde would take an array for one, field by field; Go does not.
#[derive(Default)]
struct OnlyObject<T>(T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for OnlyObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Fields<T> {
            type Value = OnlyObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(OnlyObject(T::default()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OnlyObject)
            }
        }
        deserializer.deserialize_any(Fields(PhantomData))
    }
}

impl Answer {
    /// `Err`: kubelet rejects it. The reason never holds anything of a login.
    pub fn parse(text: &Secret, plugin: &Plugin, veil: &Veil) -> Result<Self, String> {
        let OnlyObject(response): OnlyObject<Response> = serde_json::from_str(text.expose()).map_err(|error| {
            let kind = if error.is_data() { "not a response" } else { "not JSON" };
            format!("its answer is {kind} (line {}, column {})", error.line(), error.column())
        })?;
        if response.kind != KIND {
            return Err(format!("its answer has kind `{}`, expected `{KIND}`", short(&response.kind, veil)));
        }
        if response.api_version != plugin.api_version {
            let (found, expected) = (short(&response.api_version, veil), &plugin.api_version);
            return Err(format!("its answer has apiVersion `{found}`, expected `{expected}`"));
        }
        let cache_key = match response.cache_key_type.as_str() {
            "Image" => CacheKey::Image,
            "Registry" => CacheKey::Registry,
            "Global" => CacheKey::Global,
            other => {
                return Err(format!(
                    "its answer has cacheKeyType `{}`, expected Image, Registry or Global",
                    short(other, veil)
                ));
            }
        };
        let cache_for = match response.cache_duration.as_deref() {
            None => plugin.default_cache,
            Some(text) => match gotext::duration(text) {
                Ok(found) if found.negative => Duration::ZERO,
                Ok(found) => found.length,
                Err(_) => return Err(format!("its answer has cacheDuration `{}`", short(text, veil))),
            },
        };
        let entry = |(key, OnlyObject(login)): (String, OnlyObject<Login>)| Entry {
            key,
            position: None,
            username: login.username,
            password: login.password.0,
            unused: Vec::new(),
        };
        let entries = response.auth.unwrap_or_default().into_iter().map(entry).collect();
        Ok(Self { logins: DockerConfig { entries, ..DockerConfig::default() }, cache_key, cache_for })
    }
}

/// These fields hold no secret, unless a plugin is broken in a strange way.
fn short(text: &str, veil: &Veil) -> String {
    let shown: String = veil.hide(text).chars().take(64).collect();
    super::redact::redact(&shown)
}
