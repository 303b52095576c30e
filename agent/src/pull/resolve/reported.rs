//! Which of several hosts' errors is reported, as containerd's resolver does.

use crate::cause::Cause;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::version::Version;

/// How far an attempt got: the error that got furthest is reported by 2.0 and later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Transport,
    NotFound,
    Status,
    Oversized,
}

/// Which of the hosts' errors is reported. `hosts`: how many were asked for the manifest.
pub fn choose(version: Version, errors: &[(Rank, Failure)], hosts: usize, image: &str) -> Failure {
    // What pullprobe could not see at one host may have been all that containerd needs.
    if let Some((_, inconclusive)) = errors.iter().find(|(_, failure)| failure.inconclusive) {
        return inconclusive.clone();
    }
    let first_of_highest = || errors.iter().rev().max_by_key(|(rank, _)| *rank);
    let first_but_404 = || errors.iter().find(|(rank, _)| *rank != Rank::NotFound).or_else(|| errors.first());
    let chosen = if version.ranks_resolve_errors() { first_of_highest() } else { first_but_404() };
    match chosen {
        // The words name no host. What counts is what the last one says: a mirror need not have it.
        Some((Rank::NotFound, first)) => {
            let asked = &errors[..hosts.min(errors.len())];
            let last = asked.iter().rev().find(|(rank, _)| *rank == Rank::NotFound);
            let missing = last.map_or(first, |(_, failure)| failure);
            let words = format!("{image}: not found");
            match asked.last().filter(|(rank, _)| *rank != Rank::NotFound) {
                Some((_, upstream)) => behind_mirrors(upstream, missing).with_go_message(words),
                None => missing.clone().with_go_message(words),
            }
        }
        Some((rank, failure)) => to_be_mended(errors, *rank, failure),
        None => Failure::new(Stage::Manifest, Cause::Unclassified, "no host was asked"),
    }
}

/// Mirrors need not have an image. The last host would have decided, and failed: that is what has to be mended.
fn behind_mirrors(upstream: &Failure, missing: &Failure) -> Failure {
    let mirror = missing.host.as_deref().unwrap_or("a mirror");
    let detail =
        clip(format!("{}; kubelet's message is that of {mirror}, which does not have the image", upstream.detail));
    Failure { detail: detail.into(), ..upstream.clone() }.or_maybe(&[missing.cause])
}

/// containerd reports an error of the repetition of a host that got further the time before: it is that one's
/// that has to be mended, for the repetition is there for nobody's sake.
fn to_be_mended(errors: &[(Rank, Failure)], rank: Rank, shown: &Failure) -> Failure {
    let of_host =
        |(other, failure): &&(Rank, Failure)| *other > rank && failure.host.is_some() && failure.host == shown.host;
    let before = errors.iter().take_while(|(_, failure)| failure != shown).find(of_host);
    let Some((_, first)) = before else { return shown.clone() };
    let host = shown.host.as_deref().unwrap_or_default();
    let detail = clip(format!("{}; kubelet's message is that of asking {host} again: {}", first.detail, shown.cause));
    let mended = Failure { detail: detail.into(), ..first.clone() }.with_go_message(shown.go_message.clone());
    let is_final = shown.is_marked(Mark::AuthorizationFailed);
    if is_final { mended.marked(Mark::AuthorizationFailed) } else { mended }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::containerd::cases_tests::releases;

    /// An outcome of a case, worded as the case's answer names it.
    fn error(word: &str) -> (Rank, Failure) {
        let (rank, go_message) = match word {
            "404" => (Rank::NotFound, "not found"),
            "refused" => (Rank::Transport, "connection refused"),
            "401-denied" => (Rank::Transport, "pull access denied"),
            "500" => (Rank::Status, "status 500"),
            "403" => (Rank::Status, "status 403"),
            other => panic!("a case has an outcome that this test does not know: {other}"),
        };
        (rank, Failure::new(Stage::Manifest, Cause::Unclassified, word).with_go_message(go_message))
    }

    #[test]
    fn a_mirror_without_the_image_does_not_hide_a_dead_upstream() {
        let at = |rank, cause, host: &str| (rank, Failure::new(Stage::Manifest, cause, "why").at(host));
        let missing = at(Rank::NotFound, Cause::RepositoryUnknown, "mirror.example:443");
        let dead = at(Rank::Transport, Cause::TcpRefused, "registry.example:443");
        let newest = Version::NEWEST;
        let chosen = choose(newest, &[missing.clone(), dead.clone()], 2, "REF");
        assert_eq!((chosen.cause, chosen.host.as_deref()), (Cause::TcpRefused, Some("registry.example:443")));
        assert_eq!(
            (chosen.go_message.as_str(), &*chosen.also_possible),
            ("REF: not found", &[Cause::RepositoryUnknown][..])
        );
        assert!(chosen.detail.contains("mirror.example:443"), "{}", chosen.detail);
        // The other way round the registry itself has spoken.
        let chosen = choose(newest, &[dead, missing], 2, "REF");
        assert_eq!(chosen.cause, Cause::RepositoryUnknown);
    }

    #[test]
    fn the_reported_error_is_the_one_containerd_reports() {
        for case in crate::cases::Cases::of_kind("resolve_error_selection") {
            let outcomes = case.input["host_outcomes"].as_array().unwrap();
            let errors: Vec<_> = outcomes.iter().map(|outcome| error(outcome.as_str().unwrap())).collect();
            // Behind what is returned a case may say in brackets why.
            let expected = case.expected["returned"].as_str().unwrap().split(" (").next().unwrap();
            let expected = if expected == "not found" { "REF: not found" } else { expected };
            for version in releases(&case.versions) {
                let chosen = choose(version, &errors, errors.len(), "REF");
                assert_eq!(chosen.go_message, expected, "{} on {version}: {outcomes:?}", case.id);
            }
        }
    }
}
