//! Takes what looks like a secret out of words that somebody else wrote, before anybody sees them.

/// What follows one of these words is a secret, whatever it looks like.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "authorization", "bearer", "basic"];
/// Of those, the ones that people's sentences have without a secret behind them.
const COMMON: [&str; 4] = ["token", "authorization", "bearer", "basic"];
const HIDDEN: &str = "***";
/// A longer word is none of a sentence.
const PROSE: usize = 16;
/// What messages say behind `Bearer` and `Basic` in place of a login.
const OF_SCHEMES: [&str; 18] = [
    "and",
    "auth",
    "authenticate",
    "authentication",
    "authorization",
    "challenge",
    "challenges",
    "credential",
    "credentials",
    "error",
    "for",
    "header",
    "is",
    "login",
    "or",
    "realm",
    "scheme",
    "was",
];
/// A value is so near behind its name: `password for robot is …`.
const NEAR: usize = 4;
/// A word of this many letters and digits without a break is a key or token.
const OPAQUE: usize = 24;

/// Of a program that deals in secrets: rather too much than too little.
pub fn redact(text: &str) -> String {
    let mut shown = Vec::new();
    let mut before = Naming::Nothing;
    let mut suspect: usize = 0;
    for word in text.split_whitespace() {
        let naming = Naming::of(word);
        shown.push(match (before, naming) {
            (_, Naming::Whole(value_at)) => format!("{}***", &word[..value_at]),
            // `Authorization: Bearer …` names it twice.
            (Naming::Next, Naming::Nothing) => HIDDEN.to_owned(),
            (_, Naming::Nothing) if suspect > 0 && !is_plain(word) && !word.contains("://") => HIDDEN.to_owned(),
            _ => mask_runs(&mask_url(word), |_| true),
        });
        suspect = if naming == Naming::Nothing { suspect.saturating_sub(1) } else { NEAR };
        before = naming;
    }
    shown.join(" ")
}

/// Of a message about pulls, which has to stay legible: what is named as a secret and is no part of a sentence, and keys
/// and tokens of mixed letters.
pub fn redact_message(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut before, mut next) = (Naming::Nothing, Expected::Words);
    let mut open: Option<char> = None;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        if let (false, Some(quote)) = (word.is_empty(), open) {
            // The rest of a secret of several words.
            open = Some(quote).filter(|quote| !word.contains(*quote));
            continue;
        }
        if !word.is_empty() {
            let naming = Naming::of(word);
            let is_secret = match next {
                Expected::Secret => !word.starts_with('{') && (naming == Naming::Nothing || !is_scheme(word)),
                Expected::Either => naming == Naming::Nothing && !is_prose(word),
                Expected::Login => naming == Naming::Nothing && !is_of_scheme(word),
                Expected::Words => false,
            };
            match naming {
                Naming::Whole(at) => {
                    shown.push_str(&word[..at]);
                    shown.push_str(HIDDEN);
                    open = opened(&word[at..]);
                }
                _ if is_secret => {
                    shown.push_str(HIDDEN);
                    open = opened(word);
                }
                _ if word.contains("://") => shown.push_str(word),
                _ => shown.push_str(&mask_runs(word, is_mixed)),
            }
            next = if is_secret { Expected::Words } else { Expected::behind(word, naming, before) };
            before = naming;
        }
        shown.push_str(space);
    }
    shown
}

/// What comes behind a word of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Words,
    /// A secret, unless it looks like a part of the sentence.
    Either,
    /// A login, unless the sentence is about the scheme: a login may look like any word.
    Login,
    Secret,
}

impl Expected {
    fn behind(word: &str, naming: Naming, before: Naming) -> Self {
        match naming {
            // A name in quotes is a key of JSON, and `username/password` is none.
            Naming::Next if word.contains(['"', '\'']) || !(is_common(word) || word.contains('/')) => Self::Secret,
            Naming::Next => Self::Either,
            // `Authorization: Bearer`, and not the words of containerd: `require authorization: authorization failed`.
            Naming::Perhaps if before == Naming::Next && !is_named_so(word) => Self::Secret,
            Naming::Perhaps if word.starts_with(|c: char| c.is_ascii_uppercase()) => {
                if is_scheme(word) {
                    Self::Login
                } else {
                    Self::Either
                }
            }
            Naming::Nothing | Naming::Whole(_) | Naming::Perhaps => Self::Words,
        }
    }
}

/// The header's name, where a scheme might stand.
fn is_named_so(word: &str) -> bool {
    word.eq_ignore_ascii_case("authorization")
}

/// `Bearer` or `Basic`, with the login still to come.
fn is_scheme(word: &str) -> bool {
    ["bearer", "basic"].iter().any(|scheme| word.trim_matches('"').eq_ignore_ascii_case(scheme))
}

/// A word about a scheme, or a parameter of its challenge.
fn is_of_scheme(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    let name = bare.split('=').next().unwrap_or_default();
    OF_SCHEMES.contains(&name)
}

/// The quote that a value begins with and does not end with.
fn opened(value: &str) -> Option<char> {
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c))?;
    (!value[1..].contains(quote)).then_some(quote)
}

/// A word or number of a message, a URL or an error of Go's.
fn is_prose(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let letters = bare.chars().all(|c| c.is_ascii_alphabetic());
    let one_case = bare.chars().skip(1).all(|c| c.is_ascii_lowercase()) || bare.chars().all(|c| c.is_ascii_uppercase());
    let is_status = bare.len() <= 3 && bare.chars().all(|c| c.is_ascii_digit());
    word.contains("://") || word.starts_with("realm=") || is_status || (letters && one_case && bare.len() <= PROSE)
}

/// Whether a word names what sentences name without a secret behind it.
fn is_common(word: &str) -> bool {
    let name = word.to_ascii_lowercase();
    COMMON.iter().any(|known| name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).ends_with(known))
}

/// Whether a word says that a secret comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Nothing,
    /// It is in the word itself: `password=…`, `{"password":"…"}`. The index is where it begins.
    Whole(usize),
    /// It is the next word: `password:`.
    Next,
    /// It may be one of the next words: `token …`.
    Perhaps,
}

impl Naming {
    fn of(word: &str) -> Self {
        let lower = word.to_ascii_lowercase();
        let is_frame = |c: char| !c.is_ascii_alphanumeric();
        let is_url = lower.contains("://");
        // What stands in quotes of its own, and not at the end of a URL.
        let is_key = |before: &str| {
            before.strip_suffix('"').is_some_and(|key| key.rsplit('"').next().is_some_and(|key| !key.contains('/')))
        };
        for (at, _) in
            lower.match_indices(['=', ':']).filter(|(at, sign)| *sign == "=" || !is_url || is_key(&lower[..*at]))
        {
            let before = &lower[..at];
            let is_auth = before.ends_with("\"auth\"") && !lower[at + 1..].starts_with('{');
            if is_auth || NAMES.iter().any(|known| before.trim_end_matches(is_frame).ends_with(known)) {
                let empty = lower[at + 1..].trim_matches(['"', '\'', ',']).is_empty();
                return if empty { Self::Next } else { Self::Whole(at + 1) };
            }
        }
        if is_url {
            return Self::Nothing;
        }
        let name = lower.trim_matches(is_frame);
        match NAMES.iter().find(|known| name.ends_with(**known)) {
            None => Self::Nothing,
            Some(known) if COMMON.contains(known) => Self::Perhaps,
            Some(_) => Self::Next,
        }
    }
}

/// A word of a sentence rather than a value.
fn is_plain(word: &str) -> bool {
    word.trim_end_matches(['.', ',', ':', ';', ')']).chars().all(|c| c.is_ascii_lowercase())
}

/// A URL without who asks, and without its query.
fn mask_url(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let shown = match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => word.to_owned(),
    };
    match shown.split_once('?') {
        Some((place, _)) => format!("{place}?***"),
        None => shown,
    }
}

/// Masks every long run of the letters of base64, in both of its alphabets, and of JWTs' dots.
fn mask_runs(word: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let is_opaque = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let mut shown = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_opaque(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let is_path = run.contains('/') && !run.contains(|c: char| c.is_ascii_uppercase());
        let is_masked = run.len() >= OPAQUE && !is_path && is_secret(run);
        shown.push_str(if is_masked { HIDDEN } else { run });
        let other = after.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&after[..other]);
        rest = &after[other..];
    }
    shown
}

/// Names of images, hosts and pods, and digests, have small letters only.
fn is_mixed(run: &str) -> bool {
    let has = |is: fn(&char) -> bool| run.chars().any(|c| is(&c));
    has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

/// The last of a chain of errors says what happened; those before it say who passed it on.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::{redact, redact_message};

    #[test]
    fn what_looks_like_a_secret_is_masked_and_the_rest_is_not() {
        for (words, shown) in [
            ("dial tcp 169.254.169.254:80: i/o timeout", "dial tcp 169.254.169.254:80: i/o timeout"),
            ("open /etc/kubernetes/azure.json: no such file", "open /etc/kubernetes/azure.json: no such file"),
            ("password=hunter2 next", "password=*** next"),
            ("\"password\": \"hunter2\", x", "\"password\": *** x"),
            ("Authorization: Bearer abc.def end", "Authorization: Bearer *** end"),
            ("token eyJhbGciOi", "token ***"),
            ("cannot get token from metadata", "cannot get token from metadata"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "***"),
            ("got eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0aa.x", "got ***.***.x"),
            ("key AKIAIOSFODNN7EXAMPLEAKIAIOSF", "key ***"),
            ("{\"auth\":{\"r\":{\"password\":\"x\"}}}", "{\"auth\":{\"r\":{\"password\":***"),
            ("GET https://robot:hunter2@r.example/x?sig=1: EOF", "GET https://***@r.example/x?*** EOF"),
            ("GET http://169.254.169.254/token: EOF", "GET http://169.254.169.254/token: EOF"),
            ("password swordfish refused", "password *** refused"),
            ("token of robot is hunter-2, sorry", "token of robot is *** sorry"),
        ] {
            assert_eq!(redact(words), shown, "{words}");
        }
    }

    #[test]
    fn a_message_loses_its_secrets_and_stays_legible() {
        for (message, shown) in [
            ("Authorization: Bearer S3CRET, dial tcp", "Authorization: Bearer *** dial tcp"),
            ("authorization: bearer s3cret end", "authorization: bearer *** end"),
            ("Authorization: Basic swordfish", "Authorization: Basic ***"),
            ("Basic dTpw\" password=pw next", "Basic *** password=*** next"),
            ("{\"password\": \"two words\", \"a\": 1}", "{\"password\": *** \"a\": 1}"),
            (
                "{\"auths\":{\"https://r.example\":{\"password\":\"x\"}}}",
                "{\"auths\":{\"https://r.example\":{\"password\":***",
            ),
            ("  \"identitytoken\": \"swordfish\",", "  \"identitytoken\": ***"),
            ("token: 4815162342\nnext: line", "token: ***\nnext: line"),
            ("\"auth\": \"dTpw\" }", "\"auth\": *** }"),
            ("password: topsecret next", "password: *** next"),
            ("registry-token=x y", "registry-token=*** y"),
            ("got eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.x", "got ***.x"),
        ] {
            assert_eq!(redact_message(message), shown, "{message}");
        }
        let digest = format!("sha256:{}", "0a".repeat(32));
        for message in [
            "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://r.example/token: 401 Unauthorized",
            "failed to fetch anonymous token: Get \"https://r.example/token\": dial tcp: lookup r.example: no such host",
            "pull access denied, no basic auth credentials, and server message: insufficient_scope: authorization failed",
            "Www-Authenticate: Bearer realm=\"https://r.example/token\",service=\"r.example\"",
            "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
            "did not include a token in the response",
            "Failed to pull image \"pull-through-cache-registry-east.example/team-of-many-names-and-apps:v1\"",
            "invalid username/password: unauthorized: authentication required",
            &digest,
        ] {
            assert_eq!(redact_message(message), message);
        }
    }

    #[test]
    fn lines_and_bytes_that_are_no_text_do_no_harm() {
        assert_eq!(redact("a\nb\u{fffd}"), "a b\u{fffd}");
    }
}
