//! Texts that hold URLs, as people may see them: who signs in with a URL, and what its query says, is left out.
//!
//! It looks at words, not at URLs: what is quoted in a complaint is often not quite one.

use go::text::quote;
use go::url::{self, GoUrl};

const HIDDEN: &str = "***";

/// Without user information and queries: for what stands in files and on command lines.
pub fn without_credentials(text: &str) -> String {
    by_words(text, |word| without_query(&without_user(word)))
}

/// Without user information only: for the words of errors, whose queries are the caller's to judge.
pub fn without_users(text: &str) -> String {
    if text.contains('@') { by_words(text, without_user) } else { text.to_owned() }
}

fn by_words(text: &str, shown: impl Fn(&str) -> String) -> String {
    let is_between = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
    text.split_inclusive(is_between)
        .map(|word| {
            let end = word.trim_end_matches(is_between).len();
            shown(&word[..end]) + &word[end..]
        })
        .collect()
}

/// All between the slashes, or the beginning, and the last `@`, unless it is a tag before a digest.
fn without_user(word: &str) -> String {
    let mut ends = word.rmatch_indices('@').map(|(at, _)| at).filter(|at| !is_digest(&word[at + 1..]));
    let Some(end) = ends.next() else { return word.to_owned() };
    let before = &word[..end];
    let begin = match before.find("//") {
        Some(slashes) => slashes + 2,
        // An address of mail and its like.
        None if !before.contains(':') => return word.to_owned(),
        None => 0,
    };
    format!("{}{HIDDEN}{}", &word[..begin], &word[end..])
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hash)) = text.split_once(':') else { return false };
    let digits = hash.bytes().take_while(u8::is_ascii_hexdigit).count();
    digits >= 32 || algorithm.starts_with("sha")
}

fn without_query(word: &str) -> String {
    let is_url = word.contains("//");
    let query = word.find('?').filter(|at| is_url || word[*at..].contains('='));
    let end = query.into_iter().chain(word.find('#').filter(|_| is_url)).min();
    end.map_or_else(|| word.to_owned(), |at| format!("{}{HIDDEN}", &word[..=at]))
}

/// Go's `url.Parse`; the error has its words, but for what nobody may read.
pub fn parse(text: &str) -> Result<GoUrl, String> {
    url::parse(text).map_err(|reason| format!("parse {}: {reason}", quote(&redacted(text))))
}

/// A URL as it may be shown: without user, password and query.
pub fn redacted(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.find("://").map_or(("", text), |at| text.split_at(at + 3));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // What is not quite a URL has its password elsewhere.
    without_users(&format!("{scheme}{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_password_is_shown() {
        for (text, shown) in [
            ("found `https://u:pw@r.example/a:1`.", "found `https://***@r.example/a:1`."),
            ("\"https://token@r.example\"", "\"https://***@r.example\""),
            ("https://u:p@w/x@r.example?a=b", "https://***@r.example?***"),
            ("https//u:pw@r.example", "https//***@r.example"),
            ("https:/u:pw@r.example", "***@r.example"),
            ("u:pw@r.example:5000/a", "***@r.example:5000/a"),
            ("u:pw@r.example:5000", "***@r.example:5000"),
            ("u:pw@r.example/a@sha256:00", "***@r.example/a@sha256:00"),
            ("a?sig=x", "a?***"),
            ("https://r.example/?x y", "https://r.example/?*** y"),
            ("https://r.example/#x", "https://r.example/#***"),
            ("u:\u{e9}@\u{e9}", "***@\u{e9}"),
        ] {
            assert_eq!(without_credentials(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let digest = format!("r.example/a:1@sha256:{}", "0".repeat(64));
        for text in ["me@mail.example", "why? because", "a:1@sha256:x", "C#", &digest, "", "@", "a @ b:c"] {
            assert_eq!(without_credentials(text), text);
            assert_eq!(without_users(text), text);
        }
        assert_eq!(without_users("Get \"https://u:p@h/?a=b\": EOF"), "Get \"https://***@h/?a=b\": EOF");
    }

    #[test]
    fn what_go_refuses_is_named_without_who_signs_in() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("https://m:x"), "parse \"https://m:x\": invalid port \":x\" after host");
        assert_eq!(refused("https://ann:secret@m:x/p?q=s"), "parse \"https://m:x/p\": invalid port \":x\" after host");
    }
}
