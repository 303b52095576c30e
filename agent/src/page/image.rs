//! The verdict about each image, the bad ones first.

use jiff::Timestamp;
use maud::{Markup, html};

use super::markup::{Tone, back_off, bytes, fix, from_now, millis, note, pill, term};
use super::pods::needed_by;
use crate::model::report::{Attempt, ImageReport};
use crate::pods::Need;
use crate::state::snapshot::Snapshot;

pub fn section(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let mut images: Vec<&ImageReport> = snapshot.images.values().map(AsRef::as_ref).collect();
    images.sort_by_key(|image| match tone(image) {
        Tone::Bad => 0,
        Tone::Doubt | Tone::Quiet => 1,
        Tone::Good => 2,
    });
    let (targets, needs) = (&snapshot.targets, snapshot.needs_by_image());
    html! { section {
        h2 { "Images" }
        @for image in images { (card(snapshot, image, needs.get(&name(image)), now)) }
        @for waiting in targets.images.iter().filter(|requested| !snapshot.images.contains_key(*requested)) {
            article.quiet { h3 { (pill(Tone::Quiet, "not looked at yet")) code { (waiting) } } }
        }
        @if targets.images.is_empty() { p.none { "No image is a target." } }
        @if targets.left_out.count > 0 {
            p.none { (targets.left_out.count) " more images were found. They are not probed, because of the limit on targets." }
        }
    } }
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
        (None, _) => "unknown",
    }
}

fn name(image: &ImageReport) -> String {
    image.image.as_ref().map_or_else(|| image.requested.clone().into(), ToString::to_string)
}

fn card(snapshot: &Snapshot, image: &ImageReport, needs: Option<&Vec<&Need>>, now: Timestamp) -> Markup {
    let verdict = &image.verdict;
    html! { article class=(tone(image).class()) {
        h3 { (pill(tone(image), word(image))) code { (name(image)) } span.when { (from_now(image.started_at, now)) } }
        p.says { (verdict.summary) }
        @if let Some(until) = snapshot.image_back_off(image) { (back_off(until, now)) }
        (notes(image))
        (fix(&verdict.fix))
        @if let Some(message) = &verdict.kubelet_message { p.label { "kubelet would say" } pre { (message) } }
        (facts(image, now))
        @if let Some(needs) = needs { dl.line { (needed_by(needs)) } }
        (attempts(&image.attempts))
    } }
}

/// What is to be known although it may be pullable: the registry's own words, and what may not fit.
fn notes(image: &ImageReport) -> Markup {
    html! {
        @for warning in &image.warnings { (note(Tone::Doubt, &html! { "the registry warns: " (warning) })) }
        @if let Some(finding) = image.finding() {
            (note(Tone::Doubt, &html! { (finding.message) }))
            (fix(&finding.fix))
        }
    }
}

fn facts(image: &ImageReport, now: Timestamp) -> Markup {
    let verdict = &image.verdict;
    let others: Vec<&str> = verdict.also_possible.iter().map(|cause| cause.as_str()).collect();
    let credential = image.credential.as_ref();
    let credential = credential.map(|used| format!("{} for {}{}", used.source, used.key, used.end(now)));
    let bytes_from = image.blob.as_ref().and_then(|blob| blob.redirect_host.as_deref());
    let counted = if image.counted_pulls > 0 { image.counted_pulls.to_string() } else { String::new() };
    html! { dl.line {
        @if let Some(cause) = verdict.cause { (term("cause", cause.as_str())) (term("or", &others.join(", "))) }
        (term("stage", verdict.stage.map_or("", |stage| stage.as_str())))
        (term("at", verdict.host.as_deref().unwrap_or_default()))
        (term("whose", verdict.owner.map_or("", |owner| owner.as_str())))
        (term("credential", credential.as_deref().unwrap_or("none")))
        (term("offers", &image.platform.shown().join(", ")))
        (term("bytes from", bytes_from.unwrap_or_default()))
        (term("room", &room(image)))
        (term("counted pulls", &counted))
        (term("took", &millis(image.duration)))
    } }
}

fn room(image: &ImageReport) -> String {
    let Some(space) = image.space.filter(|space| space.needed_bytes > 0) else { return String::new() };
    let (needed, unpacked) = (bytes(space.needed_bytes), bytes(space.estimated_bytes));
    format!("{needed} to download, about {unpacked} unpacked, {} free", bytes(space.free_bytes))
}

fn attempts(attempts: &[Attempt]) -> Markup {
    let tone = |attempt: &Attempt| if attempt.failure.is_some() { Tone::Bad } else { Tone::Good };
    html! { @if !attempts.is_empty() { div.wide { table {
        thead { tr { th { "asked to" } th { "host" } th { "answer" } th { "took" } } }
        tbody { @for attempt in attempts { tr {
            td { (attempt.operation.as_str()) }
            td.host { (attempt.endpoint) }
            td class=(tone(attempt).class()) {
                (tone(attempt).sign()) " " @if let Some(status) = attempt.http_status { (status) " " } (attempt.detail)
            }
            td.took { (millis(attempt.duration)) }
        } } }
    } } } }
}
