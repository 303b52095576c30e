//! Planted secrets: strings that stand nowhere by chance, the shapes in which each can show, and the
//! search for them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use url::form_urlencoded::byte_serialize;

/// The user of every planted password.
pub const USER: &str = "robot";

/// One secret, named after the way it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    pub name: String,
    pub text: String,
}

impl Marker {
    /// Every name has a text of its own. It has characters that URLs escape, and is shorter than what
    /// anybody would take for a key by its looks.
    pub fn new(name: &str) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        let mut letters = String::new();
        for byte in name.bytes().chain([0; 15]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            let at = usize::try_from(state >> 58).unwrap();
            letters.push(char::from(b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789ABCDEFG"[at]));
        }
        let letters = &letters[letters.len() - 15..];
        Self { name: name.to_owned(), text: format!("{}+/={}", &letters[..8], &letters[8..]) }
    }

    /// What is secret although nobody here made it up: a token, the lines of a key.
    pub fn found(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// As it stands, as in URLs and forms, and in base64 wherever it begins there, be it alone or behind
    /// a user's name.
    pub fn shapes(&self) -> Vec<String> {
        let escaped: String = byte_serialize(self.text.as_bytes()).collect();
        let mut shapes = vec![self.text.clone(), escaped.to_lowercase(), escaped];
        for before in 0..3_usize {
            let bytes = [&vec![0; before], self.text.as_bytes()].concat();
            // Only the letters that no neighbour has a part in.
            let (first, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            for alphabet in [&STANDARD, &URL_SAFE] {
                shapes.push(alphabet.encode(&bytes)[first..whole].to_owned());
            }
        }
        shapes.sort();
        shapes.dedup();
        shapes
    }

    /// Whether it shows in the text, in any shape.
    pub fn shows_in(&self, text: &str) -> bool {
        self.shapes().iter().any(|shape| text.contains(shape.as_str()))
    }
}

/// `text` with `<name>` replaced by the marker of that name; `<login:name>` by user and marker as in
/// `Authorization`, `<url:name>` as in a URL, `<unit:name>` as in the URL of a systemd unit.
pub fn plant(text: &str) -> (String, Vec<Marker>) {
    let mut markers: Vec<Marker> = Vec::new();
    let mut planted = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (word, behind) = after.split_once('>').unwrap();
        let (shape, name) = word.split_once(':').unwrap_or(("", word));
        let marker = Marker::new(name);
        let escaped: String = byte_serialize(marker.text.as_bytes()).collect();
        planted.push_str(before);
        planted.push_str(&match shape {
            "" => marker.text.clone(),
            "login" => STANDARD.encode(format!("{USER}:{}", marker.text)),
            "url" => escaped,
            "unit" => escaped.replace('%', "%%"),
            other => panic!("no shape is called {other}"),
        });
        if !markers.contains(&marker) {
            markers.push(marker);
        }
        rest = behind;
    }
    (planted + rest, markers)
}

#[test]
fn a_marker_is_found_in_every_shape_and_in_no_other_text() {
    let (one, other) = (Marker::new("one"), Marker::new("other"));
    assert_ne!(one.text, other.text);
    let texts = [
        format!("password={} ", one.text),
        plant("https://robot:<url:one>@h/?sig=<url:one>").0,
        plant("<url:one>").0.to_lowercase(),
        plant("Authorization: Basic <login:one>").0,
        URL_SAFE.encode(format!("{}.", one.text)),
        serde_json::json!({"text": one.text}).to_string(),
    ];
    let behind_users = (0..8).map(|length| STANDARD.encode(format!("{}:{}", "u".repeat(length), one.text)));
    for text in texts.into_iter().chain(behind_users) {
        assert!(one.shows_in(&text), "{text} for {}", one.text);
        assert!(!other.shows_in(&text), "{text} for {}", other.text);
    }
}
