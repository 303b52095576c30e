//! HTML that is put together from literals of ours and escaped text of others.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::redact::clean::is_hostile;
use crate::state::back_off::BackOff;

#[derive(Default)]
pub struct Html(String);

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

impl Html {
    /// Markup of ours.
    pub fn raw(&mut self, literal: &str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// Anything else.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if is_steering(c) => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Text in which what stands between two backticks is to be typed or found: shown as code.
    pub fn prose(&mut self, text: &str) -> &mut Self {
        let mut parts = text.split('`').peekable();
        let mut is_code = false;
        while let Some(part) = parts.next() {
            match (is_code, parts.peek()) {
                (true, Some(_)) => self.element("code", "", part),
                // The last backtick has no second one.
                (true, None) => self.raw("`").text(part),
                (false, _) => self.text(part),
            };
            is_code = !is_code;
        }
        self
    }

    /// `<name class="class">text</name>`; name and class are literals of ours.
    pub fn element(&mut self, name: &str, class: &str, text: &str) -> &mut Self {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.raw(&format!("<{name}{class}>")).text(text).raw(&format!("</{name}>"))
    }

    /// A state in a word.
    pub fn pill(&mut self, tone: Tone, word: &str) -> &mut Self {
        self.raw(&format!("<span class=\"pill {}\"><i>{}</i>", tone.class(), tone.sign())).text(word).raw("</span>")
    }

    /// A term and what is to be said of it; nothing when that is empty.
    pub fn term(&mut self, term: &str, text: &str) -> &mut Self {
        if text.is_empty() {
            return self;
        }
        self.raw("<div>").element("dt", "", term).element("dd", "", text).raw("</div>")
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// That, why and until when something is not probed at its interval: what is shown is its last result.
pub fn patience(page: &mut Html, back_off: &BackOff, now: Timestamp) {
    let next = if back_off.next_probe_at > now { from_now(back_off.next_probe_at, now) } else { "now".to_owned() };
    let why = if back_off.asked {
        ", as the registry asked".to_owned()
    } else {
        format!(", {} intervals apart", back_off.factor)
    };
    page.raw("<p class=\"note quiet\"><i>–</i> backing off: next probe ").text(&next).raw(" (");
    page.element("b", "", back_off.reason.as_str()).text(&format!(" since {}{why})", since(back_off.since, now)));
    page.raw("</p>");
}

/// `12 s`, of a time that has passed.
fn since(at: Timestamp, now: Timestamp) -> String {
    from_now(at, now).trim_end_matches(" ago").to_owned()
}

/// What could steer a browser, or show text as another.
fn is_steering(c: char) -> bool {
    is_hostile(c) && c != '\n' && c != '\t'
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
        let mut page = Html::default();
        page.prose(text);
        page.into_string()
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_still_escaped() {
        assert_eq!(prose("run `a <b>` or `c`."), "run <code>a &lt;b&gt;</code> or <code>c</code>.");
        assert_eq!(prose("no code, one ` left"), "no code, one ` left");
        assert_eq!(prose("``"), "<code></code>");
    }
}
