//! Signatures of certificates that were verified before.
//!
//! A host presents the same chain at each probe, and what one key signed it has signed for ever: to
//! verify that again would be the dearest part of a handshake. Whether a key may sign, names and dates
//! are not kept here: they are judged each time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::certificate::Certificate;

/// A node sees some hundreds of certificates. Those of a host that presents another one each time must
/// not fill the memory.
const LIMIT: usize = 1024;

/// Only what is good is kept.
#[derive(Debug, Default)]
pub struct Verified(Mutex<HashSet<Both>>);

/// The digest of all that the outcome depends on: the key, and the child with its signature.
type Both = [u8; 32];

impl Verified {
    /// `verify` is asked when it is not known that this key signed this certificate.
    pub fn once(
        &self,
        child: &Certificate<'_>,
        key: &SubjectPublicKeyInfo<'_>,
        verify: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(both) = both(child, key) else { return verify() };
        if self.with(|known| known.contains(&both)) {
            return Ok(());
        }
        verify()?;
        self.with(|known| {
            if known.len() >= LIMIT {
                known.clear();
            }
            known.insert(both);
        });
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashSet<Both>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// In DER each says how long it is, so that no two pairs are the same bytes.
fn both(child: &Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> Option<Both> {
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(key.raw);
    digest.update(child.der);
    digest.finish().as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pullprobe_lab::ca::{Authority, CertKind};
    use rustls_pki_types::CertificateDer;

    use super::*;

    /// A leaf and who signed it.
    fn signed(authority: &Authority) -> [CertificateDer<'static>; 2] {
        let leaf = authority.leaf(CertKind::Good, &["registry.example"]).unwrap();
        [leaf.chain[0].clone(), leaf.chain.get(1).cloned().unwrap_or_else(|| authority.root_der())]
    }

    #[test]
    fn what_is_good_is_verified_once_and_anything_else_each_time() {
        let [authority, other] = ["lab", "lab"].map(|name| Authority::new(name).unwrap());
        let ([leaf, issuer], [_, namesake]) = (signed(&authority), signed(&other));
        let mut forged = leaf.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let verified = Verified::default();
        let asked = Cell::new(0);
        let ask = |child: &[u8], parent: &[u8], outcome: Result<(), String>| {
            let (child, parent) = (Certificate::parse(child).unwrap(), Certificate::parse(parent).unwrap());
            asked.set(0);
            let told = verified.once(&child, parent.x509.public_key(), || {
                asked.set(asked.get() + 1);
                outcome
            });
            (told.is_ok(), asked.get())
        };
        let refused = || Err("no".to_owned());
        assert_eq!(ask(&leaf, &issuer, refused()), (false, 1));
        assert_eq!(ask(&leaf, &issuer, Ok(())), (true, 1));
        assert_eq!(ask(&leaf, &issuer, refused()), (true, 0));
        assert_eq!(ask(&forged, &issuer, refused()), (false, 1));
        assert_eq!(ask(&leaf, &namesake, refused()), (false, 1));
    }

    #[test]
    fn what_a_host_shows_cannot_fill_the_memory() {
        let verified = Verified::default();
        let authority = Authority::new("lab").unwrap();
        let [leaf, issuer] = signed(&authority);
        let issuer = Certificate::parse(&issuer).unwrap();
        let mut der = leaf.to_vec();
        for number in 0..=LIMIT {
            // The last bytes are of the signature.
            let end = der.len() - 2;
            der[end..].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
            let child = Certificate::parse(&der).unwrap();
            verified.once(&child, issuer.x509.public_key(), || Ok(())).unwrap();
        }
        assert_eq!(verified.with(|known| known.len()), 1);
    }
}
