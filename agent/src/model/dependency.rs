//! Why a pull needs a host that no file of the node names: another host sent it there.

use std::collections::BTreeSet;

use super::host::{Endpoint, Role};

/// What the host is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// It is the realm of a challenge, or where that realm redirects to.
    Token,
    /// Manifests are redirected to it.
    Manifest,
    /// Blobs are redirected to it.
    Blob,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::Token, Self::Manifest, Self::Blob];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Token => Role::Token,
            Self::Manifest | Self::Blob => Role::Redirect,
        }
    }
}

/// What such a host is needed for, and on whose behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependency {
    pub purposes: BTreeSet<Purpose>,
    /// The hosts of the plan that led there: it is spoken to with their TLS settings.
    pub via: BTreeSet<Endpoint>,
    /// Whether this cycle led there. `false`: an earlier one did.
    pub seen: bool,
    /// Whether a walk that led there came to a good end. `false`: the host may be of use to nobody.
    pub pooled: bool,
}

impl Dependency {
    pub fn new(purpose: Purpose, via: Endpoint) -> Self {
        Self { purposes: [purpose].into(), via: [via].into(), seen: true, pooled: true }
    }

    /// A host that gives tokens keeps that role whatever else it gives: a series must not change its name.
    pub fn role(&self) -> Role {
        self.purposes.first().map_or(Role::Redirect, |purpose| purpose.role())
    }

    pub fn merge(&mut self, other: &Self) {
        self.purposes.extend(&other.purposes);
        self.via.extend(other.via.iter().cloned());
        self.seen |= other.seen;
        self.pooled |= other.pooled;
    }
}
