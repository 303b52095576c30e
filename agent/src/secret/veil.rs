//! Secrets that somebody was told, to be taken out of what they say back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use url::form_urlencoded::byte_serialize;

use super::Secret;

/// What is shorter stands in every text by chance.
const SHORTEST: usize = 4;

/// Known secrets in every shape in which they are likely to come back.
#[derive(Clone, Default)]
pub struct Veil {
    /// Longest first: a part of one must not uncover the rest of it.
    plain: Vec<Secret>,
    /// What an encoding in base64 holds of them, wherever they begin in it.
    encoded: Vec<Secret>,
}

impl Veil {
    pub fn over<T: AsRef<str>>(secrets: impl IntoIterator<Item = T>) -> Self {
        let mut veil = Self::default();
        for secret in secrets {
            veil.cover(secret.as_ref());
        }
        veil.plain.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        veil
    }

    fn cover(&mut self, secret: &str) {
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

    /// `text` without them.
    pub fn hide(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.plain {
            if shown.contains(secret.expose()) {
                shown = shown.replace(secret.expose(), "***");
            }
        }
        for secret in &self.encoded {
            while let Some(at) = shown.find(secret.expose()) {
                let (begin, end) = run_around(&shown, at, secret.expose().len());
                shown.replace_range(begin..end, "***");
            }
        }
        shown
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Veil(over {})", self.plain.len())
    }
}

/// All of the base64 in which a piece of it was found: its neighbours hold the secret's first and last bits.
fn run_around(text: &str, at: usize, length: usize) -> (usize, usize) {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let begin = text[..at].trim_end_matches(is_base64).len();
    let behind = &text[at + length..];
    (begin, text.len() - behind.trim_start_matches(is_base64).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_shape() {
        let veil = Veil::over(["p\u{e4}ss+w/rd", "Basic abcdef"]);
        let login = STANDARD.encode("robot:p\u{e4}ss+w/rd");
        for (said, shown) in [
            ("no p\u{e4}ss+w/rd here".to_owned(), "no *** here"),
            ("a=p%C3%A4ss%2Bw%2Frd&b".to_owned(), "a=***&b"),
            (format!("sent Basic {login}."), "sent Basic ***."),
            (URL_SAFE.encode("p\u{e4}ss+w/rd"), "***"),
            ("Basic abcdef".to_owned(), "***"),
            ("nothing of them".to_owned(), "nothing of them"),
        ] {
            assert_eq!(veil.hide(&said), shown);
        }
        assert!(!format!("{veil:?}").contains("ss+w"));
    }

    #[test]
    fn the_longer_secret_goes_first_and_short_ones_are_not_looked_for() {
        assert_eq!(Veil::over(["abcd", "abcdefgh", "a", ""]).hide("a abcdefgh abcd"), "a *** ***");
    }
}
