//! What kubelet says of a text that is no reference: the errors of distribution/reference and of go-digest.

use super::parse;
use crate::redact::urls::without_credentials;

const INVALID: &str = "invalid reference format";

/// For a text that [`parse::reference`] does not take.
pub fn of(text: &str) -> String {
    if parse::is_identifier(text) {
        return format!("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings");
    }
    let parts = parse::parts(text);
    let (remote, _) = parts.remainder.split_once(':').unwrap_or((&parts.remainder, ""));
    if remote.to_lowercase() != remote {
        return format!("{INVALID}: repository name ({}) must be lowercase", quotable(text, remote));
    }
    if !parts.is_well_formed {
        let only_case = text != text.to_lowercase() && parse::parts(&text.to_lowercase()).is_well_formed;
        return if only_case { "repository name must be lowercase" } else { INVALID }.to_owned();
    }
    if parts.repository_is_too_long {
        return format!("repository name must not be more than {} characters", parse::REPOSITORY_LIMIT);
    }
    let (_, digest) = parts.remainder.split_once('@').unwrap_or_default();
    of_digest(digest).to_owned()
}

/// A piece of the text as people may see it: alone it does not show any more that it is one of a URL.
fn quotable(text: &str, piece: &str) -> String {
    let shown = without_credentials(text);
    if shown == text {
        return piece.to_owned();
    }
    let parts = parse::parts(&shown);
    parts.remainder.split(':').next().unwrap_or_default().to_owned()
}

/// The algorithm is a word, or more with one sign between each two of them; what follows may be any hex digits.
fn of_digest(digest: &str) -> &'static str {
    let Some((algorithm, hex)) = digest.split_once(':') else { return INVALID };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let is_hex = hex.len() >= 32 && hex.bytes().all(|c| c.is_ascii_hexdigit());
    if !is_hex || !algorithm.split(['-', '_', '+', '.']).all(is_word) {
        return INVALID;
    }
    match parse::hex_digits_of(algorithm) {
        // go-digest's own idea of an algorithm's name has no capitals.
        None if algorithm.bytes().any(|c| c.is_ascii_uppercase()) => "invalid checksum digest format",
        None => "unsupported digest algorithm",
        Some(length) if hex.len() != length => "invalid checksum digest length",
        Some(_) => "invalid checksum digest format",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reference;

    #[test]
    fn kubelet_says_more_than_that_the_format_is_invalid() {
        let lower = |name: &str| format!("invalid reference format: repository name ({name}) must be lowercase");
        let hex = "0123456789abcdef".repeat(4);
        for (text, words) in [
            ("reg.test:5443/Team/App:1.0".to_owned(), lower("Team/App")),
            ("r.example/a/Bc".to_owned(), lower("a/Bc")),
            ("UPPER".to_owned(), lower("library/UPPER")),
            ("https://r.example/#Secret".to_owned(), lower("/r.example/#***")),
            ("https://User:pw@r.example/app".to_owned(), lower("/***@r.example/app")),
            ("r.example/App?sig=Secret".to_owned(), lower("App?***")),
            (format!("r.example/App@sha256:{hex}"), lower("App@sha256")),
            (hex.clone(), format!("invalid repository name ({hex}), cannot specify 64-byte hexadecimal strings")),
            ("https://reg.test/app".to_owned(), "invalid reference format".to_owned()),
            ("reg.test/team/app:".to_owned(), "invalid reference format".to_owned()),
            (
                format!("r.example/{}", "a/".repeat(130) + "a"),
                "repository name must not be more than 255 characters".into(),
            ),
            (format!("app@sha256:{}", &hex[1..]), "invalid checksum digest length".to_owned()),
            (format!("app@sha256:{}", hex.to_uppercase()), "invalid checksum digest format".to_owned()),
            (format!("app@md5:{}", &hex[..32]), "unsupported digest algorithm".to_owned()),
            ("Under_Score.example/app".to_owned(), "repository name must be lowercase".to_owned()),
            ("app@sha256:abc".to_owned(), "invalid reference format".to_owned()),
        ] {
            assert_eq!(Reference::parse(&text).unwrap_err().words, words, "{text}");
        }
    }
}
