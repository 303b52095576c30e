//! Reads `WWW-Authenticate` as containerd reads it, shortcomings included. It does not act on it.
//!
//! One line gives at most one challenge; a second scheme on the same line is lost; a bare URL ends
//! at its colon (containerd `core/remotes/docker/auth/parse.go`).

use std::borrow::Cow;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::http::Response;
use crate::model::facts::ChallengeFacts;
use crate::redact::clip::clip;

/// More lines than any registry sends.
const LINE_LIMIT: usize = 16;

/// The schemes containerd knows, in its order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Bearer,
    /// Known, never answered.
    Digest,
    Basic,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Digest => "digest",
            Self::Basic => "basic",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub scheme: Scheme,
    /// Names in lower case.
    pub parameters: Vec<(String, String)>,
    /// Its bytes are no UTF-8: a parameter may not be what is read here.
    pub is_lossy: bool,
}

impl Challenge {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn facts(&self) -> ChallengeFacts {
        ChallengeFacts {
            scheme: self.scheme.as_str().to_owned().into(),
            realm: self.parameter("realm").map(without_query).map(Into::into),
            service: self.parameter("service").map(|service| clip(service.to_owned())).map(Into::into),
        }
    }
}

/// A realm may carry anything behind its path; only the place is shown.
fn without_query(realm: &str) -> String {
    if let Some(mut url) = url::Url::parse(realm).ok().filter(url::Url::has_host) {
        url.set_query(None);
        url.set_fragment(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        return clip(url.to_string());
    }
    // The realm of Basic is free text. An address that does not parse has its secrets where others have them.
    if !realm.contains("://") {
        return clip(realm.to_owned());
    }
    let place = realm.split(['?', '#']).next().unwrap_or_default();
    match place.split_once("://") {
        Some((scheme, rest)) => clip(format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default())),
        None => clip(place.to_owned()),
    }
}

/// The challenges of an answer, bearer first.
pub fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let lines = headers.get_all(WWW_AUTHENTICATE).iter().take(LINE_LIMIT);
    let mut challenges: Vec<Challenge> = lines.filter_map(|line| parse_bytes(line.as_bytes())).collect();
    challenges.sort_by_key(|challenge| challenge.scheme);
    challenges
}

/// The same, without what the host was told: a realm is asked as it stands, and only its place is shown.
pub fn of(response: &Response) -> Vec<Challenge> {
    let mut challenges = parse(&response.headers);
    let words = challenges.iter_mut().flat_map(|one| &mut one.parameters).filter(|(name, _)| name != "realm");
    words.for_each(|(_, value)| *value = response.redactor.hide(value));
    challenges
}

fn parse_bytes(line: &[u8]) -> Option<Challenge> {
    let text = String::from_utf8_lossy(line);
    let is_lossy = matches!(text, Cow::Owned(_));
    parse_line(&text).map(|challenge| Challenge { is_lossy, ..challenge })
}

fn parse_line(line: &str) -> Option<Challenge> {
    let (scheme, mut rest) = token(line);
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "digest" => Scheme::Digest,
        "basic" => Scheme::Basic,
        _ => return None,
    };
    let mut parameters = Vec::new();
    loop {
        let (name, after) = token(rest.trim_start());
        let Some(value) = after.strip_prefix('=').filter(|_| !name.is_empty()) else { break };
        let Some((value, after)) = token_or_quoted(value) else { break };
        parameters.push((name.to_ascii_lowercase(), value));
        let Some(after) = after.trim_start().strip_prefix(',') else { break };
        rest = after;
    }
    Some(Challenge { scheme, parameters, is_lossy: false })
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c)
}

fn token_or_quoted(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    #[test]
    fn the_challenges_of_containerds_own_cases_are_read_alike() {
        for case in Cases::of_kind("www_authenticate") {
            let mut headers = HeaderMap::new();
            for line in case.input["headers"].as_array().unwrap() {
                headers.append(WWW_AUTHENTICATE, line.as_str().unwrap().parse().unwrap());
            }
            let found: Vec<serde_json::Value> = parse(&headers)
                .into_iter()
                .map(|challenge| {
                    let params: serde_json::Map<_, _> =
                        challenge.parameters.into_iter().map(|(name, value)| (name, value.into())).collect();
                    serde_json::json!({"scheme": challenge.scheme.as_str(), "params": params})
                })
                .collect();
            let expected = case.expected["challenges"].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{}", case.id);
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found, expected, "{}", case.id);
            }
        }
    }

    #[test]
    fn a_value_is_bytes_and_any_of_them_are_taken() {
        let read = |value: &[u8]| {
            let value = http::HeaderValue::from_bytes(value).unwrap();
            parse(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)])).remove(0)
        };
        let umlauts = read("Basic realm=\"Registry f\u{fc}r G\u{e4}ste\"".as_bytes());
        assert_eq!((umlauts.parameter("realm"), umlauts.is_lossy), (Some("Registry für Gäste"), false));
        let latin = read(b"Basic realm=\"Registry f\xfcr G\xe4ste\"");
        assert_eq!((latin.scheme, latin.is_lossy), (Scheme::Basic, true));
    }

    #[test]
    fn a_realm_is_shown_without_query_and_user() {
        let challenge = parse_line("Bearer realm=\"https://user:pw@auth.example/token?key=1\"").unwrap();
        assert_eq!(challenge.facts().realm.as_deref(), Some("https://auth.example/token"));
    }

    #[test]
    fn a_realm_that_is_no_url_shows_as_little() {
        let shown = |realm: &str| parse_line(&format!("Bearer realm=\"{realm}\"")).unwrap().facts().realm.unwrap();
        assert_eq!(shown("https://user:pw:/@auth.example?key=hunter2"), "https://auth.example");
        assert_eq!(shown("https://a b/token#hunter2"), "https://a b/token");
        assert_eq!(shown("private area: who?"), "private area: who?");
        assert_eq!(shown("a?key=1://host/path"), "a");
    }

    #[test]
    fn what_is_shown_of_a_challenge_is_bounded() {
        let long = "x".repeat(50_000);
        let challenge =
            parse_line(&format!("Bearer realm=\"https://auth.example/{long}\",service=\"a\t{long}\"")).unwrap();
        for shown in [challenge.facts().realm.unwrap(), challenge.facts().service.unwrap()] {
            assert!(shown.len() <= 512 && !shown.contains('\t'), "{} bytes", shown.len());
        }
    }
}
