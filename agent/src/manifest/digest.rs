//! Digests as go-digest reads and refuses them.

use sha2::{Digest as _, Sha256};

pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// `sha256:` with 64 lower-case hex digits, or sha384 and sha512 with theirs.
pub fn is_digest(text: &str) -> bool {
    digest_fault(text).is_empty()
}

/// What is wrong with a digest, as go-digest says it. Empty: nothing.
pub fn digest_fault(text: &str) -> &'static str {
    const FORMAT: &str = "invalid checksum digest format";
    let Some((algorithm, hex)) = text.split_once(':').filter(|(name, hex)| !name.is_empty() && !hex.is_empty()) else {
        return FORMAT;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if is_name(algorithm) && is_encoded(hex) => return "unsupported digest algorithm",
        _ => return FORMAT,
    };
    // The length comes first, and in bytes.
    if hex.len() != length {
        return "invalid checksum digest length";
    }
    let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hex { "" } else { FORMAT }
}

/// `[a-z0-9]+(?:[.+_-][a-z0-9]+)*`
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split(['.', '+', '_', '-']).all(is_part)
}

/// `[a-zA-Z0-9=_-]+`
fn is_encoded(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::digest_fault;

    #[test]
    fn faults_come_in_the_order_of_go_digest() {
        let (format, length) = ("invalid checksum digest format", "invalid checksum digest length");
        for (text, fault) in [
            ("sha256", format),
            ("sha256:", format),
            (":abc", format),
            ("sha256:\u{e9}", length),
            ("sha256:a b", length),
            ("md5:abc", "unsupported digest algorithm"),
            ("md5:a b", format),
            ("MD5:abc", format),
            ("a+b.c:abc=", "unsupported digest algorithm"),
        ] {
            assert_eq!(digest_fault(text), fault, "{text}");
        }
        assert_eq!(digest_fault(&format!("sha256:{}", "a".repeat(64))), "");
        assert_eq!(digest_fault(&format!("sha256:{}", "A".repeat(64))), format);
    }
}
