//! What a Bearer challenge asks for: which service, on whose behalf, for which scopes.

use url::Url;

use super::super::challenge::Challenge;
use crate::model::cause::Cause;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;

/// Where tokens come from, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    pub realm: Url,
    /// As the registry wrote it, for the words of errors.
    pub(super) written: String,
    pub service: String,
    /// Sorted, each once.
    pub scopes: Vec<String>,
}

impl TokenOptions {
    /// The same service, asked for a token for nothing.
    #[must_use]
    pub fn unscoped(&self) -> Self {
        Self { scopes: Vec::new(), ..self.clone() }
    }
}

/// Why there are no options: the registry's challenge cannot be used.
pub fn options(challenge: &Challenge, implicit_scope: Option<&str>) -> Result<TokenOptions, Failure> {
    let unusable =
        |detail: String, wording: String| Failure::new(Stage::Ping, Cause::ChallengeInvalid, detail).worded(wording);
    let written = challenge.parameter("realm").filter(|realm| !realm.is_empty()).ok_or_else(|| {
        let wording = "no realm specified for token auth challenge";
        unusable("the Bearer challenge names no realm".into(), wording.into())
    })?;
    let realm = Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let realm = realm.ok_or_else(|| {
        let detail = format!(
            "the realm `{}` of the Bearer challenge is no http or https URL",
            challenge.facts().realm.unwrap_or_default()
        );
        unusable(detail, realm_wording(written))
    })?;
    let asked = challenge.parameter("scope").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty());
    let mut scopes: Vec<String> = implicit_scope.into_iter().chain(asked).map(str::to_owned).collect();
    scopes.sort();
    scopes.dedup();
    let service = challenge.parameter("service").unwrap_or_default().to_owned();
    let written = without_secrets(written, &realm);
    Ok(TokenOptions { realm, written, service, scopes })
}

/// The realm for an error: as written, unless it holds what nobody should read. Go masks a password;
/// what stands in the query may be a key.
fn without_secrets(written: &str, realm: &Url) -> String {
    if realm.username().is_empty() && realm.password().is_none() && realm.query().is_none() {
        return written.to_owned();
    }
    let mut shown = realm.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    let had_user = !realm.username().is_empty() || realm.password().is_some();
    let _ = shown.set_password(None);
    let _ = shown.set_username(if had_user { "***" } else { "" });
    shown.to_string()
}

/// What Go says of a realm that it cannot use.
fn realm_wording(written: &str) -> String {
    match written.split_once(':') {
        Some(("", _)) => format!("invalid token auth challenge realm: parse \"{written}\": missing protocol scheme"),
        Some((scheme, _)) if scheme.chars().next().is_some_and(|c| c.is_ascii_digit()) => {
            format!(
                "invalid token auth challenge realm: parse \"{written}\": first path segment in URL cannot contain colon"
            )
        }
        Some((scheme, _)) => {
            format!("failed to fetch anonymous token: Get \"{written}\": unsupported protocol scheme \"{scheme}\"")
        }
        None => format!("failed to fetch anonymous token: Get \"{written}\": unsupported protocol scheme \"\""),
    }
}
