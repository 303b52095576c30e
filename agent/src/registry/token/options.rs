//! What a Bearer challenge asks for: which service, on whose behalf, for which scopes.

use go::text::quote;
use url::Url;

use crate::cause::Cause;
use crate::model::host::{Endpoint, Scheme};
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::urls;
use crate::registry::challenge::Challenge;

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

/// How the request for a token would be made; for the words of one that cannot be.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenRequestForm {
    pub signed_in: bool,
    /// Newer versions hide every query value.
    pub redacted: bool,
}

/// Why there are no options: the registry's challenge cannot be used.
pub fn options<'a>(
    challenge: &'a Challenge,
    implicit_scopes: impl IntoIterator<Item = &'a str>,
    asking: TokenRequestForm,
) -> Result<TokenOptions, Failure> {
    let unusable = |detail: String, go_message: String| {
        Failure::new(Stage::Ping, Cause::ChallengeInvalid, detail).with_go_message(go_message)
    };
    let written = challenge.parameter("realm").ok_or_else(|| {
        let go_message = "no realm specified for token auth challenge";
        unusable("the Bearer challenge names no realm".into(), go_message.into())
    })?;
    if challenge.is_lossy {
        let words =
            "the Bearer challenge holds bytes that are no UTF-8, which pullprobe cannot repeat to its token service";
        return Err(LimitReached::new(Stage::Ping, words).into());
    }
    // An empty scope is one that is empty, as containerd has it.
    let asked = challenge.parameter("scope").into_iter().flat_map(|scopes| scopes.split(' '));
    let mut scopes: Vec<String> = implicit_scopes.into_iter().chain(asked).map(str::to_owned).collect();
    scopes.sort();
    scopes.dedup();
    let service = challenge.parameter("service").unwrap_or_default().to_owned();
    let realm = realm(written).map_err(|fault| {
        let shown = challenge.facts().realm.unwrap_or_default();
        let go_message = match fault {
            Fault::NoUrl(reason) => format!("invalid token auth challenge realm: {reason}"),
            Fault::Unsent(reason) => unsent(written, &scopes, &service, asking, &reason),
        };
        unusable(format!("the realm `{shown}` of the Bearer challenge is no http or https URL"), go_message)
    })?;
    let written = without_secrets(written, &realm);
    Ok(TokenOptions { realm, written, service, scopes })
}

/// What is wrong with a realm, in Go's words.
enum Fault {
    NoUrl(String),
    /// A URL, to which Go's client sends nothing.
    Unsent(String),
}

/// Go's parser decides: a kinder one would find a host where Go finds none.
fn realm(written: &str) -> Result<Url, Fault> {
    let parsed = urls::parse(written).map_err(Fault::NoUrl)?;
    if !matches!(parsed.scheme.as_str(), "http" | "https") {
        return Err(Fault::Unsent(format!("unsupported protocol scheme {}", quote(&parsed.scheme))));
    }
    if parsed.host.is_empty() {
        return Err(Fault::Unsent("http: no Host in request URL".into()));
    }
    if let Some(port) = Endpoint::new(Scheme::Https, parsed.host).impossible_port() {
        return Err(Fault::Unsent(format!("dial tcp: address {port}: invalid port")));
    }
    Url::parse(written).map_err(|error| Fault::Unsent(error.to_string()))
}

/// containerd's error for the request that is never sent. Of the realm's own query nothing is shown: it may be a key.
fn unsent(written: &str, scopes: &[String], service: &str, asking: TokenRequestForm, reason: &str) -> String {
    let place = urls::redacted(written);
    if asking.signed_in {
        return format!("failed to authorize: failed to fetch oauth token: Post \"{place}\": {reason}");
    }
    let value = |text: &str| if asking.redacted { "[REDACTED]".to_owned() } else { text.to_owned() };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(scopes.iter().map(|scope| ("scope", value(scope))));
    if !service.is_empty() {
        query.append_pair("service", &value(service));
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("failed to authorize: failed to fetch anonymous token: Get \"{place}{mark}{query}\": {reason}")
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cases::Cases;
    use crate::registry::challenge::Scheme;

    fn bearer(parameters: &[(&str, &Value)]) -> Challenge {
        let given =
            parameters.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.as_str()?.to_owned())));
        Challenge { scheme: Scheme::Bearer, parameters: given.collect(), is_lossy: false }
    }

    #[test]
    fn a_challenge_asks_for_what_containerd_reads_in_it() {
        for case in Cases::of_kind("token_options") {
            let parameters = ["realm", "service", "scope"].map(|name| (name, &case.input[name]));
            match options(&bearer(&parameters), None, TokenRequestForm::default()) {
                Ok(found) => {
                    assert_eq!(json!(found.scopes), case.expected["scopes"], "{}", case.id);
                    assert_eq!(found.service, case.input["service"], "{}", case.id);
                    assert_eq!(case.expected["error"], Value::Null, "{}", case.id);
                }
                Err(failure) => {
                    let expected = case.expected["error"].as_str().unwrap();
                    match expected.strip_suffix("...") {
                        Some(start) => {
                            assert!(failure.go_message.starts_with(start), "{}: {failure:?}", case.id);
                        }
                        None => assert_eq!(failure.go_message, expected, "{}", case.id),
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_repeated_is_no_fault_of_the_registry() {
        let (realm, service) = (json!("https://t.example"), json!("G\u{fffd}ste"));
        let challenge = Challenge { is_lossy: true, ..bearer(&[("realm", &realm), ("service", &service)]) };
        assert!(options(&challenge, None, TokenRequestForm::default()).unwrap_err().inconclusive);
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
            let found = options(&challenge, ours.iter().map(String::as_str), TokenRequestForm::default()).unwrap();
            assert_eq!(json!(found.scopes), case.expected["scopes"], "{}", case.id);
        }
    }
}
