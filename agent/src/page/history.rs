//! Since when something is as it is, how often it failed in the last 24 hours, and what happened just before.

use jiff::Timestamp;
use maud::{Markup, html};

use super::markup::{iso, utc};
use crate::history::{Entry, History};

/// More entries, and more of what came before, are in the report.
const ENTRIES: usize = 8;
const BEFORE: usize = 4;

/// The beginning of a state, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    pub at: Timestamp,
    /// It was so at the first look already.
    pub from_start: bool,
    /// How many times it failed; 0 where it does not fail.
    pub failures: usize,
}

impl Since {
    pub fn of(history: &History<'_>, now: Timestamp) -> Self {
        let failing = history.failing();
        let (at, from_start) = failing
            .map_or_else(|| (history.since(), history.from_start()), |failing| (failing.since, failing.from_start));
        Self { at, from_start, failures: failing.map_or(0, |_| history.failures(now)) }
    }

    /// `10:42`, `before 10:42`, `10:42, 3rd time`.
    pub fn cell(self, now: Timestamp) -> Markup {
        html! {
            @if self.from_start { "before " }
            time datetime=(iso(self.at)) title=(utc(self.at)) { (clock(self.at, now)) }
            @if self.failures > 1 { ", " (ordinal(self.failures)) " time" }
        }
    }
}

/// The time of the day; of another day its date.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let is_today = at.strftime("%F").to_string() == now.strftime("%F").to_string();
    at.strftime(if is_today { "%H:%M" } else { "%d %b %H:%M" }).to_string()
}

fn ordinal(count: usize) -> String {
    let ending = match (count % 10, count % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{count}{ending}")
}

/// Nothing where it was well all the time.
pub fn detail(history: Option<History<'_>>, now: Timestamp) -> Markup {
    let Some(history) = history else { return Markup::default() };
    let entries: Vec<&Entry> = history.entries(now).collect();
    let current = entries.first().map(|entry| history.preceded_by(entry)).unwrap_or_default();
    html! {
        @if entries.len() > 1 || history.failing_since().is_some() { p.history { (sentence(&history, now)) } }
        @if entries.len() > 1 && !current.is_empty() {
            p.label { "just before the last change" }
            ul.events { @for one in current.iter().take(BEFORE) { li { (moment(one.at, now)) " " (one.detail) } } }
        }
        @if entries.len() > 1 {
            p.label { "changes" }
            ul.events {
                @for entry in entries.iter().take(ENTRIES) { li { (moment(entry.since, now)) " " (words(entry)) } }
                @let more = entries.len().saturating_sub(ENTRIES) + usize::try_from(history.left_out(now)).unwrap_or_default();
                @if more > 0 { li { "and " (more) " before" } }
            }
        }
    }
}

fn sentence(history: &History<'_>, now: Timestamp) -> String {
    let since = Since::of(history, now);
    let (begun, times) = (clock(since.at, now), history.failures(now));
    let least = if history.left_out(now) > 0 { "at least " } else { "" };
    let how = if since.from_start { "before " } else { "" };
    match history.failing_since() {
        Some(_) if times > 1 => {
            format!("Failing since {how}{begun} UTC, for {least}the {} time in 24 hours.", ordinal(times))
        }
        Some(_) => format!("Failing since {how}{begun} UTC."),
        None if times == 0 => format!("So since {how}{begun} UTC."),
        None => {
            let count = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!("So since {how}{begun} UTC. It failed {least}{count} in 24 hours.")
        }
    }
}

fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(iso(at)) title=(utc(at)) { (clock(at, now)) } }
}

/// `failing: tcp_timeout at r.example:443`.
fn words(entry: &Entry) -> Markup {
    let state = &entry.state;
    html! {
        @match state.ok { Some(true) => "ok", Some(false) => "failing", None => "unknown" }
        @if let Some(cause) = state.cause { ": " (cause.as_str()) }
        @if let Some(host) = &state.host { " at " (host.as_str()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::history::journal::{Happening, What};
    use crate::history::{Histories, Subject};
    use crate::model::report::ImageReport;
    use crate::model::sample;
    use crate::page::markup::finished;
    use std::time::Duration;

    const NAME: &str = "busybox:1.36";
    const MINUTE: Duration = Duration::from_secs(60);

    /// An answer about [`NAME`]: `+` is well, `-` fails, `?` is unknown.
    fn answer(sign: char, cause: Cause) -> ImageReport {
        let mut report = sample::rich().images[NAME].as_ref().clone();
        report.verdict.pullable = [('+', true), ('-', false)].into_iter().find(|(of, _)| *of == sign).map(|(_, ok)| ok);
        report.verdict.cause = (sign != '+').then_some(cause);
        report
    }

    /// Answers at so many minutes before now.
    fn histories(answers: &[(u32, char)]) -> Histories {
        let mut histories = Histories::default();
        for (minutes, sign) in answers {
            histories.note_image(&answer(*sign, Cause::TcpTimeout), sample::now() - *minutes * MINUTE);
        }
        histories
    }

    fn of(histories: &Histories) -> History<'_> {
        histories.of(&Subject::Image(NAME.to_owned()), Some("docker.io")).unwrap()
    }

    fn shown(histories: &Histories) -> (String, String) {
        let history = of(histories);
        let text = |markup: Markup| {
            let markup = finished(markup).replace("</li>", "\n").replace("</p>", "\n");
            let pieces = markup.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
            pieces.collect::<String>()
        };
        (text(Since::of(&history, sample::now()).cell(sample::now())), text(detail(Some(history), sample::now())))
    }

    #[test]
    fn it_says_since_when_it_fails_and_for_which_time() {
        let (cell, detail) = shown(&histories(&[(90, '+'), (80, '-'), (70, '+'), (60, '-'), (50, '?'), (40, '-')]));
        assert_eq!(cell, "09:00, 2nd time");
        let lines: Vec<&str> = detail.lines().collect();
        assert_eq!(lines[0], "Failing since 09:00 UTC, for the 2nd time in 24 hours.");
        assert_eq!(lines[1..4], ["changes", "09:20 failing: tcp_timeout", "09:10 unknown: tcp_timeout"]);
        assert_eq!(lines.len(), 8, "{detail}");
    }

    #[test]
    fn what_was_so_at_the_first_look_began_before_it() {
        assert_eq!(shown(&histories(&[(10, '+')])), ("before 09:50".into(), String::new()));
        let (cell, detail) = shown(&histories(&[(1_000, '-')]));
        assert_eq!(
            (cell.as_str(), detail.as_str()),
            ("before 19 Nov 17:20", "Failing since before 19 Nov 17:20 UTC.\n")
        );
    }

    #[test]
    fn what_is_well_again_says_how_often_it_was_not() {
        let (cell, detail) = shown(&histories(&[(30, '-'), (20, '+'), (10, '-'), (5, '+')]));
        assert_eq!(cell, "09:55");
        assert!(detail.starts_with("So since 09:55 UTC. It failed 2 times in 24 hours.\n"), "{detail}");
    }

    #[test]
    fn what_happened_just_before_is_told_as_it_was_seen_and_escaped() {
        let mut histories = histories(&[(30, '+')]);
        let happening = Happening::of_node(
            sample::now() - 12 * MINUTE,
            What::File,
            &format!("/etc/{} was changed", sample::MARKUP),
        );
        histories.happened(happening, sample::now() - 11 * MINUTE);
        histories.note_image(&answer('-', Cause::DnsServfail), sample::now() - 10 * MINUTE);
        let markup = finished(detail(Some(of(&histories)), sample::now()));
        assert!(markup.contains("09:48</time> /etc/&lt;script&gt;") && !markup.contains(sample::MARKUP), "{markup}");
    }

    #[test]
    fn ordinals_end_as_they_are_said() {
        let said: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 113].map(ordinal).into();
        assert_eq!(said.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 113th");
    }
}
