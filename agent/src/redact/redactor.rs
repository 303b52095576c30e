//! Secrets that somebody was told, to be taken out of what they say back.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use url::form_urlencoded::byte_serialize;

use super::secret::Secret;

/// What is shorter stands in every text by chance.
const SHORTEST: usize = 4;
/// Nobody is shown more of a text than a small part of this.
const LONGEST_TEXT: usize = 16 << 10;
const HIDDEN: &str = "***";

/// Known secrets in every shape in which they are likely to come back.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<Secret>,
    /// Most answers are never shown.
    shapes: OnceLock<Shapes>,
}

#[derive(Clone, Default)]
struct Shapes {
    /// Longest first: a part of one must not uncover the rest of it.
    plain: Vec<Secret>,
    /// What an encoding in base64 holds of them, wherever they begin in it.
    encoded: Vec<Secret>,
}

impl Shapes {
    fn of(secrets: &[Secret]) -> Self {
        let mut shapes = Self::default();
        secrets.iter().for_each(|secret| shapes.add(secret.expose()));
        shapes.plain.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        shapes
    }

    fn add(&mut self, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        self.plain.push(Secret::new(secret));
        let escaped: String = byte_serialize(secret.as_bytes()).collect();
        if escaped != secret {
            self.plain.push(Secret::new(escaped.replace('+', "%20")));
            self.plain.push(Secret::new(escaped));
        }
        for before in 0..3_usize {
            let bytes = [&vec![0; before], secret.as_bytes()].concat();
            // Only the letters in which no neighbour has a part.
            let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            for alphabet in [&STANDARD, &URL_SAFE] {
                let encoded = alphabet.encode(&bytes);
                self.encoded.extend(encoded.get(first..end).filter(|kept| kept.len() >= SHORTEST).map(Secret::new));
            }
        }
    }

    /// A secret that the end of the text went through is not known again.
    fn drop_what_was_cut(&self, shown: &mut String) {
        let longest = self.plain.iter().map(|secret| secret.expose().len()).max().unwrap_or(0);
        shown.truncate(shown.floor_char_boundary(shown.len().saturating_sub(longest)));
        shown.truncate(shown.trim_end_matches(is_base64).len());
    }
}

impl Redactor {
    pub fn over<T: AsRef<str>>(secrets: impl IntoIterator<Item = T>) -> Self {
        let secrets = secrets.into_iter().map(|secret| Secret::new(secret.as_ref())).collect();
        Self { secrets, shapes: OnceLock::new() }
    }

    /// `text` without them, as far as anybody will read it.
    pub fn hide(&self, text: &str) -> String {
        let begin = &text[..text.floor_char_boundary(LONGEST_TEXT)];
        let shapes = self.shapes.get_or_init(|| Shapes::of(&self.secrets));
        let mut shown = begin.to_owned();
        for secret in &shapes.plain {
            if shown.contains(secret.expose()) {
                shown = shown.replace(secret.expose(), HIDDEN);
            }
        }
        for secret in &shapes.encoded {
            if shown.contains(secret.expose()) {
                shown = without_runs(&shown, secret.expose());
            }
        }
        if begin.len() < text.len() {
            shapes.drop_what_was_cut(&mut shown);
        }
        shown
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Veil(over {})", self.secrets.len())
    }
}

/// Without all of the base64 in which this piece of it stands: its neighbours hold the secret's first and last bits.
fn without_runs(text: &str, piece: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(piece) {
        kept.push_str(rest[..at].trim_end_matches(is_base64));
        kept.push_str(HIDDEN);
        rest = rest[at + piece.len()..].trim_start_matches(is_base64);
    }
    kept + rest
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_shape() {
        let redactor = Redactor::over(["p\u{e4}ss+w/rd", "Basic abcdef"]);
        let login = STANDARD.encode("robot:p\u{e4}ss+w/rd");
        for (said, shown) in [
            ("no p\u{e4}ss+w/rd here".to_owned(), "no *** here"),
            ("a=p%C3%A4ss%2Bw%2Frd&b".to_owned(), "a=***&b"),
            (format!("sent Basic {login}."), "sent Basic ***."),
            (URL_SAFE.encode("p\u{e4}ss+w/rd"), "***"),
            ("Basic abcdef".to_owned(), "***"),
            ("nothing of them".to_owned(), "nothing of them"),
        ] {
            assert_eq!(redactor.hide(&said), shown);
        }
        assert!(!format!("{redactor:?}").contains("ss+w"));
    }

    #[test]
    fn the_longer_secret_goes_first_and_short_ones_are_not_looked_for() {
        assert_eq!(Redactor::over(["abcd", "abcdefgh", "a", ""]).hide("a abcdefgh abcd"), "a *** ***");
    }

    #[test]
    fn a_long_text_costs_its_length_and_its_end_uncovers_nothing() {
        let secret = "s3cr3t-of-the-lab";
        let redactor = Redactor::over([secret]);
        let piece = format!("{} ", STANDARD.encode(secret));
        let shown = redactor.hide(&piece.repeat(200_000));
        assert!(shown.len() < LONGEST_TEXT && shown.starts_with("*** *** "), "{} bytes", shown.len());
        for before in LONGEST_TEXT - 60..LONGEST_TEXT {
            for said in [secret.to_owned(), STANDARD.encode(secret)] {
                let shown = redactor.hide(&format!("{}{said}{}", " ".repeat(before), " and so on".repeat(9)));
                let parts = said.as_bytes().windows(5).map(String::from_utf8_lossy);
                let seen: Vec<_> = parts.filter(|part| shown.contains(&**part)).collect();
                assert!(seen.is_empty(), "{seen:?}");
            }
        }
    }
}
