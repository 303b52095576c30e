//! A platform as containerd normalises and matches it.

use std::fmt;
use std::str::FromStr;

use crate::redact::clean::Clean;

/// No part of a real one is longer, and none has more features.
const PART_LIMIT: usize = 64;
const FEATURES_LIMIT: usize = 8;

/// Operating system, architecture and variant, normalised: `linux/amd64`, `linux/arm/v7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Platform {
    pub os: Clean,
    pub architecture: Clean,
    /// Empty: none.
    pub variant: Clean,
    pub os_version: Clean,
    pub os_features: Vec<Clean>,
}

impl Platform {
    /// Normalises as containerd's platforms package does.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".into(),
            other => other.into(),
        };
        let (architecture, variant) = normalize(&architecture.to_ascii_lowercase(), &variant.to_ascii_lowercase());
        Self { os, architecture: architecture.into(), variant: variant.into(), ..Self::default() }
    }

    /// As much of it as is worth repeating: each part may be anything, of any length.
    #[must_use]
    pub fn clipped(mut self) -> Self {
        let parts = [&mut self.os, &mut self.architecture, &mut self.variant, &mut self.os_version];
        parts.into_iter().chain(self.os_features.iter_mut()).for_each(|part| *part = Clean::clipped(part, PART_LIMIT));
        self.os_features.truncate(FEATURES_LIMIT);
        self
    }

    /// What an attestation entry of an index says of itself.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// The platforms that the classic client accepts for a node, best first. The table is that of
    /// containerd 2.x; before, it differs only for 64-bit ARM above v8, which no node reports.
    pub fn compatible(&self) -> Vec<Self> {
        let like = |(architecture, variant): (&str, String)| {
            let Self { architecture, variant, .. } = Self::new("", architecture, &variant);
            Self { architecture, variant, ..self.clone() }
        };
        let level = self.variant.strip_prefix('v').and_then(|v| v.parse::<u8>().ok());
        match (self.architecture.as_str(), level) {
            ("amd64", level) => {
                let below = (1..level.unwrap_or(1)).rev().map(|v| ("amd64", format!("v{v}")));
                [self.clone()].into_iter().chain(below.chain([("386", String::new())]).map(like)).collect()
            }
            ("arm64", _) => arm64_down_from(&self.variant).into_iter().map(like).collect(),
            ("arm", Some(level)) => [self.clone()].into_iter().chain(arm_down_from(level).map(like)).collect(),
            _ => vec![self.clone()],
        }
    }

    fn same_as(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture && self.variant == other.variant
    }

    /// How well an image for `offered` suits a node of this platform: 0 is best, `None` not at all.
    pub fn rank(&self, offered: &Self, exact: bool) -> Option<usize> {
        if exact {
            return self.same_as(offered).then_some(0);
        }
        self.compatible().iter().position(|accepted| accepted.same_as(offered))
    }
}

/// The versions of 32-bit ARM below this one that still run.
fn arm_down_from(level: u8) -> impl Iterator<Item = (&'static str, String)> {
    (5..level).rev().map(|v| ("arm", format!("v{v}")))
}

/// 64-bit ARM v9.n runs what is made for v8.(n + 5), and v8 everything of 32 bits. An unknown
/// variant runs nothing: this is how containerd treats processors that it cannot tell.
fn arm64_down_from(variant: &str) -> Vec<(&'static str, String)> {
    const LAST_OF_V8: u8 = 9;
    let version = if variant.is_empty() { "v8" } else { variant };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let (v9, v8) = match (major, minor.parse::<u8>()) {
        ("v8", Ok(minor)) => (None, minor),
        ("v9", Ok(minor)) => (Some(minor), minor.saturating_add(5).min(LAST_OF_V8)),
        _ => return Vec::new(),
    };
    let versions = |major: u8, top: u8| (0..=top).rev().map(move |minor| ("arm64", format!("v{major}.{minor}")));
    let newest = v9.into_iter().flat_map(|top| versions(9, top));
    newest.chain(versions(8, v8)).chain([("arm", "v8".to_owned())]).chain(arm_down_from(8)).collect()
}

fn normalize(architecture: &str, variant: &str) -> (String, String) {
    let pair = |a: &str, v: &str| (a.to_owned(), v.to_owned());
    match (architecture, variant) {
        ("i386", _) => pair("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => pair("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", v) => pair("amd64", v),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => pair("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => pair("arm64", "v9"),
        ("aarch64" | "arm64", v) => pair("arm64", v),
        ("armel", _) => pair("arm", "v6"),
        ("armhf", _) | ("arm", "" | "7") => pair("arm", "v7"),
        ("arm", "5" | "6" | "8") => pair("arm", &format!("v{variant}")),
        (a, v) => pair(a, v),
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("found `{text}`, expected OS/ARCH[/VARIANT] such as linux/amd64 or linux/arm/v7");
        let parts: Vec<&str> = text.split('/').collect();
        let word =
            |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !parts.iter().all(word) {
            return Err(wrong());
        }
        match parts[..] {
            [os, architecture] => Ok(Self::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Self::new(os, architecture, variant)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Platform {
    /// As users and containerd write it: `linux/arm64` for v8, which normalises to no variant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests;
