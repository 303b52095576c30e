//! The fleet as a table for people: a line for each target, the failures with what their nodes have in common, and drift.

use std::fmt::Write as _;

use super::{Style, Tone};
use crate::fleet::{Drift, Fleet, SharedFailure, TargetRow};
use crate::model::expiry::to_the_minute;

/// So many names of nodes stand in a line, unless all are asked for.
const NAMES: usize = 3;

/// `wide`: every node by name.
pub fn fleet(fleet: &Fleet, wide: bool, style: Style) -> String {
    let mut out = String::new();
    let heads = ["TARGET", "CAN", "CANNOT", "UNKNOWN"].map(str::to_owned);
    let rows: Vec<[String; 4]> = fleet.rows.iter().map(cells).collect();
    let all = || std::iter::once(&heads).chain(&rows);
    let widths = [0, 1, 2, 3].map(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 4]| {
        format!(
            "{:<a$}  {:>b$}  {:>c$}  {:>d$}",
            row[0],
            row[1],
            row[2],
            row[3],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3]
        )
    };
    let _ = writeln!(out, "{}", style.paint(Tone::Dim, &line(&heads)));
    for (row, cells) in fleet.rows.iter().zip(&rows) {
        let tone = match row {
            row if row.cannot > 0 => Tone::Bad,
            row if row.degraded > 0 || row.unknown > 0 => Tone::Doubt,
            _ => Tone::Good,
        };
        let _ = writeln!(out, "{}", style.paint(tone, &line(cells)));
        for failure in &row.failures {
            out.push_str(&shared(failure, wide, style));
        }
    }
    if fleet.rows.is_empty() {
        out.push_str("no target is watched by any node that answered\n");
    }
    for (reason, nodes) in &fleet.not_asked {
        let _ = writeln!(out, "\n{} {reason}: {}", style.paint(Tone::Doubt, "not asked:"), names(nodes, wide));
    }
    for drift in &fleet.drift {
        out.push_str(&differing(drift, wide, style));
    }
    out
}

fn cells(row: &TargetRow) -> [String; 4] {
    let can = if row.degraded > 0 { format!("{} ({} degraded)", row.can, row.degraded) } else { row.can.to_string() };
    [row.target.clone(), can, row.cannot.to_string(), row.unknown.to_string()]
}

fn shared(failure: &SharedFailure, wide: bool, style: Style) -> String {
    let cause = failure.cause.as_deref().unwrap_or("unknown cause");
    let owner = failure.owner.as_ref().map(|owner| format!(", at fault: {owner}")).unwrap_or_default();
    let masked = if failure.fatal { "" } else { ", pulls still work" };
    let (word, tone) = if failure.fatal { ("cannot", Tone::Bad) } else { ("degraded", Tone::Doubt) };
    let since = failure.failing_since.map(|since| format!(" since {}", to_the_minute(since))).unwrap_or_default();
    let (word, nodes) = (style.paint(tone, word), names(&failure.nodes, wide));
    let mut out = format!("  {word} {cause} on {nodes}{since}{masked}{owner}\n");
    for common in &failure.common {
        let _ = writeln!(out, "    in common: {common}");
    }
    out
}

fn differing(drift: &Drift, wide: bool, style: Style) -> String {
    let mut out = format!("\n{} {}\n", style.paint(Tone::Strong, "differs between nodes:"), drift.name);
    for (value, nodes) in &drift.groups {
        let value = if value.is_empty() { "(none)" } else { value };
        let _ = writeln!(out, "  {value}  {}", names(nodes, wide));
    }
    out
}

/// `12 nodes (a, b, c and 9 more)`.
fn names(nodes: &[String], wide: bool) -> String {
    let noun = if nodes.len() == 1 { "node" } else { "nodes" };
    let shown = if wide { nodes.len() } else { NAMES.min(nodes.len()) };
    let more = match nodes.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {noun} ({}{more})", nodes.len(), nodes[..shown].join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fleet::{FleetNode, NodeAnswer};

    #[test]
    fn the_failing_zone_stands_under_its_registry_and_what_is_not_known_too() {
        let nodes: Vec<FleetNode> = (0..8)
            .map(|one| {
                let zone = if one < 4 { "a" } else { "b" };
                let answer = NodeAnswer {
                    pullable: Some(zone == "a"),
                    cause: (zone == "b").then(|| "dns_timeout".into()),
                    owner: (zone == "b").then(|| "network".into()),
                    failing_since: (zone == "b").then(|| "2026-11-30T10:42:17.5Z".parse().unwrap()),
                    ..NodeAnswer::default()
                };
                FleetNode {
                    name: format!("node-{one}"),
                    traits: [
                        ("topology.kubernetes.io/zone".to_owned(), zone.to_owned()),
                        ("containerd".to_owned(), format!("2.1.{}", one / 7)),
                    ]
                    .into(),
                    answers: if one == 0 {
                        Err("no agent runs there".into())
                    } else {
                        Ok(BTreeMap::from([("docker.io".to_owned(), answer)]))
                    },
                }
            })
            .collect();
        let text = fleet(&Fleet::of(&nodes, &[]), false, Style { color: false });
        let expected = "\
TARGET     CAN  CANNOT  UNKNOWN
docker.io    3       4        0
  cannot dns_timeout on 4 nodes (node-4, node-5, node-6 and 1 more) since 2026-11-30 10:42 UTC, at fault: network
    in common: topology.kubernetes.io/zone = b

not asked: no agent runs there: 1 node (node-0)

differs between nodes: containerd
  2.1.0  6 nodes (node-1, node-2, node-3 and 3 more)
  2.1.1  1 node (node-7)
";
        assert_eq!(text, expected);
        let wide = fleet(&Fleet::of(&nodes, &[]), true, Style { color: false });
        assert!(wide.contains("(node-4, node-5, node-6, node-7)"), "{wide}");
    }
}
