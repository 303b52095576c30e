//! The table at the head of the page: every registry and image with its state, the worst first. Each row opens what is known of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::markup::{Room, pill, seen};
use super::query::{Query, State};
use super::target::{Target, What};
use super::{image, registry};
use crate::cause::Cause;
use crate::pods::Need;
use crate::state::snapshot::Snapshot;

/// More rows than these are counted.
const ROWS: usize = 600;
/// What all rows open, in bytes. A row for which nothing is left says how to see it.
const DETAILS: usize = 640 << 10;
/// One row may not take the room of all others.
const DETAIL: usize = 96 << 10;

/// All of them, the worst first, and a registry before its images.
pub fn all(snapshot: &Snapshot, now: Timestamp) -> Vec<Target<'_>> {
    let registries = snapshot.targets.namespaces.iter().map(|(name, one)| registry::target(snapshot, name, one, now));
    let waiting = snapshot.targets.images.iter().filter(|requested| !snapshot.images.contains_key(*requested));
    let images = snapshot.images.iter().map(|(requested, report)| image::target(snapshot, requested, report, now));
    let mut all: Vec<Target<'_>> = registries.chain(images).chain(waiting.map(|one| image::waiting(one))).collect();
    all.sort_by(|a, b| (a.state, &a.name, &a.id).cmp(&(b.state, &b.name, &b.id)));
    all
}

pub fn section(snapshot: &Snapshot, query: &Query, now: Timestamp) -> Markup {
    let all = all(snapshot, now);
    let found: Vec<&Target<'_>> = all.iter().filter(|one| is_found(one, query)).collect();
    let shown = || found.iter().filter(|one| query.state.is_none_or(|state| one.state == state));
    html! { section #targets aria-labelledby="targets-heading" {
        h2 #targets-heading { "Registries and images" }
        (filter(&found, query))
        (query.remarks())
        (table(snapshot, &shown().take(ROWS).copied().collect::<Vec<_>>(), now))
        p.none { (remark(all.len(), shown().count(), query)) }
        (left_out(snapshot))
    } }
}

fn is_found(target: &Target<'_>, query: &Query) -> bool {
    let fixed = [target.name.as_str(), target.kind, target.word, target.cause.map_or("", Cause::as_str)];
    query.finds(fixed.into_iter().chain(target.hosts.iter().map(String::as_str)))
}

/// How many of those that the search finds are how, each a link; and the search itself.
fn filter(found: &[&Target<'_>], query: &Query) -> Markup {
    let count = |state: State| found.iter().filter(|one| one.state == state).count();
    let states = State::ALL.into_iter().filter(|state| count(*state) > 0 || query.state == Some(*state));
    let link = |state: Option<State>, text: &Markup| {
        let tone = state.map_or("all", |state| state.tone().class());
        let current = (query.state == state).then_some("true");
        html! { li { a.(tone) href=(query.in_state(state).link()) aria-current=[current] { (text) } } }
    };
    html! { search.filter {
        ul.states {
            (link(None, &html! { b { (found.len()) } " in all" }))
            @for state in states { (link(Some(state), &html! {
                i { (state.tone().sign()) } " " b { (count(state)) } " " (state.words())
            })) }
        }
        form {
            @if let Some(state) = query.state { input type="hidden" name="state" value=(state.as_str()); }
            label for="q" { "Search" }
            input #q type="search" name="q" value=(query.text) maxlength="512" autocomplete="off"
                placeholder="name, host, cause";
            button { "Show" }
            @if !query.is_all() { a href="./" { "Show all" } }
        }
    } }
}

fn remark(all: usize, shown: usize, query: &Query) -> String {
    let most =
        if shown > ROWS { format!(" The first {ROWS} are listed; search for the others.") } else { String::new() };
    match (all, shown) {
        (0, _) => "No registry and no image is a target.".to_owned(),
        (_, 0) => "Nothing fits.".to_owned(),
        _ if query.is_all() => most.trim_start().to_owned(),
        _ => format!("{shown} of {all} fit.{most}"),
    }
}

fn left_out(snapshot: &Snapshot) -> Markup {
    const NAMED: usize = 50;
    let left_out = &snapshot.targets.left_out;
    let (count, named): (usize, Vec<&String>) = (left_out.count, left_out.named().collect());
    html! { @if count > 0 {
        details {
            summary.none { (count) " more images were found. They are not probed, because of the limit on targets." }
            ul { @for image in named.iter().take(NAMED) { li { code { (image) } } } }
            @if count > named.len().min(NAMED) { p.none { "and " (count - named.len().min(NAMED)) " more" } }
        }
    } }
}

fn table(snapshot: &Snapshot, rows: &[&Target<'_>], now: Timestamp) -> Markup {
    let needs = snapshot.needs_by_image();
    let mut room = Room::of(DETAILS);
    html! { @if !rows.is_empty() {
        p.head aria-hidden="true" { span { "state" } span { "registry or image" } span { "cause" } span { "since (UTC)" } span { "last look" } }
        div.rows { @for target in rows {
            details #(target.id) .(target.state.tone().class()) {
                (summary(target, now))
                div.opened { (opened(snapshot, target, &needs, now, &mut room)) }
            }
        } }
    } }
}

fn summary(target: &Target<'_>, now: Timestamp) -> Markup {
    html! { summary {
        (pill(target.state.tone(), target.word)) " "
        span.name { small { (target.kind) } " " code { (target.name) } } " "
        span.cause { (target.cause.map_or("", Cause::as_str)) } " "
        span.since { @if let Some(since) = target.since { small.said { "since " } (since.cell(now)) } } " "
        span.when { @if let Some(at) = target.seen { (seen(at, now)) } }
    } }
}

fn opened(
    snapshot: &Snapshot,
    target: &Target<'_>,
    needs: &BTreeMap<String, Vec<&Need>>,
    now: Timestamp,
    room: &mut Room,
) -> Markup {
    let detail = match target.what {
        What::Registry(name, namespace) => registry::detail(snapshot, name, namespace, now),
        What::Image(report) => image::detail(snapshot, report, needs.get(&target.name), now),
        What::Waiting => html! { p { "Its first probe is due soon." } },
    };
    if detail.0.len() > DETAIL {
        html! { p { "What is known of it is too long for this page: it is in the " a href="api/v1/report" { "report as JSON" } "." } }
    } else if room.takes(detail.0.len()) {
        PreEscaped(detail.0)
    } else {
        html! { p { "The page is long: " a href=(Query::for_text(&target.name).link()) { "show only what has this name" } "." } }
    }
}
