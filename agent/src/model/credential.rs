//! A credential that kubelet or containerd would offer, and where it comes from.

use std::fmt;

use go::place::SourceLocation;
use jiff::Timestamp;

use crate::redact::clean::Clean;
use crate::redact::secret::Secret;

/// Where a credential was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A node file of the kubelet (`config.json`, `.dockercfg`).
    KubeletConfigJson,
    /// A kubelet credential provider plugin, by name.
    Provider(Clean),
    /// `registry.configs.*.auth` of containerd's config.toml.
    ContainerdConfig,
    /// A pull secret, namespace and name.
    PullSecret(Clean, Clean),
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KubeletConfigJson => f.write_str("kubelet-config-json"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::ContainerdConfig => f.write_str("containerd-config"),
            Self::PullSecret(namespace, name) => write!(f, "pull-secret:{namespace}/{name}"),
        }
    }
}

/// A credential provider that kubelet would ask for an image, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderReport {
    pub name: Clean,
    pub outcome: ProviderOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderOutcome {
    /// It answered with logins for the image, or with no logins at all.
    Answered,
    /// It answered with logins, but none is for the image: their keys.
    NoneFits(Clean),
    /// It failed. kubelet would go on without it and only log that.
    Failed(Clean),
    /// Unknown from here: kubelet may get a credential from it.
    Unknown(Clean),
}

impl ProviderOutcome {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoneFits(_) => "none_fits",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Details for a person.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Answered => None,
            Self::NoneFits(detail) | Self::Failed(detail) | Self::Unknown(detail) => Some(detail),
        }
    }
}

/// What is offered. An empty user and password is what kubelet sends for an entry without them,
/// and containerd then asks anonymously.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialValue {
    Basic {
        username: String,
        password: Secret,
    },
    /// A refresh token, sent to the token service.
    IdentityToken(Secret),
    /// A bearer token; containerd ignores it.
    RegistryToken(Secret),
}

/// One candidate: kubelet makes one whole pull for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub source: CredentialSource,
    /// The key of the file that matched, as written (`ghcr.io`) but for a user and a password in it.
    pub key: String,
    /// Its place in a file of the node, where there is one.
    pub origin: Option<SourceLocation>,
    pub value: CredentialValue,
    /// When kubelet asks its provider again; it may end before. `None`: nobody renews it.
    pub renews: Option<Timestamp>,
}

impl Credential {
    /// Where it stands, for people: the file and the line, else who gave it.
    pub fn place(&self) -> String {
        self.origin.as_ref().map_or_else(|| self.source.to_string(), ToString::to_string)
    }

    /// An empty one: with it containerd asks anonymously, and does not fall back to its own.
    pub fn empty() -> Self {
        let value = CredentialValue::Basic { username: String::new(), password: Secret::default() };
        Self { source: CredentialSource::KubeletConfigJson, key: String::new(), origin: None, value, renews: None }
    }

    pub const fn kind(&self) -> &'static str {
        match self.value {
            CredentialValue::Basic { .. } => "basic",
            CredentialValue::IdentityToken(_) => "identity-token",
            CredentialValue::RegistryToken(_) => "registry-token",
        }
    }

    /// The user name and secret that containerd derives (an identity token has no user name).
    /// `None`: containerd asks anonymously, and sends nothing of a login that is half.
    pub fn login(&self) -> Option<(&str, &Secret)> {
        match &self.value {
            CredentialValue::Basic { username, password } => {
                (!username.is_empty() && !password.is_empty()).then_some((username, password))
            }
            CredentialValue::IdentityToken(token) => (!token.is_empty()).then_some(("", token)),
            CredentialValue::RegistryToken(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_login_is_none() {
        let credential = |value| Credential {
            source: CredentialSource::KubeletConfigJson,
            key: "registry.example".into(),
            origin: None,
            value,
            renews: None,
        };
        let basic = |username: &str, password: &str| {
            credential(CredentialValue::Basic { username: username.into(), password: Secret::new(password) })
        };
        assert!(basic("ann", "correct").login().is_some());
        assert!(basic("ann", "").login().is_none());
        assert!(basic("", "correct").login().is_none());
        assert!(basic("", "").login().is_none());
        let token = |text: &str| credential(CredentialValue::IdentityToken(Secret::new(text)));
        assert_eq!(token("refresh").login().map(|(user, secret)| (user, secret.expose())), Some(("", "refresh")));
        assert!(token("").login().is_none());
    }
}
