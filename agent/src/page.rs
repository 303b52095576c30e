//! The snapshot as a page for people: one file, no script, nothing from elsewhere.
//!
//! Whatever came from a registry or a file is escaped; it makes no judgement of its own.

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use crate::state::snapshot::Snapshot;

mod dns;
mod image;
mod markup;
mod node;
mod pods;
mod registry;

use markup::Tone;

const STYLE: &str = include_str!("page/page.css");
const DOCTYPE: &str = "<!doctype html>\n";
/// Seconds between two looks: a cycle is a minute.
const REFRESH: u32 = 15;

pub fn html(snapshot: &Snapshot, now: Timestamp) -> String {
    markup::finished(html! {
        (PreEscaped(DOCTYPE))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content=(REFRESH);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (snapshot.node) " · pullprobe" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                (head(snapshot, now))
                (pods::section(snapshot, now))
                (image::section(snapshot, now))
                (registry::section(snapshot, now))
                (node::findings(snapshot, now))
                (node::facts(snapshot, now))
                (foot())
            } }
        }
        "\n"
    })
}

fn head(snapshot: &Snapshot, now: Timestamp) -> Markup {
    html! { header {
        p.mark { "pullprobe" }
        h1 { (snapshot.node) }
        p.lead {
            "containerd " b { (snapshot.state.containerd.version) } " · " (snapshot.state.platform) " · "
            @if snapshot.last_cycle.is_none() { "the first cycle is running" } @else { "as seen " (markup::utc(now)) }
        }
        ul.sums {
            @for (count, tone, words) in sums(snapshot) { li class=(tone.class()) { b { (count) } " " (words) } }
        }
    } }
}

/// What one wants to know first: how many of what are how.
fn sums(snapshot: &Snapshot) -> Vec<(usize, Tone, &'static str)> {
    let images = || snapshot.images.values();
    let looked_at =
        snapshot.targets.namespaces.iter().filter(|(name, one)| registry::is_looked_at(snapshot, name, one));
    let health: Vec<_> = looked_at.map(|(name, one)| one.health(name, &snapshot.endpoints)).collect();
    let fine = images().filter(|image| image::tone(image) == Tone::Good).count();
    let bad = images().filter(|image| image::tone(image) == Tone::Bad).count();
    let registries = health.iter().filter(|one| one.pullable == Some(true)).count();
    let closed = health.iter().filter(|one| one.pullable == Some(false)).count();
    let open_images = images().filter(|image| image::tone(image) == Tone::Doubt).count();
    let open = health.iter().filter(|one| one.pullable.is_none()).count();
    let degraded = health.iter().filter(|one| one.degraded == Some(true)).count();
    [
        (
            snapshot.pods.waiting().count(),
            Tone::Bad,
            ["container waits for its image", "containers wait for their image"],
        ),
        (bad, Tone::Bad, ["image fails", "images fail"]),
        (closed, Tone::Bad, ["registry not pullable", "registries not pullable"]),
        (degraded, Tone::Doubt, ["registry degraded", "registries degraded"]),
        (open_images, Tone::Doubt, ["image unknown", "images unknown"]),
        (open, Tone::Doubt, ["registry unknown", "registries unknown"]),
        (fine, Tone::Good, ["image pullable", "images pullable"]),
        (registries, Tone::Good, ["registry pullable", "registries pullable"]),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, tone, [one, more])| (count, tone, if count == 1 { one } else { more }))
    .collect()
}

fn foot() -> Markup {
    html! { footer {
        a href="/metrics" { "metrics" } " " a href="/api/v1/report" { "report" } " " a href="/api/v1/schema" { "schema" }
        " " span { "pullprobe " (env!("CARGO_PKG_VERSION")) " · reloads every " (REFRESH) " s" }
    } }
}

#[cfg(test)]
mod tests;
