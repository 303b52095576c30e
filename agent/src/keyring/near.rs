//! When no key matches an image: the one that was probably meant, and why it does not match.

use std::fmt;

use super::key::Parts;
use super::lint::{Doubt, doubt};
use super::lookup::KeyringEntry;
use crate::redact::urls::without_credentials;

/// The nearest key of the credential files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// As written.
    pub key: String,
    /// The file or secret, with the line.
    pub origin: String,
    pub reason: String,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the nearest key is `{}` ({}): {}", self.key, self.origin, self.reason)
    }
}

/// How near a key is, nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Path,
    Port,
    Doubtful,
    Case,
    Labels,
    Domain,
}

pub fn nearest<'h>(entry: impl Iterator<Item = &'h KeyringEntry>, image: &str) -> Option<NearMiss> {
    let image = Parts::of(image)?;
    entry
        .filter_map(|entry| {
            let (nearness, reason) = judge(entry, &image)?;
            Some((nearness, entry, reason))
        })
        .min_by_key(|(nearness, ..)| *nearness)
        .map(|(_, entry, reason)| NearMiss {
            key: entry.credential.key.clone(),
            origin: entry.credential.place(),
            reason: without_credentials(&reason),
        })
}

/// `None`: the key has nothing in common with the image.
fn judge(entry: &KeyringEntry, image: &Parts) -> Option<(Nearness, String)> {
    let key = entry.index.parts()?;
    let of_hub = matches!(key.host.as_str(), "index.docker.io" | "registry-1.docker.io") && image.host == "docker.io";
    let same_host = key.host_matches(image) || key.host.trim_matches(['[', ']']) == image.host.trim_matches(['[', ']']);
    if (of_hub || same_host)
        && let Some(Doubt { why, better, .. }) = doubt(&entry.index)
    {
        return Some((Nearness::Doubtful, format!("{why}; write `{better}`")));
    }
    if key.host_matches(image) {
        if key.port != image.port {
            return Some((Nearness::Port, ports_differ(&key, image)));
        }
        let prefix = key.path.trim_start_matches('/');
        return Some((Nearness::Path, format!("it is for repositories that begin with `{prefix}`")));
    }
    let (own, wanted) = (key.host.to_lowercase(), image.host.to_lowercase());
    if own == wanted {
        return Some((Nearness::Case, format!("upper and lower case differ from `{}`", image.host)));
    }
    let (own_labels, labels) = (own.split('.').count(), wanted.split('.').count());
    let last_two = |host: &str| host.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    if own_labels < 2 || last_two(&own) != last_two(&wanted) {
        return None;
    }
    if own.contains('*') && own_labels != labels {
        let reason = format!("a `*` stands for one label, and `{}` has {labels} labels, not {own_labels}", image.host);
        return Some((Nearness::Labels, reason));
    }
    Some((Nearness::Domain, format!("`{}` is another host", image.host)))
}

fn ports_differ(key: &Parts, image: &Parts) -> String {
    let name = |port: &str| if port.is_empty() { "no port".to_owned() } else { format!("port {port}") };
    format!("it names {}, the image {}, and the two must be written alike", name(&key.port), name(&image.port))
}
