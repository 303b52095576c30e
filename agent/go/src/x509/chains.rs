//! What becomes of the chains that reach a root: one that is good is enough.

use super::certificate::Certificate;
use super::invalid::Invalid;
use super::policies;
use crate::release::Go;

/// How many chains reach a root, by what becomes of them.
#[derive(Default)]
pub struct Chains {
    good: usize,
    /// May not authenticate servers.
    unfit: usize,
    /// No policy is left of those that one is required of.
    without_policy: usize,
}

impl Chains {
    pub fn count(&mut self, chain: &[&Certificate<'_>], root: &Certificate<'_>, go: Go) {
        if go.follows_certificate_policies() && !policies::hold(chain) {
            self.without_policy += 1;
        } else if root.allows_server_auth() && chain.iter().all(|link| link.allows_server_auth()) {
            self.good += 1;
        } else {
            self.unfit += 1;
        }
    }

    /// `None`: there is none.
    pub fn judge(&self, go: Go) -> Option<Result<(), Invalid>> {
        let Self { good, unfit, without_policy } = self;
        Some(match (good, unfit, without_policy) {
            (0, 0, 0) => return None,
            (0, _, 0) => Err(Invalid::KeyUsage),
            (0, 0, _) if !go.counts_chains() => {
                Err(Invalid::NoValidChains("all candidate chains have invalid policies".into()))
            }
            (0, 0, _) => {
                Err(Invalid::NoValidChains(format!("{without_policy} candidate chains with invalid policies")))
            }
            (0, ..) if !go.counts_chains() => Err(Invalid::KeyUsage),
            (0, ..) => Err(Invalid::NoValidChains(format!(
                "{unfit} candidate chains with incompatible key usage, {without_policy} candidate chains with invalid policies"
            ))),
            _ => Ok(()),
        })
    }
}
