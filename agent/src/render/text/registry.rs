//! A registry that was asked for by name: whether a pull from it could go through, each host's stages, `fix:`.

use std::fmt::Write as _;

use super::{Style, Tone, endpoint};
use crate::model::outcome::Failure;
use crate::model::registry::RegistryReport;
use crate::observation::distribution::DistributionTerms;

pub fn registry(report: &RegistryReport, terms: &DistributionTerms, style: Style) -> String {
    let (tone, word) = match (report.health.pullable, report.health.degraded) {
        (Some(true), Some(true)) => (Tone::Doubt, "reachable, but not as configured"),
        (Some(true), _) => (Tone::Good, "reachable"),
        (Some(false), _) => (Tone::Bad, "NOT REACHABLE"),
        (None, _) => (Tone::Doubt, "unknown"),
    };
    let known = report.failure().filter(|failure| !failure.inconclusive);
    let why = known.map(|failure| format!("  {} at {}", failure.cause, failure.stage)).unwrap_or_default();
    let mut out = format!("{}  {}{why}\n", style.paint(Tone::Strong, &report.name), style.paint(tone, word));
    if let Some(broken) = &report.broken {
        let _ = writeln!(out, "  {}", sentence(broken));
    }
    for host in &report.endpoints {
        out.push_str(&endpoint(host, style));
    }
    let fix = match (known, report.health.pullable) {
        (Some(failure), _) => failure.fix(),
        (None, Some(false)) => "Let a host `resolve` and one `pull`: `capabilities` in the registry's hosts.toml.",
        (None, None) if report.broken.is_none() => "Give it longer with `--timeout`, or look at the last step above.",
        (None, _) => return out,
    };
    let _ = writeln!(out, "  {} {}", style.paint(Tone::Strong, "fix:"), terms.fix(fix));
    out
}

/// Why no host is asked.
pub fn sentence(broken: &Failure) -> String {
    if broken.inconclusive {
        format!("The answer is unknown: {}.", broken.detail)
    } else {
        format!("{} ({})", broken.summary(), broken.detail)
    }
}
