//! A hosts.toml that is met half-written: containerd reads it at every pull, so a broken one counts,
//! but not before it had the time to become whole.

use go::place::{Position, SourceLocation};
use go::text::join;

use crate::containerd::configured::Before;
use crate::host::last_good::{self, Broken, GRACE};
use crate::mirrors::certs_d::{CertsRoot, HostDir, HostDirectory, RootState, Source};
use crate::mirrors::registry::{HostSource, RegistrySettings};
use crate::model::finding::Finding;

/// Puts back what a file said that has only just broken.
pub fn keep(
    registry: &mut RegistrySettings,
    was: &RegistrySettings,
    before: &Before<'_>,
    broken: &mut Broken,
) -> Vec<Finding> {
    let HostSource::CertsD { roots: known } = &was.source else { return Vec::new() };
    let HostSource::CertsD { roots } = &mut registry.source else { return Vec::new() };
    let mut findings = Vec::new();
    for root in roots {
        let Some(known) = known.iter().find(|known| known.path == root.path).and_then(listed) else { continue };
        let RootState::Listed { entries, .. } = &mut root.state else { continue };
        for (name, entry) in entries {
            let (HostDir::Hosts(now), Some(HostDir::Hosts(then))) = (&*entry, known.get(name)) else { continue };
            let Some((place, reason)) = newly_broken(now, then) else { continue };
            let since = before.broken.since(&place.file, before.now);
            if before.now.duration_since(since) < GRACE {
                broken.note(&place.file, since);
                findings.push(finding(&place, since, &reason));
                *entry = HostDir::Hosts(then.clone());
            }
        }
    }
    findings
}

fn listed(root: &CertsRoot) -> Option<&std::collections::BTreeMap<String, HostDir>> {
    match &root.state {
        RootState::Listed { entries, .. } => Some(entries),
        RootState::Missing | RootState::Fault(_) | RootState::Unread(_) => None,
    }
}

/// Where and why a file no longer says what it said: it is rejected, or there is nothing in it.
fn newly_broken(now: &HostDirectory, then: &HostDirectory) -> Option<(SourceLocation, String)> {
    if !matches!(then.source, Source::HostsToml(_)) {
        return None;
    }
    match &now.source {
        Source::HostsToml(_) => None,
        Source::Rejected(rejection) => Some((rejection.place.clone(), rejection.reason.clone())),
        Source::CertificateFiles => {
            let there = now.files.iter().any(|file| file == "hosts.toml");
            let place = SourceLocation::new(join(&now.path, "hosts.toml"), Position::START);
            there.then(|| (place, "the file is empty".to_owned()))
        }
    }
}

fn finding(place: &SourceLocation, since: jiff::Timestamp, reason: &str) -> Finding {
    let consequence = format!(
        "for {GRACE:#} pullprobe assumes that somebody is still writing it. Until then, pulls drop its mirrors and ask the registry directly. That goes on if the file stays like this"
    );
    let fix = "write it beside and rename it into place, so that no pull meets half of it";
    last_good::finding(&place.file, since, reason, &consequence, fix).located(place)
}
