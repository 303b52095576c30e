//! Certificates as Go's `crypto/x509` reads and verifies them, and the words of its errors.

pub mod certificate;
pub mod chains;
pub mod fields;
pub mod invalid;
pub mod names;
pub mod p521;
pub mod policies;
pub mod signature;
pub mod verified;
pub mod verify;
