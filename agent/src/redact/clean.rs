//! Words that somebody else wrote, made fit to be shown: the one place where that is done.
//!
//! A registry, a proxy, a certificate, a nameserver or a file says what it likes, and what it says ends on a
//! terminal, in a page, in JSON or in a log. In there nothing may steer what shows it: no escape sequence, no end
//! of a line that is not ours, nothing that turns the direction of writing, nothing that takes no room. What the
//! model keeps of others' words is a [`Clean`], and each way to make one goes through [`shown`].

use std::fmt;
use std::ops::Deref;

/// Text that can be shown anywhere. Each hostile character was replaced, none was taken out: a name that is
/// nearly another's stays another one.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clean(String);

impl Clean {
    /// One line.
    pub fn line(text: &str) -> Self {
        Self(replaced(text, |_| false))
    }

    /// With the line feeds that it has: for texts whose lines are made by us or by containerd, of parts that are
    /// one line each.
    pub fn lines(text: &str) -> Self {
        Self(replaced(text, |c| c == '\n'))
    }

    /// One line of at most so many bytes, cut at the end of a character.
    pub fn clipped(text: &str, limit: usize) -> Self {
        let clean = replaced(&text[..text.floor_char_boundary(LONGEST)], |_| false);
        if clean.len() <= limit && text.len() <= LONGEST {
            return Self(clean);
        }
        let end = clean.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
        Self(format!("{}…", &clean[..end]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// The longest that anything of others is shown: more than any real message of containerd has.
const LONGEST: usize = 8 << 10;

fn replaced(text: &str, stays: impl Fn(char) -> bool) -> String {
    let (begin, left_out) = text.split_at(text.floor_char_boundary(LONGEST));
    let clean = if has_hostile(begin) {
        begin.chars().map(|c| if stays(c) { c } else { shown(c) }).collect()
    } else {
        begin.to_owned()
    };
    if left_out.is_empty() { clean } else { format!("{clean}… ({} more bytes)", left_out.len()) }
}

/// What stands for a character: what parts words becomes a space, what has no honest look a mark that shows it.
fn shown(c: char) -> char {
    match c {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if is_hostile(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Whether a character does something to what shows it, or cannot be seen: controls (C0, DEL and C1), ends of
/// lines, marks of the direction of writing, characters without a width, tags.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether any character is. Nearly every text is printable ASCII, which a look at its bytes shows in a tenth of the time.
pub fn has_hostile(text: &str) -> bool {
    !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.contains(is_hostile)
}

/// What a document of others holds: one line of at most so many bytes.
const READ_LIMIT: usize = 8 << 10;

impl<'de> serde::Deserialize<'de> for Clean {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::clipped(&String::deserialize(deserializer)?, READ_LIMIT))
    }
}

impl Deref for Clean {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Clean {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl serde::Serialize for Clean {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<&str> for Clean {
    fn from(text: &str) -> Self {
        Self::line(text)
    }
}

impl From<String> for Clean {
    fn from(text: String) -> Self {
        if text.len() > LONGEST || has_hostile(&text) { Self::line(&text) } else { Self(text) }
    }
}

impl From<&String> for Clean {
    fn from(text: &String) -> Self {
        Self::line(text)
    }
}

impl From<&Self> for Clean {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

impl From<Clean> for String {
    fn from(text: Clean) -> Self {
        text.0
    }
}

impl PartialEq<str> for Clean {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Clean {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for Clean {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl PartialEq<Clean> for String {
    fn eq(&self, other: &Clean) -> bool {
        *self == other.0
    }
}

impl PartialEq<Clean> for str {
    fn eq(&self, other: &Clean) -> bool {
        *self == other.0
    }
}

impl PartialEq<Clean> for &str {
    fn eq(&self, other: &Clean) -> bool {
        **self == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind that a terminal, a browser or a reader is misled by.
    const HOSTILE: &str = "\u{1b}]8;;https://evil.example\u{7}\0\r\n\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\
                           \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0041}";

    #[test]
    fn nothing_hostile_is_left_whichever_way_it_comes_in() {
        for clean in [
            Clean::from(HOSTILE),
            Clean::from(HOSTILE.to_owned()),
            Clean::from(&HOSTILE.to_owned()),
            Clean::line(HOSTILE),
            Clean::clipped(HOSTILE, 1 << 20),
        ] {
            assert!(!clean.contains(is_hostile), "{clean:?}");
            assert_eq!(clean.chars().count(), HOSTILE.chars().count());
        }
        let lines = Clean::lines(HOSTILE);
        assert!(lines.contains('\n') && !lines.replace('\n', "").contains(is_hostile), "{lines:?}");
    }

    #[test]
    fn a_look_at_the_bytes_says_the_same_as_one_at_each_character() {
        for c in (0..=0x2_0000).chain(0xe_0000..=0xe_1000).filter_map(char::from_u32) {
            for text in [c.to_string(), format!("a{c}"), format!("{c}ü")] {
                assert_eq!(has_hostile(&text), text.contains(is_hostile), "{text:?}");
            }
        }
        assert!(!has_hostile(""));
    }

    #[test]
    fn ordinary_texts_of_every_script_stay_as_they_are() {
        for text in ["", "a b", "Registry für Gäste", "レジストリ", "רישום", "سجل", "🦀 e\u{301}", "a…b «c» – \u{a0}d"]
        {
            assert_eq!(Clean::from(text), text);
        }
        assert_eq!(Clean::line("a\tb\r\nc"), "a b  c");
    }

    #[test]
    fn what_is_replaced_can_still_be_told_from_what_it_pretends_to_be() {
        assert_ne!(Clean::from("li\u{200b}nux"), "linux");
        assert_ne!(Clean::from("linux\u{202e}"), "linux");
    }

    #[test]
    fn nothing_is_longer_than_anybody_reads() {
        let text = format!("{}\u{1b}", "é".repeat(LONGEST));
        for clean in [Clean::line(&text), Clean::lines(&text), Clean::from(text.clone()), Clean::from(&*text)] {
            assert!(clean.ends_with("é… (8193 more bytes)"), "{clean}");
            assert!(clean.len() < LONGEST + 32, "{}", clean.len());
        }
        assert!((18..=20).contains(&Clean::clipped(&text, 20).len()), "a character of two bytes may not fit");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let clipped = Clean::clipped(&"é".repeat(600), 512);
        assert!(clipped.len() <= 512 && clipped.ends_with('…'), "{}", clipped.len());
    }
}
