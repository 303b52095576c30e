//! Digests as go-digest reads and refuses them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

pub fn digest_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut text = String::from("sha256:");
    for byte in hash {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `sha256:` with 64 lower-case hex digits, or sha384 and sha512 with theirs.
pub fn is_digest(text: &str) -> bool {
    digest_fault(text).is_empty()
}

/// What is wrong with a digest, as go-digest says it. Empty: nothing.
pub fn digest_fault(text: &str) -> &'static str {
    let Some((algorithm, hex)) = text.split_once(':') else { return "invalid checksum digest format" };
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-=".contains(&b)) {
        return "invalid checksum digest format";
    }
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return "unsupported digest algorithm",
    };
    if hex.len() != length {
        return "invalid checksum digest length";
    }
    let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hex { "" } else { "invalid checksum digest format" }
}
