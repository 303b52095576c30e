//! Reads a message of kubelet, containerd, Docker or CRI-O, and names the causes that it can come from.
//!
//! Pure and offline: it knows words, not nodes. What a node sees is `check`'s to say.

mod folded;
mod quoting;
mod subject;
mod table;

use std::cell::LazyCell;

use crate::cause::Cause;
use crate::redact::clean::Clean;
use crate::redact::clip::clip_to;

pub use quoting::TEXT;
pub use subject::redacted;
pub use table::Meaning;

/// More different failures than this are not told apart.
pub const READINGS: usize = 16;
/// Of each message so many bytes are repeated.
const MESSAGE: usize = 600;

/// One failure that the text tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The message itself, unquoted, without anybody's credentials.
    pub message: String,
    pub meaning: Meaning,
    /// What would tell the causes apart, or what else is to be known. Empty where one cause is certain.
    pub note: &'static str,
    pub image: Option<String>,
    /// The host that failed, with its port where it has one.
    pub host: Option<String>,
    /// Without its query.
    pub url: Option<String>,
}

impl Reading {
    /// The likeliest first. Empty: no registry had a part in it.
    pub const fn causes(&self) -> &'static [Cause] {
        match self.meaning {
            Meaning::Causes(causes) => causes,
            Meaning::OwnLimit | Meaning::BackOff => &[],
        }
    }
}

/// What a text tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub readings: Vec<Reading>,
    /// There are more than those, or the text is longer than what is looked at.
    pub is_cut: bool,
}

/// Every failure of a pull that the text tells of, in its order, each once. A wait between two tries is told
/// only where nothing says why.
pub fn read(text: &str) -> Explanation {
    let mut found: Vec<(&'static table::Row, Reading)> = Vec::new();
    let messages = quoting::messages(text);
    let alone = messages.iter().filter(|message| !message.trim().is_empty()).count() == 1;
    let mut is_cut = text.len() > TEXT;
    for message in messages {
        // What is named is looked for where no login stands any more: anything may be pasted in a name's place.
        let whole = LazyCell::new(|| redacted(&message));
        for part in parts(&message) {
            let Some(row) = table::row(part, alone) else { continue };
            let part = redacted(part.trim());
            let reading = Reading {
                meaning: row.meaning,
                note: row.note,
                image: subject::image(&whole).map(Clean::from).map(Clean::into_string),
                host: subject::host(&part).map(Clean::from).map(Clean::into_string),
                url: subject::url(&part).map(Clean::from).map(Clean::into_string),
                message: clip_to(&part, MESSAGE),
            };
            let same = |(known, other): &(&table::Row, Reading)| {
                known.is(row) && other.image == reading.image && other.host == reading.host
            };
            match found.iter().any(same) {
                true => {}
                false if found.len() < READINGS => found.push((row, reading)),
                false => is_cut = true,
            }
        }
    }
    let tells_more = found.iter().any(|(_, reading)| reading.meaning != Meaning::BackOff);
    found.retain(|(_, reading)| !tells_more || reading.meaning != Meaning::BackOff);
    // An event and a status tell of the same failure, one with the image's name and one without.
    let named: Vec<&table::Row> =
        found.iter().filter(|(_, reading)| reading.image.is_some()).map(|(row, _)| *row).collect();
    let is_new =
        |(row, reading): &(&table::Row, Reading)| reading.image.is_some() || !named.iter().any(|named| named.is(row));
    let readings = found.iter().filter(|one| is_new(one)).map(|(_, reading)| reading.clone()).collect();
    Explanation { readings, is_cut }
}

/// The errors of several logins stand in brackets, one behind the other.
fn parts(message: &str) -> Vec<&str> {
    const NEXT: &str = ", failed to pull and unpack image ";
    let starts: Vec<usize> = message.match_indices(NEXT).map(|(at, _)| at + 2).collect();
    let ends = starts.iter().copied().chain([message.len()]);
    [0].into_iter().chain(starts.iter().copied()).zip(ends).map(|(from, to)| &message[from..to]).collect()
}

#[cfg(test)]
mod tests;
