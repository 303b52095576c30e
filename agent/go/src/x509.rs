//! How Go verifies certificates: chains, names, constraints, signatures.

pub mod certificate;
pub mod chains;
pub mod invalid;
pub mod names;
pub mod p521;
pub mod policies;
pub mod signature;
pub mod verified;
pub mod verify;
