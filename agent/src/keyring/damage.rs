//! Logins that came to harm on the way into a file or secret: by a shell, an editor, or base64 once too often.
//!
//! What is said of a password is only what is wrong with it, never a part of it.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use crate::model::credential::{Credential, CredentialValue};
use crate::redact::secret::Secret;

/// A longer user name may be a token, which some registries take in its place.
const SHOWN_USER: usize = 48;
/// Letters and digits in a row that make a key of a name.
const OPAQUE_RUN: usize = 20;
/// What is shorter is printable by chance.
const SHORTEST_TEXT: usize = 8;
/// Users whose passwords are base64 of a document, as they should be.
const ENCODED_BY_DESIGN: [&str; 4] = ["AWS", "_json_key_base64", "$oauthtoken", "_token"];

/// Documents, and reference tokens of Artifactory, which are base64 by design too.
const ENCODED_STARTS: [&str; 2] = ["{", "reftkn:"];

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// One thing that is wrong with a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Without looking at the registry nobody could mean it so.
    pub certain: bool,
    /// As `the password ends with a line end`.
    pub what: String,
    pub fix: &'static str,
}

const WITHOUT_LINE_END: &str = "Write it without the line end: `printf %s` (or `echo -n`) instead of `echo`, before `base64` and in files \
    for `kubectl create secret --from-file`.";
const QUOTED: &str = "Quote the name for the shell, as in `--docker-username='robot$NAME'`: between double quotes, or without any, a \
    shell takes `$NAME` for a variable.";
const AS_UTF_8: &str = "Write it as UTF-8 without a byte order mark: in PowerShell `-Encoding utf8NoBOM`, or \
    `[Text.Encoding]::UTF8.GetBytes` before base64.";
const ONCE: &str =
    "Encode it once: `kubectl create secret docker-registry` and the field `stringData` encode by themselves.";
const LITERAL: &str = "Write the value itself: what fills variables and takes quotes away was never run over it.";

/// What is wrong with a credential as it stands.
pub fn of(credential: &Credential) -> Vec<Damage> {
    match &credential.value {
        CredentialValue::Basic { username, password } => of_login(username, password, &credential.key),
        CredentialValue::IdentityToken(token) => of_secret("identity token", token),
        CredentialValue::RegistryToken(_) => Vec::new(),
    }
}

pub fn of_login(user: &str, password: &Secret, key: &str) -> Vec<Damage> {
    let certain = |what: &str, fix| Damage { certain: true, what: what.to_owned(), fix };
    let likely = |what: String, fix| Damage { certain: false, what, fix };
    let mut found = Vec::new();
    if is_wide(user) || is_wide(password.expose()) {
        return vec![certain("user and password are written in UTF-16", AS_UTF_8)];
    }
    if user.starts_with('\u{feff}') {
        found.push(certain("a byte order mark is in front of the user's name", AS_UTF_8));
    } else if user.starts_with('\u{fffd}') {
        found.push(certain("bytes that are no UTF-8 stand before the user's name", AS_UTF_8));
    }
    if user.trim_matches('\u{feff}').trim() != user.trim_matches('\u{feff}') {
        found.push(certain("a blank or line end is before or after the user's name", WITHOUT_LINE_END));
    }
    if user == "robot" {
        let what = "the user is `robot` alone; robots of Harbor have a name with `$` in it, which a shell cuts off";
        found.push(likely(what.to_owned(), QUOTED));
    } else if user.ends_with(['$', '+']) {
        found.push(likely(format!("{} ends where a name should go on", named(user)), QUOTED));
    } else if user.is_empty() && !password.is_empty() && key.trim_end_matches('/').ends_with("nvcr.io") {
        found.push(likely(
            "the user is empty; that of NGC is `$oauthtoken`, which a shell takes for a variable".into(),
            QUOTED,
        ));
    } else if is_variable(user) {
        found.push(likely(format!("{} is a variable that nobody filled in", named(user)), LITERAL));
    }
    found.extend(of_secret("password", password));
    found.extend(encoded_twice(user, password).map(|what| likely(what, ONCE)));
    found
}

/// A user's name may be a key that was put into the wrong field.
fn named(user: &str) -> String {
    shown_user(user).map_or_else(|| "the user".to_owned(), |user| format!("the user `{user}`"))
}

fn of_secret(name: &str, secret: &Secret) -> Vec<Damage> {
    let text = secret.expose();
    let mut found = Vec::new();
    let mut add = |certain, what: &str, fix| found.push(Damage { certain, what: format!("the {name} {what}"), fix });
    if text.ends_with(['\n', '\r']) {
        add(true, "ends with a line end", WITHOUT_LINE_END);
    } else if text.ends_with([' ', '\t', '\u{a0}']) {
        add(true, "ends with a blank", WITHOUT_LINE_END);
    }
    if text.starts_with('\u{feff}') {
        add(true, "begins with a byte order mark", AS_UTF_8);
    } else if text.starts_with(char::is_whitespace) {
        add(true, "begins with a blank or line end", WITHOUT_LINE_END);
    }
    let quoted = |mark: char| text.len() > 2 && text.starts_with(mark) && text.ends_with(mark);
    if quoted('"') || quoted('\'') {
        add(false, "is between quotes that are sent with it", LITERAL);
    }
    if is_variable(text) {
        add(false, "is a variable that nobody filled in", LITERAL);
    }
    found
}

/// The two bytes of each letter, of which one is zero.
fn is_wide(text: &str) -> bool {
    let zeros = text.chars().filter(|c| *c == '\0').count();
    zeros > 0 && zeros * 3 >= text.chars().count()
}

/// `$NAME` in capitals, `${…}`, `{{…}}` or `$(…)`. A registry's `$oauthtoken` is none, for its small letters.
fn is_variable(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| !name.is_empty())
        || text.strip_prefix('$').is_some_and(is_name)
        || (text.starts_with("{{") && text.ends_with("}}"))
        || (text.starts_with("$(") && text.ends_with(')'))
}

fn encoded_twice(user: &str, password: &Secret) -> Option<String> {
    if ENCODED_BY_DESIGN.contains(&user) {
        return None;
    }
    let inner = readable(password.expose().trim())?;
    match inner.expose().split_once(':') {
        Some((inside, _)) if inside == user => Some("the password is base64 of user and password once more".into()),
        _ if ENCODED_STARTS.iter().any(|start| inner.expose().starts_with(start)) => None,
        _ => Some("the password looks like base64 of a text: it may have been encoded twice".into()),
    }
}

/// The text of which this is base64, if it is one that a person could have typed.
pub fn readable(text: &str) -> Option<Secret> {
    let decoded = Secret::new(String::from_utf8(BASE64.decode(text).ok()?).ok()?);
    let inner = decoded.expose().trim_end_matches(['\n', '\r']);
    let is_text = inner.len() >= SHORTEST_TEXT && inner.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    is_text.then(|| Secret::new(inner))
}

/// A user's name for people. `None`: there is none, or it may be a key.
pub fn shown_user(user: &str) -> Option<&str> {
    let longest = user.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap_or(0);
    let is_name = (1..=SHOWN_USER).contains(&user.len()) && longest < OPAQUE_RUN;
    let is_known_key = ["ghp_", "gho_", "glpat-", "dckr_pat_", "eyJ"].iter().any(|start| user.starts_with(start));
    (is_name && !is_known_key && user.chars().all(|c| !c.is_control() && c != '`')).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(user: &str, password: &str) -> Vec<String> {
        of_login(user, &Secret::new(password), "registry.example").into_iter().map(|one| one.what).collect()
    }

    #[test]
    fn a_key_in_the_field_of_the_user_is_not_shown() {
        let all = said("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY0+", "correct").join("; ");
        assert!(all.contains("the user ends where a name should go on"), "{all}");
        assert!(!all.contains("wJalrXUtn"), "{all}");
    }

    #[test]
    fn a_login_that_was_damaged_is_told_from_one_that_is_only_odd() {
        for (user, password, wanted) in [
            ("ann", "correct\n", "ends with a line end"),
            ("ann", "correct\r\n", "ends with a line end"),
            ("ann", "correct ", "ends with a blank"),
            ("ann", "\tcorrect", "begins with a blank"),
            ("ann", "\u{feff}correct", "byte order mark"),
            ("\u{feff}ann", "correct", "byte order mark"),
            ("\u{fffd}\u{fffd}ann", "correct", "no UTF-8"),
            ("ann ", "correct", "before or after the user's name"),
            ("a\0n\0n\0", "\0p\0w\0", "UTF-16"),
            ("robot", "correct", "`robot` alone"),
            ("robot$", "correct", "ends where a name should go on"),
            ("ann", "${PASSWORD}", "variable"),
            ("$USER", "correct", "variable"),
            ("ann", "\"correct\"", "quotes"),
            // `correct horse` in base64, and `ann:correct` likewise.
            ("ann", "Y29ycmVjdCBob3JzZQ==", "encoded twice"),
            ("ann", "YW5uOmNvcnJlY3Q=", "once more"),
        ] {
            let said = said(user, password);
            assert!(said.iter().any(|one| one.contains(wanted)), "{user:?} {password:?}: {said:?}");
            assert!(!said.iter().any(|one| one.contains("correct") || one.contains("horse")), "{said:?}");
        }
        for (user, password) in [
            ("robot$team+puller", "K9dT2mXv0bQeRz1L"),
            ("org+robot", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
            ("AWS", "eyJwYXlsb2FkIjoiYWJjZGVmZ2hpaiJ9"),
            ("_json_key", "{\"type\": \"service_account\"}"),
            ("ann", "two words"),
            ("ann", "pa$$WORD"),
            ("$oauthtoken", "c29tZXRoaW5nOmVsc2UtYXQtbmdj"),
            // `reftkn:01:1700000000:abcdefgh`.
            ("ann", "cmVmdGtuOjAxOjE3MDAwMDAwMDA6YWJjZGVmZ2g="),
        ] {
            assert_eq!(said(user, password), Vec::<String>::new(), "{user} {password}");
        }
    }

    #[test]
    fn a_user_that_may_be_a_key_is_not_shown() {
        assert_eq!(shown_user("robot$team+puller"), Some("robot$team+puller"));
        assert_eq!(shown_user("00000000-0000-0000-0000-000000000000"), Some("00000000-0000-0000-0000-000000000000"));
        for hidden in ["", "ghp_abc", "wJalrXUtnFEMIK7MDENGbPxRfi", "a\nb"] {
            assert_eq!(shown_user(hidden), None, "{hidden}");
        }
    }
}
