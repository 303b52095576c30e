//! The snapshot as a page for people: one file, no script, nothing from elsewhere.
//!
//! Whatever came from a registry or a file is escaped; it makes no judgement of its own.

use jiff::Timestamp;

use crate::state::snapshot::Snapshot;

mod image;
mod markup;
mod node;
mod registry;

use markup::{Html, Tone};

const STYLE: &str = include_str!("page/page.css");
/// Seconds between two looks: a cycle is a minute.
const REFRESH: u32 = 15;

pub fn html(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw(&format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">"));
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    page.element("title", "", &format!("{} · pullprobe", snapshot.node));
    page.raw("<style>").raw(STYLE).raw("</style></head><body><main>");
    head(&mut page, snapshot, now);
    image::section(&mut page, snapshot, now);
    registry::section(&mut page, snapshot, now);
    node::findings(&mut page, snapshot, now);
    node::facts(&mut page, snapshot, now);
    foot(&mut page);
    page.raw("</main></body></html>\n");
    page.into_string()
}

fn head(page: &mut Html, snapshot: &Snapshot, now: Timestamp) {
    page.raw("<header><p class=\"mark\">pullprobe</p>");
    page.element("h1", "", &snapshot.node);
    page.raw("<p class=\"lead\">");
    page.text("containerd ").element("b", "", &snapshot.state.containerd.version.to_string());
    page.text(&format!(" · {} · ", snapshot.state.platform));
    match snapshot.last_cycle {
        None => page.text("the first cycle is running"),
        Some(_) => page.text(&format!("as seen {}", markup::utc(now))),
    };
    page.raw("</p><ul class=\"sums\">");
    for (count, tone, words) in sums(snapshot) {
        page.raw(&format!("<li class=\"{}\"><b>{count}</b> ", tone.class()));
        page.text(words).raw("</li>");
    }
    page.raw("</ul></header>");
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
        (bad, Tone::Bad, ["image fails", "images fail"]),
        (closed, Tone::Bad, ["registry not pullable", "registries not pullable"]),
        (degraded, Tone::Doubt, ["registry degraded", "registries degraded"]),
        (open_images, Tone::Doubt, ["image could not be told", "images could not be told"]),
        (open, Tone::Doubt, ["registry could not be told", "registries could not be told"]),
        (fine, Tone::Good, ["image pullable", "images pullable"]),
        (registries, Tone::Good, ["registry pullable", "registries pullable"]),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, tone, [one, more])| (count, tone, if count == 1 { one } else { more }))
    .collect()
}

fn foot(page: &mut Html) {
    page.raw("<footer><a href=\"/metrics\">metrics</a> <a href=\"/api/v1/report\">report</a> ");
    page.raw("<a href=\"/api/v1/schema\">schema</a> ");
    page.element("span", "", &format!("pullprobe {} · looks again every {REFRESH} s", env!("CARGO_PKG_VERSION")));
    page.raw("</footer>");
}

#[cfg(test)]
mod tests;
