//! The hosts that pulls need, as a table for people or as bare lines for a list.

use std::fmt::Write as _;

use super::{Style, Tone};
use crate::state::host_dependencies::NeededHost;

/// A line each: place, state, way, what for, for whom.
pub fn table(hosts: &[NeededHost], style: Style) -> String {
    let rows: Vec<[String; 4]> = hosts.iter().map(row).collect();
    let widths = [0, 1, 2, 3].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for (host, row) in hosts.iter().zip(&rows) {
        let padded = |column: usize| format!("{:<width$}", row[column], width = widths[column]);
        let tone = match host.reachable {
            Some(true) => Tone::Good,
            Some(false) => Tone::Bad,
            None => Tone::Doubt,
        };
        let by: Vec<&str> = host.needed_by.iter().map(String::as_str).collect();
        let _ = writeln!(
            out,
            "{}  {}  {}  {}  {}",
            style.paint(Tone::Strong, &padded(0)),
            style.paint(tone, &padded(1)),
            padded(2),
            padded(3),
            style.paint(Tone::Dim, &by.join(", "))
        );
    }
    out
}

fn row(host: &NeededHost) -> [String; 4] {
    let state = match (host.reachable, host.failure) {
        (Some(true), _) => "reachable".to_owned(),
        (Some(false), Some((stage, cause))) => format!("NOT REACHABLE {cause} at {stage}"),
        (Some(false), None) => "NOT REACHABLE".to_owned(),
        (None, _) => "not tried".to_owned(),
    };
    let way = host.proxy.as_ref().map_or_else(|| "direct".to_owned(), |proxy| format!("through {proxy}"));
    let uses: Vec<&str> = host.uses.iter().map(|what| what.as_str()).collect();
    let protocol = if host.is_nameserver() { "/udp" } else { "" };
    let news = if host.new == Some(true) { " (new)" } else { "" };
    [format!("{}{protocol}{news}", host.host_port()), state, way, uses.join(", ")]
}

/// `host:port`, one a line, for an allow-list; nameservers are a matter of another rule.
pub fn plain(hosts: &[NeededHost]) -> String {
    hosts.iter().filter(|host| !host.is_nameserver()).map(|host| host.host_port() + "\n").collect()
}
