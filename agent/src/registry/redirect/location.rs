//! Where an answer sends the client on: `Location` as Go's `net/http` reads it, which is stricter than
//! browsers are, and takes hosts as they are written.

use go::text::quote;
use go::url::GoUrl;
use http::header;
use url::Url;

use super::shown::without_signatures;
use crate::cause::Cause;
use crate::http::Response;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::redact::urls;

/// A redirect that leads nowhere.
#[derive(Debug)]
pub struct RedirectError {
    /// The URL that Go names in its error. `None`: the one that was asked.
    pub at: Option<Clean>,
    pub failure: Box<Failure>,
}

/// `None`: the answer is no redirect. An empty `Location` counts as no redirect.
pub fn target(response: &Response, from: &Url) -> Result<Option<Url>, RedirectError> {
    let follows = matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers.get(header::LOCATION).filter(|location| follows && !location.is_empty());
    let Some(location) = location else { return Ok(None) };
    let Ok(text) = std::str::from_utf8(location.as_bytes()) else {
        return Err(RedirectError { at: None, failure: unknown_target("the Location header is not UTF-8").into() });
    };
    let written = urls::parse(text).map_err(|reason| {
        let words = format!("failed to parse Location header {}: {reason}", quote(&urls::redacted(text)));
        RedirectError { at: None, failure: unusable("the Location header holds no usable URL", words).into() }
    })?;
    let named = || quote(&urls::redacted(text)).trim_matches('"').to_owned();
    let redirect_error = |failure: Failure| RedirectError { at: Some(named().into()), failure: failure.into() };
    if let Some(words) = unaskable(&written) {
        return Err(redirect_error(unusable("the Location header holds no URL that can be asked", words)));
    }
    // What browsers take for a slash is a character of the path.
    let target = from.join(&text.replace('\\', "%5C")).ok().filter(|target| leads_as_written(&written, target));
    target.map(Some).ok_or_else(|| {
        redirect_error(unknown_target(&format!(
            "pullprobe cannot go where the Location header leads, to the host `{}`",
            written.host
        )))
    })
}

/// The Location that led to `target`, for an error: relative where it is relative.
pub fn redacted(response: &Response, target: &Url) -> Clean {
    let shown = without_signatures(target);
    let location = response.headers.get(header::LOCATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let written = std::str::from_utf8(location).unwrap_or_default();
    if urls::parse(written).is_ok_and(|url| !url.host.is_empty()) {
        return shown.into();
    }
    match (written.split_once('?'), shown.split_once('?')) {
        (None, _) => written.into(),
        (Some((place, _)), Some((_, query))) => format!("{place}?{query}").into(),
        (Some((place, _)), None) => place.into(),
    }
}

/// Go's words for a URL with an impossible host or port.
fn unaskable(written: &GoUrl) -> Option<String> {
    if !written.scheme.is_empty() {
        if !matches!(&*written.scheme, "http" | "https") {
            return Some(format!("unsupported protocol scheme {}", quote(&written.scheme)));
        }
        if written.host.is_empty() {
            return Some("http: no Host in request URL".into());
        }
    }
    let port = parts(&written.host).1;
    let is_too_high = !port.is_empty() && port.parse::<u16>().is_err();
    is_too_high.then(|| format!("dial tcp: address {port}: invalid port"))
}

/// Browsers read `0x7f000001` as an address, where Go looks for a host of that name. They also make `}` of its wide form, which Go
/// leaves as it is.
fn leads_as_written(written: &GoUrl, target: &Url) -> bool {
    let (host, found) = (parts(&written.host).0, target.host_str().unwrap_or_default());
    if host.is_empty() || host.starts_with('[') {
        return target.has_host();
    }
    if host.is_ascii() {
        return found.eq_ignore_ascii_case(host);
    }
    !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn parts(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    }
}

fn unusable(detail: &str, words: String) -> Failure {
    Failure::new(Stage::Manifest, Cause::RedirectInvalid, detail).with_go_message(words)
}

fn unknown_target(detail: &str) -> Failure {
    Failure { inconclusive: true, ..unusable(detail, String::new()) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn answer(location: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap());
        Response { status: StatusCode::TEMPORARY_REDIRECT, headers, ..Response::empty() }
    }

    fn led(location: &str) -> Result<Option<Url>, RedirectError> {
        target(&answer(location), &Url::parse("https://r.example/v2/a").unwrap())
    }

    fn to(location: &str) -> String {
        led(location).unwrap().map(String::from).unwrap_or_default()
    }

    /// What containerd 1.6, 1.7 and 2.1 go to.
    #[test]
    fn a_location_leads_where_go_is_led() {
        assert_eq!(to("../b?c#d"), "https://r.example/b?c#d");
        assert_eq!(to("//S.example/b"), "https://s.example/b");
        assert_eq!(to("?é"), "https://r.example/v2/a?%C3%A9");
        assert_eq!(to("https://s.example/a\\b"), "https://s.example/a%5Cb");
        assert_eq!(to("https://s.example:/b"), "https://s.example/b");
        assert_eq!(to("https://[2001:0db8::10]:8443/b"), "https://[2001:db8::10]:8443/b");
        assert_eq!(to("https://bücher.example/b"), "https://xn--bcher-kva.example/b");
        assert_eq!(to(""), "");
    }

    /// The URL in the error, and the words behind it; empty words where they are unknown.
    #[test]
    fn a_location_that_go_refuses_leads_nowhere() {
        let refused = |location: &str| {
            let redirect_error = led(location).unwrap_err();
            assert_eq!(redirect_error.failure.inconclusive, redirect_error.failure.go_message.is_empty(), "{location}");
            (redirect_error.at.unwrap_or_default(), redirect_error.failure.go_message)
        };
        let of_request = |location: &str| {
            let (at, words) = refused(location);
            assert_eq!(at, "", "{location}");
            words
        };
        let prefix = "failed to parse Location header \"https://s.example";
        assert!(of_request("https://s.example/%zz").starts_with(prefix));
        assert!(of_request("https://s.example:x/b").ends_with("invalid port \":x\" after host"));
        assert!(of_request("https://s%72.example/b").ends_with("invalid URL escape \"%72\""));
        assert!(of_request("https://s.example\\x/b").ends_with("invalid character \"\\\\\" in host name"));
        assert!(of_request("/b\tc").ends_with("net/url: invalid control character in URL"));
        assert_eq!(refused("ftp://s.example/b").1, "unsupported protocol scheme \"ftp\"");
        assert_eq!(refused("https:///b"), ("https:///b".into(), "http: no Host in request URL".into()));
        assert_eq!(refused("https:").1, "http: no Host in request URL");
        assert_eq!(refused("https:\\\\s.example/b").1, "http: no Host in request URL");
        assert_eq!(refused("https://s.example:99999/b").1, "dial tcp: address 99999: invalid port");
        assert_eq!(refused("https://s\u{ff5d}.example/b").1, "");
        // Hosts that Go looks up as they are written.
        for host in ["0x7f000001", "3221225994", "192.10", "0300.0.02.012"] {
            assert_eq!(refused(&format!("https://{host}/b")).1, "");
        }
        // Who signs in is not repeated.
        assert!(!refused("https://me:secret@s.example:99999/b").0.contains("secret"));
    }

    #[test]
    fn an_error_repeats_the_location_without_its_values() {
        let shown = |location: &str| redacted(&answer(location), &led(location).unwrap().unwrap());
        assert_eq!(shown("?hop=10"), "?hop=%5BREDACTED%5D");
        assert_eq!(shown("#frag"), "#frag");
        assert_eq!(shown("../b"), "../b");
        assert_eq!(shown("https://s.example/b?c=d"), "https://s.example/b?c=%5BREDACTED%5D");
        // What takes no room is seen.
        assert_eq!(shown("/b\u{34f}c"), "/b\u{fffd}c");
    }
}
