//! `Location`: it leads to a host that can be asked, or nowhere, and no signature of it is shown.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use pullprobe::http::Response;
use pullprobe::registry::redirect::location::{redacted, target};
use pullprobe::registry::redirect::shown;
use url::Url;

use super::answer::{self, check_failure, check_text};

pub fn holds(data: &[u8]) {
    let from = Url::parse("https://registry.example/v2/team/app/blobs/sha256:00").unwrap();
    let Some(response) = leading(data) else { return };
    let text = String::from_utf8_lossy(data);
    // Where a password is expected, and nowhere else, it is known as one.
    let secret_place = text.split_once(super::MARKER).is_some_and(|(before, after)| is_secret_place(before, after));
    match target(&response, &from) {
        Ok(None) => assert!(data.trim_ascii().is_empty(), "{data:?} leads nowhere, and nobody says why"),
        Ok(Some(to)) => {
            assert!(matches!(to.scheme(), "http" | "https") && to.has_host(), "{to}");
            if secret_place {
                check_text(&redacted(&response, &to), usize::MAX);
                check_text(&shown::without_signatures(&to), usize::MAX);
                check_text(&shown::redacted(&to), usize::MAX);
            }
            let again = leading(to.as_str().as_bytes()).expect("a URL fits in a header");
            let same = target(&again, &from).unwrap_or_else(|error| panic!("{to} leads nowhere: {error:?}"));
            assert_eq!(same, Some(to), "a whole URL leads to itself");
        }
        Err(error) => {
            assert_eq!(error.failure.inconclusive, error.failure.go_message.is_empty(), "{error:?}");
            if secret_place {
                check_failure(&error.failure);
                check_text(error.at.as_deref().unwrap_or_default(), usize::MAX);
            }
        }
    }
}

/// Whether the marker is the password of a URL or a value of its query.
fn is_secret_place(before: &str, after: &str) -> bool {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let Some(before) = before.strip_prefix("https://").filter(|_| !after.contains(super::MARKER)) else { return false };
    let is_login = before.strip_suffix(':').is_some_and(is_plain) && after.starts_with('@');
    let query = before.strip_suffix('=').and_then(|before| before.split_once('?'));
    is_login || query.is_some_and(|(host, name)| !host.is_empty() && is_plain(host) && is_plain(name))
}

fn leading(location: &[u8]) -> Option<Response> {
    let mut response = answer::read(b"307 Temporary Redirect");
    assert_eq!(response.status, StatusCode::TEMPORARY_REDIRECT);
    // Spaces around a value do not belong to it (RFC 9110, section 5.5).
    response.headers.insert(LOCATION, HeaderValue::from_bytes(location.trim_ascii()).ok()?);
    Some(response)
}
