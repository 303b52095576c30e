//! What a `hosts.toml` that containerd cannot read has to do with an answer: its mirrors were never asked.

use crate::cause::Cause;
use crate::mirrors::hosts_toml::Rejection;
use crate::model::verdict::Verdict;

/// Says so in the verdict, where it is one. A failure of the registry itself is then but half of the truth.
pub fn with_dropped_file(verdict: Verdict, dropped: Option<&Rejection>) -> Verdict {
    let Some(Rejection { place, reason, .. }) = dropped else { return verdict };
    let place = place.to_string();
    let summary = format!(
        "{} containerd cannot read {place} ({reason}): it asks the registry directly, and none of the hosts in that file.",
        verdict.summary
    )
    .into();
    match verdict.pullable {
        Some(false) => {
            let fix = format!(
                "Correct {place} first: containerd reads it at every pull, and then asks the hosts in it. {}",
                verdict.fix
            );
            let also_possible = [verdict.also_possible.as_slice(), &[Cause::HostsFileInvalid]].concat();
            Verdict { summary, also_possible, fix: fix.into(), ..verdict }
        }
        _ => Verdict { summary, ..verdict },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use go::place::SourceLocation;

    #[test]
    fn a_file_that_is_dropped_is_part_of_the_answer() {
        let place = SourceLocation::new("/c/r.example/hosts.toml", go::place::Position::of_line(3));
        let rejection = Rejection { place, reason: "expected `]`".to_owned(), open: false };
        let failed =
            Verdict { pullable: Some(false), cause: Some(Cause::TcpTimeout), ..Verdict::unknown("Dead.", "Wake it.") };
        let verdict = with_dropped_file(failed.clone(), Some(&rejection));
        assert_eq!((verdict.cause, verdict.also_possible), (failed.cause, vec![Cause::HostsFileInvalid]));
        assert!(verdict.summary.starts_with("Dead. containerd cannot read /c/r.example/hosts.toml:3 (expected `]`)"));
        assert!(
            verdict.fix.starts_with("Correct /c/r.example/hosts.toml:3 first") && verdict.fix.ends_with("Wake it.")
        );
        let good =
            with_dropped_file(Verdict { pullable: Some(true), ..Verdict::unknown("Good.", "") }, Some(&rejection));
        assert!(good.summary.contains("none of the hosts in that file") && good.fix.is_empty(), "{good:?}");
        assert!(good.also_possible.is_empty());
        assert_eq!(with_dropped_file(failed.clone(), None).summary, failed.summary);
    }
}
