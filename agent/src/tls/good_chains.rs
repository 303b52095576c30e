//! Chains that were found good, and for how long they are.
//!
//! A host presents the same chain at each probe. Nothing but the time can change what was found, and time only where a certificate on
//! the way to a root expires: so until then the chain is neither read nor judged again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::model::facts::CertificateFacts;
use crate::version::Version;

/// A node sees some hundreds of hosts. One that presents another chain each time must not fill the memory.
const LIMIT: usize = 1024;

/// What was found with the roots of a node.
#[derive(Debug, Default)]
pub struct GoodChains(Mutex<HashMap<Asked, Good>>);

/// All that the outcome depends on besides roots and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    version: Version,
    /// Of the host's name and the chain.
    digest: [u8; 32],
}

impl Asked {
    pub fn new<'a, 'd: 'a>(
        version: Version,
        host: &str,
        chain: impl Iterator<Item = &'a CertificateDer<'d>>,
    ) -> Option<Self> {
        let mut digest = digest::Context::new(&digest::SHA256);
        let mut add = |part: &[u8]| {
            // With its length, no other parts make the same bytes.
            digest.update(&part.len().to_be_bytes());
            digest.update(part);
        };
        add(host.as_bytes());
        chain.for_each(|der| add(der));
        Some(Self { version, digest: digest.finish().as_ref().try_into().ok()? })
    }
}

#[derive(Debug)]
struct Good {
    /// They live as long as a report has them, so that what hosts present is not kept twice.
    chain: Weak<[CertificateFacts]>,
    since: Timestamp,
    until: Timestamp,
}

impl GoodChains {
    /// The chain, where it was good earlier and still is.
    pub fn find(&self, asked: &Asked, now: Timestamp) -> Option<Arc<[CertificateFacts]>> {
        self.with(|known| {
            let good = known.get(asked).filter(|good| (good.since..=good.until).contains(&now))?;
            good.chain.upgrade()
        })
    }

    pub fn keep(&self, asked: Asked, chain: &Arc<[CertificateFacts]>, since: Timestamp, until: Timestamp) {
        self.with(|known| {
            if known.len() >= LIMIT {
                known.clear();
            }
            known.insert(asked, Good { chain: Arc::downgrade(chain), since, until });
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Asked, Good>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
