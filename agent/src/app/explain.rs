//! `pullprobe explain [CAUSE | TEXT | -]`: a cause, or the causes that a message can come from.

use std::fmt::Write as _;
use std::io::Read as _;

use rustix::fs::FileType;
use serde::Serialize;

use super::{ExitStatus, complain, print, refuse};
use crate::cause::text::{Text, kubelet, text};
use crate::cause::{Cause, Owner};
use crate::cli::Format;
use crate::explain::{self, Meaning, Reading};
use crate::model::nearest::nearest;
use crate::redact::clip::clip_to;
use crate::render::json;

/// More of standard input than this is not read, in bytes: one more than is looked at.
const INPUT: u64 = (explain::TEXT + 1) as u64;
/// How much of a text that is no message is repeated in the answer, in bytes.
const REPEATED: usize = 200;

#[derive(Serialize)]
struct Explained {
    cause: &'static str,
    /// Null: nobody is at fault, or it is not known.
    owner: Option<&'static str>,
    summary: &'static str,
    evidence: &'static str,
    confirm: &'static str,
    fix: &'static str,
}

/// A message and all that it can come from, the likeliest first.
#[derive(Serialize)]
struct Explanation<'a> {
    message: &'a str,
    image: Option<&'a str>,
    host: Option<&'a str>,
    url: Option<&'a str>,
    /// How to tell the causes apart. Empty if there is only one.
    note: &'static str,
    causes: Vec<Explained>,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<Explanation<'a>>,
}

impl Explained {
    fn new(cause: &'static str, owner: impl Into<Option<Owner>>, text: Text) -> Self {
        let Text { summary, evidence, confirm, fix } = text;
        Self { cause, owner: owner.into().map(Owner::as_str), summary, evidence, confirm, fix }
    }

    /// A cause, or what else metrics and reports name as what is in a container's way.
    fn named(name: &str) -> Option<Self> {
        let state = || kubelet::STATES.into_iter().find(|(state, ..)| *state == name);
        let cause = name.parse::<Cause>().ok().map(Self::from);
        cause.or_else(|| state().map(|(name, owner, words)| Self::new(name, owner, words)))
    }

    fn at_fault(&self) -> String {
        self.owner.map(|owner| format!(" (at fault: {owner})")).unwrap_or_default()
    }

    fn in_full(&self) -> String {
        let Self { cause, summary, evidence, confirm, fix, .. } = self;
        let at_fault = self.at_fault();
        format!(
            "{cause}{at_fault}\n\n{summary}\n\nEvidence\n  {evidence}\n\nConfirm by hand\n  {confirm}\n\nFix\n  {fix}\n"
        )
    }
}

impl From<Cause> for Explained {
    fn from(cause: Cause) -> Self {
        Self::new(cause.as_str(), cause.owner(), text(cause))
    }
}

impl<'a> From<&'a Reading> for Explanation<'a> {
    fn from(reading: &'a Reading) -> Self {
        let causes = match reading.meaning {
            Meaning::Causes(causes) => causes.iter().copied().map(Explained::from).collect(),
            Meaning::OwnLimit => vec![Explained::new(kubelet::OWN_LIMIT_NAME, Owner::Node, kubelet::OWN_LIMIT)],
            Meaning::BackOff => vec![Explained::new(kubelet::BACK_OFF_NAME, Owner::Node, kubelet::BACK_OFF)],
        };
        Self {
            message: &reading.message,
            image: reading.image.as_deref(),
            host: reading.host.as_deref(),
            url: reading.url.as_deref(),
            note: reading.note,
            causes,
        }
    }
}

pub fn run(wanted: Option<&str>, format: Format) -> ExitStatus {
    let text = match wanted {
        Some("-") => input(),
        Some(text) => Ok(text.to_owned()),
        None if is_piped() => input(),
        None => return list(format),
    };
    let text = match text {
        // Whatever was to write into the pipe failed, and has said so: a list would push that off the screen.
        Ok(text) if text.trim().is_empty() => {
            return refuse(&["there is no text to explain (`pullprobe explain </dev/null` lists all causes)"]);
        }
        Ok(text) => text,
        Err(error) => {
            return refuse(&[format!("standard input cannot be read: {error}")]);
        }
    };
    if let Some(one) = Explained::named(text.trim()) {
        let told = if format == Format::Json { json::text(&one) } else { one.in_full() };
        return print(&told, ExitStatus::Well);
    }
    let explain::Explanation { readings, is_cut } = explain::read(&text);
    if is_cut {
        complain(&format!(
            "explain did not read all of it: it reads at most {} MiB and shows at most {} different failures",
            explain::TEXT >> 20,
            explain::READINGS
        ));
    }
    if readings.is_empty() {
        return refuse(&[unknown(&text)]);
    }
    let messages: Vec<Explanation> = readings.iter().map(Explanation::from).collect();
    let told = match format {
        Format::Json => json::text(&Messages { messages }),
        Format::Text => messages.iter().map(in_words).collect::<Vec<_>>().join("\n"),
    };
    print(&told, ExitStatus::Well)
}

fn list(format: Format) -> ExitStatus {
    let all: Vec<Explained> = Cause::ALL.iter().copied().map(Explained::from).collect();
    let owner = |one: &Explained| one.owner.unwrap_or_default();
    let line = |one: &Explained| format!("{:<34} {:<12} {}\n", one.cause, owner(one), one.summary);
    let told = match format {
        Format::Json => json::text(&all),
        Format::Text => all.iter().map(line).collect(),
    };
    print(&told, ExitStatus::Well)
}

/// Whether somebody hands a text over: a pipe or a file, and no terminal or `/dev/null`.
fn is_piped() -> bool {
    let kind = rustix::fs::fstat(std::io::stdin()).map(|status| FileType::from_raw_mode(status.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::RegularFile | FileType::Socket))
}

fn input() -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(INPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn in_words(told: &Explanation) -> String {
    let mut out = String::new();
    let subject = [("image", told.image), ("host", told.host), ("url", told.url)];
    let _ = writeln!(out, "{}", told.message);
    for (name, value) in subject.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let _ = writeln!(out, "  {name}: {value}");
    }
    out.push('\n');
    match told.causes.as_slice() {
        [one] => {
            out.push_str(&one.in_full());
            if !told.note.is_empty() {
                let _ = writeln!(out, "\nNote\n  {}", told.note);
            }
        }
        several => {
            out.push_str("Possible causes, the likeliest first:\n");
            for one in several {
                let _ = writeln!(out, "  {}{}: {}", one.cause, one.at_fault(), one.summary);
                let _ = writeln!(out, "    confirm: {}\n    fix: {}", one.confirm, one.fix);
            }
            if !told.note.is_empty() {
                let _ = writeln!(out, "\n{}", told.note);
            }
        }
    }
    out
}

fn unknown(text: &str) -> String {
    let states = kubelet::STATES.iter().map(|(name, ..)| *name);
    let names = Cause::ALL.iter().map(|cause| cause.as_str()).chain(states);
    let near = nearest(text, names).map_or_else(|| ".".to_owned(), |name| format!("; did you mean `{name}`?"));
    let shown = clip_to(&explain::redacted(text.trim()), REPEATED);
    format!(
        "`{shown}` is neither a cause nor words about a failed pull that pullprobe knows{near} `pullprobe explain` lists all causes, \
         `pullprobe check IMAGE` finds an image's"
    )
}
