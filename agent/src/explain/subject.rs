//! What a message is about: the image, the host and the URL that it names.

use crate::redact::output::redact_message;
use crate::redact::urls::without_credentials;

/// The text in front of an image's name.
const IMAGE: [&str; 12] = [
    "Failed to pull image \"",
    "Back-off pulling image \"",
    "pull and unpack image \"",
    "Container image \"",
    "Error syncing pod: ErrImagePull: \"",
    "resolve reference \"",
    "parse image reference \"",
    "parse image name \"",
    "Pulling image \"",
    "image=\"",
    "initializing source docker://",
    "pull access denied for ",
];

pub fn image(message: &str) -> Option<String> {
    let (at, before) = IMAGE.iter().filter_map(|before| Some((message.find(before)?, *before))).min()?;
    let rest = &message[at + before.len()..];
    let end = if before.ends_with('"') { rest.find('"')? } else { rest.find([' ', ',', '\n'])? };
    let name = rest[..end].trim_end_matches(':');
    (!name.is_empty() && name.len() <= 512).then(|| name.to_owned())
}

/// The first URL, without its query.
pub fn url(message: &str) -> Option<String> {
    let at = ["https://", "http://"].iter().filter_map(|scheme| message.find(scheme)).min()?;
    let rest = &message[at..];
    let end = rest.find(|c: char| c.is_whitespace() || "\"'`,".contains(c)).unwrap_or(rest.len());
    let url = rest[..end].trim_end_matches(':');
    Some(url.split(['?', '#']).next().unwrap_or(url).to_owned())
}

/// The host that failed. If a nameserver or proxy failed, the cause says so.
pub fn host(message: &str) -> Option<String> {
    let of_url = url(message).and_then(|url| {
        let authority = url.split("//").nth(1)?.split('/').next()?.to_owned();
        Some(authority.rsplit('@').next()?.to_owned())
    });
    let word_after = |before: &str| {
        let rest = &message[message.find(before)? + before.len()..];
        let word: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != ',').collect();
        let word = word.trim_end_matches(':').to_owned();
        // What was pasted behind these words may be something else, and a login.
        let is_host = word.chars().all(|c| c.is_alphanumeric() || "-._:[]%".contains(c));
        (is_host && !word.is_empty()).then_some(word)
    };
    of_url
        .or_else(|| word_after("pulling from host "))
        .or_else(|| word_after("lookup "))
        .or_else(|| word_after("dial tcp "))
}

/// A message without anybody's login.
pub fn redacted(message: &str) -> String {
    redact_message(&without_credentials(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_was_pasted_is_not_repeated() {
        for (message, redactor) in [
            ("Authorization: Bearer S3CRET, dial tcp", "Authorization: Bearer *** dial tcp"),
            ("https://u:pw@r.example/?a=b password=pw next", "https://***@r.example/?*** password=*** next"),
            ("token=", "token="),
            ("Authorization: Bearer letmein", "Authorization: Bearer ***"),
            ("sent Bearer swordfish: 401", "sent Bearer *** 401"),
            ("with Basic YWxpY2U, EOF", "with Basic *** EOF"),
            ("no Basic auth credentials", "no Basic auth credentials"),
            ("asks Bearer realm=\"https://r.example/token\"", "asks Bearer realm=\"https://r.example/token\""),
            (
                "Bearer token is missing, Basic authentication failed",
                "Bearer token is missing, Basic authentication failed",
            ),
        ] {
            assert_eq!(redacted(message), redactor);
        }
    }

    #[test]
    fn image_host_and_url_are_those_of_the_message() {
        let message = "Failed to pull image \"r.example/a/b:1\": failed to pull and unpack image \"r.example/a/b:1\": failed to \
                       resolve image: unexpected status from HEAD request to https://m.example:5000/v2/a/b/manifests/1?ns=r.example: \
                       401 Unauthorized";
        assert_eq!(image(message).as_deref(), Some("r.example/a/b:1"));
        assert_eq!(url(message).as_deref(), Some("https://m.example:5000/v2/a/b/manifests/1"));
        assert_eq!(host(message).as_deref(), Some("m.example:5000"));
        assert_eq!(host("dial tcp: lookup r.example on 192.0.2.1:53: no such host").as_deref(), Some("r.example"));
        assert_eq!(host("pulling from host r.example:5000 failed with status").as_deref(), Some("r.example:5000"));
        assert_eq!(host("pulling from host password=pw"), None);
        assert_eq!((image("nothing"), url("nothing"), host("nothing")), (None, None, None));
    }
}
