//! What of a pod an image is for, and when kubelet pulls it.

use std::fmt;

use crate::image::reference::{Object, Reference};

/// What of a pod an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    Init,
    Container,
    /// Of `kubectl debug`.
    Ephemeral,
    /// A volume whose content is an image.
    ImageVolume,
}

impl ContainerKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Container => "container",
            Self::Ephemeral => "ephemeral",
            Self::ImageVolume => "image-volume",
        }
    }

    /// The field of a pod that lists them by name. `None`: kubelet speaks of the pod as a whole.
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Init => Some("spec.initContainers"),
            Self::Container => Some("spec.containers"),
            Self::Ephemeral => Some("spec.ephemeralContainers"),
            Self::ImageVolume => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }

    /// The API server fills in what is not written: `Always` for the tag `latest`, `IfNotPresent` for any other.
    pub(super) fn of(written: &str, image: &str) -> Self {
        match written {
            "Always" => Self::Always,
            "Never" => Self::Never,
            "IfNotPresent" => Self::IfNotPresent,
            _ => match Reference::parse(image) {
                Ok(Reference { object: Object::Tag(tag), .. }) if tag == "latest" => Self::Always,
                _ => Self::IfNotPresent,
            },
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
