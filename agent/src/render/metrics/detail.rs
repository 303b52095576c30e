//! How many series a target has.

use super::{Family, Standard, families};
use crate::model::detail::Detail;

/// What the series of a family are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host, or a registry, which has one host at least.
    Endpoint,
    Image,
    /// The node, and what there are few of.
    Node,
}

impl Target {
    /// The most series of one target that `standard` may have.
    pub const fn limit(self) -> Option<usize> {
        match self {
            Self::Endpoint => Some(20),
            Self::Image => Some(4),
            Self::Node => None,
        }
    }
}

impl Family {
    pub fn target(&self) -> Target {
        match self.labels.first() {
            Some(&"namespace" | &"endpoint") => Target::Endpoint,
            Some(&"image") => Target::Image,
            _ => Target::Node,
        }
    }

    /// Of one target, at most.
    pub const fn series_in(&self, detail: Detail) -> usize {
        match (detail, &self.standard) {
            (Detail::Standard, Standard::Nothing) => 0,
            (Detail::Standard, Standard::Part { at_most, .. }) => *at_most,
            (Detail::Full, _) | (Detail::Standard, Standard::Whole) => self.series,
        }
    }
}

/// Of one target of this kind, in all families.
pub fn series(target: Target, detail: Detail) -> usize {
    families().filter(|family| family.target() == target).map(|family| family.series_in(detail)).sum()
}
