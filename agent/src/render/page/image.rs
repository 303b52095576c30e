//! The verdict about each image, the bad ones first.

use jiff::Timestamp;

use super::markup::{self, Html, Tone, bytes, from_now, millis};
use crate::model::report::{Attempt, ImageReport};
use crate::state::snapshot::Snapshot;

pub fn section(page: &mut Html, snapshot: &Snapshot, now: Timestamp) {
    page.raw("<section><h2>Images</h2>");
    let mut images: Vec<&ImageReport> = snapshot.images.values().map(AsRef::as_ref).collect();
    images.sort_by_key(|image| match tone(image) {
        Tone::Bad => 0,
        Tone::Doubt | Tone::Quiet => 1,
        Tone::Good => 2,
    });
    for image in &images {
        card(page, snapshot, image, now);
    }
    for waiting in snapshot.targets.images.iter().filter(|requested| !snapshot.images.contains_key(*requested)) {
        page.raw("<article class=\"quiet\"><h3>")
            .pill(Tone::Quiet, "not looked at yet")
            .element("code", "", waiting)
            .raw("</h3></article>");
    }
    if snapshot.targets.images.is_empty() {
        page.element("p", "none", "No image is a target.");
    }
    if snapshot.targets.images_dropped > 0 {
        let text = format!("{} more were found and are not probed: there is a cap.", snapshot.targets.images_dropped);
        page.element("p", "none", &text);
    }
    page.raw("</section>");
}

pub fn tone(image: &ImageReport) -> Tone {
    match (image.verdict.pullable, image.verdict.runnable) {
        (Some(false), _) | (_, Some(false)) => Tone::Bad,
        (Some(true), _) => Tone::Good,
        (None, _) => Tone::Doubt,
    }
}

const fn word(image: &ImageReport) -> &'static str {
    match (image.verdict.pullable, image.verdict.runnable) {
        (Some(false), _) => "not pullable",
        (_, Some(false)) => "does not run here",
        (Some(true), _) => "pullable",
        (None, _) => "could not be told",
    }
}

fn card(page: &mut Html, snapshot: &Snapshot, image: &ImageReport, now: Timestamp) {
    let verdict = &image.verdict;
    let name = image.image.as_ref().map_or_else(|| image.requested.clone().into(), ToString::to_string);
    page.raw(&format!("<article class=\"{}\"><h3>", tone(image).class()));
    page.pill(tone(image), word(image)).element("code", "", &name);
    page.element("span", "when", &from_now(image.started_at, now)).raw("</h3>");
    page.raw("<p class=\"says\">").text(&verdict.summary).raw("</p>");
    if let Some(back_off) = snapshot.image_back_off(image) {
        markup::patience(page, back_off, now);
    }
    notes(page, image);
    if !verdict.fix.is_empty() {
        page.raw("<p class=\"fix\"><b>Fix</b> ").prose(&verdict.fix).raw("</p>");
    }
    if let Some(message) = &verdict.kubelet_message {
        page.raw("<p class=\"label\">kubelet would say</p>").element("pre", "", message);
    }
    page.raw("<dl class=\"line\">");
    if let Some(cause) = verdict.cause {
        page.term("cause", cause.as_str());
        let others: Vec<&str> = verdict.also_possible.iter().map(|cause| cause.as_str()).collect();
        page.term("or", &others.join(", "));
    }
    page.term("stage", verdict.stage.map_or("", |stage| stage.as_str()));
    page.term("at", verdict.host.as_deref().unwrap_or_default());
    page.term("whose", verdict.owner.map_or("", |owner| owner.as_str()));
    let credential = image.credential.as_ref();
    let credential = credential.map(|used| format!("{} for {}{}", used.source, used.key, used.end(now)));
    page.term("credential", credential.as_deref().unwrap_or("none"));
    page.term("offers", &image.platform.shown().join(", "));
    let bytes_from = image.blob.as_ref().and_then(|blob| blob.redirect_host.as_deref());
    page.term("bytes from", bytes_from.unwrap_or_default());
    page.term("room", &room(image));
    page.term("counted pulls", &if image.counted_pulls > 0 { image.counted_pulls.to_string() } else { String::new() });
    page.term("took", &millis(image.duration)).raw("</dl>");
    attempts(page, &image.attempts);
    page.raw("</article>");
}

/// What is to be known although it may be pullable: the registry's own words, and what may not fit.
fn notes(page: &mut Html, image: &ImageReport) {
    for warning in &image.warnings {
        page.raw("<p class=\"note doubt\"><i>!</i> ").text("the registry warns: ").text(warning).raw("</p>");
    }
    if let Some(finding) = image.finding() {
        page.raw("<p class=\"note doubt\"><i>!</i> ").text(&finding.message).raw("</p>");
        page.raw("<p class=\"fix\"><b>Fix</b> ").prose(&finding.fix).raw("</p>");
    }
}

fn room(image: &ImageReport) -> String {
    let Some(space) = image.space.filter(|space| space.needed_bytes > 0) else { return String::new() };
    let (needed, unpacked) = (bytes(space.needed_bytes), bytes(space.estimated_bytes));
    format!("{needed} to download, about {unpacked} unpacked, {} free", bytes(space.free_bytes))
}

fn attempts(page: &mut Html, attempts: &[Attempt]) {
    if attempts.is_empty() {
        return;
    }
    page.raw("<div class=\"wide\"><table><thead><tr><th>asked to</th><th>host</th><th>answer</th><th>took</th></tr></thead><tbody>");
    for attempt in attempts {
        let tone = if attempt.failure.is_some() { Tone::Bad } else { Tone::Good };
        let status = attempt.http_status.map(|status| format!("{status} ")).unwrap_or_default();
        page.raw("<tr>").element("td", "", attempt.operation.as_str());
        page.element("td", "host", &attempt.endpoint.to_string());
        page.raw(&format!("<td class=\"{}\">{} ", tone.class(), tone.sign()))
            .text(&format!("{status}{}", attempt.detail))
            .raw("</td>");
        page.element("td", "took", &millis(attempt.duration)).raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}
