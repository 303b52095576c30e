//! An image reference, parsed and normalised as kubelet and containerd do (distribution/reference).

use std::fmt;

use crate::redact::clean::is_hostile;
use crate::redact::clip::clip_to;
use crate::redact::urls::without_credentials;
use crate::version::Version;

mod parse;
mod words;

/// The longest that kubelet's words are kept, in bytes: they may repeat the text.
const WORDS_LIMIT: usize = 1024;

pub(super) use parse::domain as check_domain;

/// `docker.io/library/nginx:latest`, in its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry's name, `docker.io`: what certs.d directories and credentials are looked up by.
    pub domain: String,
    /// The repository without the domain, `library/nginx`.
    pub repository: String,
    pub object: Object,
}

/// What of the repository is wanted. With both a tag and a digest containerd drops the tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Tag(String),
    Digest(String),
}

/// Why a reference does not parse, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an image reference: {reason}")]
pub struct ReferenceError {
    pub found: String,
    pub reason: String,
    /// kubelet's, as a pod's events show them. Empty: kubelet takes the reference.
    pub words: String,
}

impl ReferenceError {
    /// What was found is kept short and free of control characters: it may come from anywhere.
    pub(super) fn new(found: &str, reason: &str) -> Self {
        const SHOWN: usize = 128;
        const REASON_LIMIT: usize = 256;
        let visible = |c: char| if is_hostile(c) { '\u{fffd}' } else { c };
        let found = without_credentials(found);
        let mut shown: String = found.chars().take(SHOWN).map(visible).collect();
        if found.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        // A reason may repeat a piece of the text.
        Self { found: shown, reason: clip_to(&without_credentials(reason), REASON_LIMIT), words: String::new() }
    }
}

impl Reference {
    /// Parses what stands in a pod's `image:` and fills in what it leaves out: `docker.io`, `library/`
    /// and `latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        parse::reference(text).map_err(|reason| ReferenceError {
            words: clip_to(&without_credentials(&words::of(text)), WORDS_LIMIT),
            ..ReferenceError::new(text, &reason)
        })
    }

    /// Why containerd of this version does not take the reference though it is well formed: 1.6 has
    /// an older parser, which knows no IPv6 literals and counts the domain into the 255 characters.
    pub fn refused_by(&self, version: Version) -> Option<ReferenceError> {
        if (version.major, version.minor) > (1, 6) {
            return None;
        }
        let reason = if self.domain.starts_with('[') {
            format!("containerd {version} takes no IPv6 address as a registry's name")
        } else if self.name().len() > parse::REPOSITORY_LIMIT {
            format!("containerd {version} takes at most {} characters before the tag", parse::REPOSITORY_LIMIT)
        } else {
            return None;
        };
        Some(ReferenceError::new(&self.to_string(), &reason))
    }

    /// `docker.io/library/nginx`: what credentials are matched against.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// The last part of a manifest's URL: the tag or the digest.
    pub fn object(&self) -> &str {
        match &self.object {
            Object::Tag(tag) => tag,
            Object::Digest(digest) => digest,
        }
    }

    pub fn digest(&self) -> Option<&str> {
        match &self.object {
            Object::Tag(_) => None,
            Object::Digest(digest) => Some(digest),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Object::Tag(tag) => write!(f, "{}/{}:{tag}", self.domain, self.repository),
            Object::Digest(digest) => write!(f, "{}/{}@{digest}", self.domain, self.repository),
        }
    }
}

#[cfg(test)]
mod tests;
