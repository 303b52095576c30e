//! Which nodes share a pull limit, without saying by which address or account the registry counts them.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// The same on every node, so that the same address or account has the same hash everywhere.
pub struct BucketKey(hmac::Key);

impl BucketKey {
    /// There are so few addresses that a shorter key could be found by trying.
    pub const SHORTEST: usize = 16;
    /// Of a hash, in bytes: enough to tell the exits of one fleet apart.
    const LENGTH: usize = 6;

    /// `None`: too short to keep anything secret.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        (key.len() >= Self::SHORTEST).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))
    }

    /// Twelve hexadecimal digits.
    pub fn bucket(&self, source: &str) -> String {
        let tag = hmac::sign(&self.0, source.as_bytes());
        tag.as_ref().iter().take(Self::LENGTH).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl std::fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_short_the_same_for_the_same_key_and_source_and_says_neither() {
        let key = BucketKey::new("0123456789abcdef\n").unwrap();
        let bucket = key.bucket("192.0.2.7");
        assert!(bucket.len() == 12 && bucket.chars().all(|c| c.is_ascii_hexdigit()), "{bucket}");
        assert_eq!(bucket, BucketKey::new("0123456789abcdef").unwrap().bucket("192.0.2.7"), "a line end is no key");
        assert_ne!(bucket, key.bucket("192.0.2.8"));
        assert_ne!(bucket, BucketKey::new("0123456789abcdeg").unwrap().bucket("192.0.2.7"));
        // As `openssl dgst -sha256 -hmac` has it.
        assert_eq!(bucket, "9fbed8536e88");
        assert_eq!(format!("{key:?}"), "BucketKey(***)");
        assert!(BucketKey::new("  0123456789abcde\n").is_none());
    }
}
