//! An image: its verdict, and what is known of how that came about.

use jiff::Timestamp;
use maud::{Markup, html};

use super::history::{self, Since};
use super::markup::{Tone, back_off, bytes, fix, millis, note, term};
use super::pods::needed_by;
use super::query::State;
use super::stages;
use super::target::{Target, What};
use crate::model::report::{Attempt, ImageReport};
use crate::pods::Need;
use crate::state::snapshot::Snapshot;

/// More attempts than these are counted.
const ATTEMPTS: usize = 50;

pub fn target<'a>(snapshot: &Snapshot, requested: &str, image: &'a ImageReport, now: Timestamp) -> Target<'a> {
    let (state, word) = state(image);
    Target {
        state,
        word,
        kind: "image",
        id: format!("image-{requested}"),
        name: name(image),
        cause: image.verdict.cause,
        since: snapshot.image_history(requested).map(|history| Since::of(&history, now)),
        seen: Some(image.started_at),
        hosts: [&image.requested].into_iter().chain(&image.verdict.host).map(ToString::to_string).collect(),
        what: What::Image(image),
    }
}

/// One that was not probed yet.
pub fn waiting(requested: &str) -> Target<'_> {
    Target {
        state: State::Unseen,
        word: State::Unseen.words(),
        kind: "image",
        id: format!("image-{requested}"),
        name: requested.to_owned(),
        cause: None,
        since: None,
        seen: None,
        hosts: Vec::new(),
        what: What::Waiting,
    }
}

fn state(image: &ImageReport) -> (State, &'static str) {
    match (image.verdict.pullable, image.verdict.runnable) {
        (Some(false), _) => (State::Failing, "not pullable"),
        (_, Some(false)) => (State::Failing, "does not run here"),
        (Some(true), _) => (State::Good, "pullable"),
        (None, _) => (State::Unknown, "unknown"),
    }
}

fn name(image: &ImageReport) -> String {
    image.image.as_ref().map_or_else(|| image.requested.clone().into(), ToString::to_string)
}

pub fn detail(snapshot: &Snapshot, image: &ImageReport, needs: Option<&Vec<&Need>>, now: Timestamp) -> Markup {
    let verdict = &image.verdict;
    html! {
        p.says { (verdict.summary) }
        (stages::draw(&stages::of_image(snapshot, image)))
        @if let Some(until) = snapshot.image_back_off(image) { (back_off(until, now)) }
        (notes(image))
        (fix(&verdict.fix))
        (history::detail(snapshot.image_history(&image.requested), now))
        @if let Some(message) = &verdict.kubelet_message { p.label { "kubelet would say" } pre { (message) } }
        (facts(image, now))
        @if let Some(needs) = needs { dl.line { (needed_by(needs)) } }
        (attempts(&image.attempts))
    }
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
        (term("at fault", verdict.owner.map_or("", |owner| owner.as_str())))
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
    html! { @if !attempts.is_empty() { table {
        thead { tr { th scope="col" { "asked to" } th scope="col" { "host" } th scope="col" { "answer" } th scope="col" { "took" } } }
        tbody { @for attempt in attempts.iter().take(ATTEMPTS) { tr {
            td { (attempt.operation.as_str()) }
            td.host { (attempt.endpoint) }
            td.(tone(attempt).class()) {
                (tone(attempt).sign()) " " @if let Some(status) = attempt.http_status { (status) " " } (attempt.detail)
            }
            td.took { (millis(attempt.duration)) }
        } } }
    } }
    @if attempts.len() > ATTEMPTS { p.none { (attempts.len() - ATTEMPTS) " more hosts were asked." } } }
}
