//! The pieces that the sections share, and what the page does to all text of others.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::redact::clean::is_hostile;
use crate::state::back_off::BackOff;

/// How something is: shown by a sign and a colour, so that either is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Doubt,
    Bad,
    Quiet,
}

impl Tone {
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubt => "doubt",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    pub const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Doubt => "!",
            Self::Bad => "✗",
            Self::Quiet => "–",
        }
    }
}

/// The page as it is sent. maud escapes every text; what it lets through is replaced here, in all of the page: the
/// single quote, and what could steer a browser or show text as another.
pub fn finished(page: Markup) -> String {
    let page = page.into_string().replace('\'', "&#39;");
    let is_steering = |c: char| is_hostile(c) && c != '\n' && c != '\t';
    if page.contains(is_steering) { page.replace(is_steering, "\u{fffd}") } else { page }
}

/// Text in which what stands between two backticks is to be typed or found: shown as code.
pub fn prose(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    html! {
        @for (at, part) in parts.iter().enumerate() {
            @if at % 2 == 0 { (part) }
            @else if at + 1 < parts.len() { code { (part) } }
            // The last backtick has no second one.
            @else { "`" (part) }
        }
    }
}

/// What to do; nothing where nothing is to be done.
pub fn fix(text: &str) -> Markup {
    html! { @if !text.is_empty() { p.fix { b { "Fix" } " " (prose(text)) } } }
}

/// How many bytes the parts of a section may still take, so that a page has a bound whatever is in it.
pub struct Room(usize);

impl Room {
    pub const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Whether so much fits. If so, it is taken.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// A remark behind its sign.
pub fn note(tone: Tone, text: &Markup) -> Markup {
    html! { p.note.(tone.class()) { i { (tone.sign()) } " " (text) } }
}

/// A state in a word.
pub fn pill(tone: Tone, word: &str) -> Markup {
    html! { span.pill.(tone.class()) { i { (tone.sign()) } (word) } }
}

/// A term and what is to be said of it; nothing when that is empty.
pub fn term(term: &str, text: &str) -> Markup {
    html! { @if !text.is_empty() { div { dt { (term) } dd { (text) } } } }
}

/// That, why and until when something is not probed at its interval: what is shown is its last result.
pub fn back_off(until: &BackOff, now: Timestamp) -> Markup {
    let next = if until.next_probe_at > now { from_now(until.next_probe_at, now) } else { "now".to_owned() };
    let since = from_now(until.since, now);
    let why = html! {
        "backing off: next probe " (next) " (" b { (until.reason.as_str()) } " since " (since.trim_end_matches(" ago"))
        @if until.asked { ", as the registry asked)" }
        @else { ", " (until.factor) " intervals apart)" }
    };
    note(Tone::Quiet, &why)
}

pub fn millis(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.001 => format!("{:.0} ms", seconds * 1_000.0),
        _ => "<1 ms".to_owned(),
    }
}

/// `2026-11-20 10:00:00 UTC`.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `12 s ago`, with the time itself for who points at it.
pub fn seen(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(iso(at)) title=(utc(at)) { (from_now(at, now)) } }
}

/// `2026-11-20 (in 3 days)`.
pub fn dated(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(iso(at)) title=(utc(at)) { (at.strftime("%Y-%m-%d").to_string()) } " (" (from_now(at, now)) ")" }
}

pub fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `12 s ago`, `in 3 days`.
pub fn from_now(at: Timestamp, now: Timestamp) -> String {
    let distance: SignedDuration = at.duration_since(now);
    let seconds = distance.as_secs();
    let (count, unit) = match seconds.unsigned_abs() {
        seconds @ 0..=119 => (seconds, "s"),
        seconds @ 120..=7_199 => (seconds / 60, "min"),
        seconds @ 7_200..=172_799 => (seconds / 3_600, "h"),
        seconds => (seconds / 86_400, "days"),
    };
    match seconds {
        0 => "just now".to_owned(),
        1.. => format!("in {count} {unit}"),
        _ => format!("{count} {unit} ago"),
    }
}

pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut size = count as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if size < 1_000.0 {
            break;
        }
        size /= 1_000.0;
        unit = larger;
    }
    if unit == "B" { format!("{count} B") } else { format!("{size:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prose(text: &str) -> String {
        finished(super::prose(text))
    }

    #[test]
    fn a_room_takes_what_fits_and_goes_on() {
        let mut room = Room::of(10);
        let taken = [6, 5, 4, 1].map(|bytes| room.takes(bytes));
        assert_eq!(taken, [true, false, true, false]);
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_still_escaped() {
        assert_eq!(prose("run `a <b>` or `c`."), "run <code>a &lt;b&gt;</code> or <code>c</code>.");
        assert_eq!(prose("no code, one ` left"), "no code, one ` left");
        assert_eq!(prose("``"), "<code></code>");
    }
}
