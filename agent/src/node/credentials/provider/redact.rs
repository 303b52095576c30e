//! Takes what looks like a secret out of a plugin's words before anybody sees them.

/// What follows one of these words is a secret, whatever it looks like.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "authorization", "bearer", "basic"];
/// Of those, the ones that people's sentences have without a secret behind them.
const COMMON: [&str; 4] = ["token", "authorization", "bearer", "basic"];
/// A value is so near behind its name: `password for robot is …`.
const NEAR: usize = 4;
/// A word of this many letters and digits without a break is a key or token.
const OPAQUE: usize = 24;

pub fn redact(text: &str) -> String {
    let mut shown = Vec::new();
    let mut before = Naming::Nothing;
    let mut suspect: usize = 0;
    for word in text.split_whitespace() {
        let naming = Naming::of(word);
        shown.push(match (before, naming) {
            (_, Naming::Whole(value_at)) => format!("{}***", &word[..value_at]),
            // `Authorization: Bearer …` names it twice.
            (Naming::Next, Naming::Nothing) => "***".to_owned(),
            (_, Naming::Nothing) if suspect > 0 && !is_plain(word) && !word.contains("://") => "***".to_owned(),
            _ => mask_opaque(&mask_url(word)),
        });
        suspect = if naming == Naming::Nothing { suspect.saturating_sub(1) } else { NEAR };
        before = naming;
    }
    shown.join(" ")
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
        for (at, _) in lower.match_indices(['=', ':']).filter(|(_, sign)| *sign == "=" || !is_url) {
            if NAMES.iter().any(|known| lower[..at].trim_end_matches(is_frame).ends_with(known)) {
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
fn mask_opaque(word: &str) -> String {
    let is_opaque = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let mut shown = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_opaque(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let is_path = run.contains('/') && !run.contains(|c: char| c.is_ascii_uppercase());
        shown.push_str(if run.len() >= OPAQUE && !is_path { "***" } else { run });
        let other = after.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&after[..other]);
        rest = &after[other..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::redact;

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
    fn lines_and_bytes_that_are_no_text_do_no_harm() {
        assert_eq!(redact("a\nb\u{fffd}"), "a b\u{fffd}");
    }
}
