//! Takes what looks like a secret out of a plugin's words before anybody sees them.

/// What follows one of these words is a secret, whatever it looks like.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "authorization", "bearer", "basic"];
/// A word of this many letters and digits without a break is a key or token.
const OPAQUE: usize = 24;

pub fn redact(text: &str) -> String {
    let mut shown = Vec::new();
    let mut before = Naming::Nothing;
    for word in text.split_whitespace() {
        let naming = Naming::of(word);
        shown.push(match (before, naming) {
            (_, Naming::Whole(value_at)) => format!("{}***", &word[..value_at]),
            // `Authorization: Bearer …` names it twice.
            (Naming::Next, Naming::Nothing) => "***".to_owned(),
            (Naming::Perhaps, Naming::Nothing) if !is_plain(word) => "***".to_owned(),
            _ => mask_opaque(word),
        });
        before = naming;
    }
    shown.join(" ")
}

/// Whether a word says that a secret comes.
#[derive(Clone, Copy)]
enum Naming {
    Nothing,
    /// It is in the word itself: `password=…`. The index is where it begins.
    Whole(usize),
    /// It is the next word: `password:`.
    Next,
    /// It may be the next word: `token …`.
    Perhaps,
}

impl Naming {
    fn of(word: &str) -> Self {
        let end = word.find(['=', ':']);
        let name = word[..end.unwrap_or(word.len())].trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_lowercase();
        if !NAMES.iter().any(|known| name.ends_with(known)) {
            return Self::Nothing;
        }
        match end {
            None => Self::Perhaps,
            Some(at) if word[at + 1..].trim_matches(['"', '\'', ',']).is_empty() => Self::Next,
            Some(at) => Self::Whole(at + 1),
        }
    }
}

/// A word of a sentence rather than a value.
fn is_plain(word: &str) -> bool {
    word.trim_end_matches(['.', ',', ':', ';', ')']).chars().all(|c| c.is_ascii_lowercase())
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
        ] {
            assert_eq!(redact(words), shown, "{words}");
        }
    }

    #[test]
    fn it_is_one_line() {
        assert_eq!(redact("a\nb\u{fffd}"), "a b\u{fffd}");
    }
}
