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
pub fn options<'a>(
    challenge: &'a Challenge,
    implicit_scopes: impl IntoIterator<Item = &'a str>,
) -> Result<TokenOptions, Failure> {
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
    // An empty scope is one that is empty, as containerd has it.
    let asked = challenge.parameter("scope").into_iter().flat_map(|scopes| scopes.split(' '));
    let mut scopes: Vec<String> = implicit_scopes.into_iter().chain(asked).map(str::to_owned).collect();
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cases::Cases;
    use crate::probe::challenge::Scheme;

    fn bearer(parameters: &[(&str, &Value)]) -> Challenge {
        let given =
            parameters.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.as_str()?.to_owned())));
        Challenge { scheme: Scheme::Bearer, parameters: given.collect() }
    }

    #[test]
    fn a_challenge_asks_for_what_containerd_reads_in_it() {
        for case in Cases::of_kind("token_options") {
            let parameters = ["realm", "service", "scope"].map(|name| (name, &case.input[name]));
            match options(&bearer(&parameters), None) {
                Ok(found) => {
                    assert_eq!(json!(found.scopes), case.expected["scopes"], "{}", case.id);
                    assert_eq!(found.service, case.input["service"], "{}", case.id);
                    assert_eq!(case.expected["error"], Value::Null, "{}", case.id);
                }
                Err(failure) => {
                    let expected = case.expected["error"].as_str().unwrap();
                    match expected.strip_suffix("...") {
                        Some(start) => assert!(failure.wording.starts_with(start), "{}: {}", case.id, failure.wording),
                        None => assert_eq!(failure.wording, expected, "{}", case.id),
                    }
                }
            }
        }
    }

    #[test]
    fn the_scopes_of_a_token_are_those_of_the_pull_and_of_the_challenge() {
        for case in Cases::of_kind("token_scopes") {
            let list = |from: &str| -> Vec<String> {
                case.input[from].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()
            };
            let (realm, asked) = (json!("https://t.example"), list("from_challenge"));
            let scope = if asked.is_empty() { Value::Null } else { json!(asked.join(" ")) };
            let ours = list("from_request");
            let challenge = bearer(&[("realm", &realm), ("scope", &scope)]);
            let found = options(&challenge, ours.iter().map(String::as_str)).unwrap();
            assert_eq!(json!(found.scopes), case.expected["scopes"], "{}", case.id);
        }
    }
}
