//! Reads the messages that people have in hand (an event, a container status, a line of a log) and says
//! which causes they can come from.
//!
//! Pure and offline: it knows words, not nodes. What a node sees is `check`'s to say.

mod folded;
mod quoting;
mod subject;
mod table;

use std::collections::BTreeSet;

use crate::model::cause::Cause;
use crate::model::clean::Clean;
use crate::model::outcome::clip_to;
use crate::model::shown::without_credentials;

pub use table::Meaning;

/// More different failures than this are not told apart.
const READINGS: usize = 16;
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
            Meaning::OwnLimit | Meaning::BackOff | Meaning::NeverPulled => &[],
        }
    }
}

/// Every failure of a pull that the text tells of, in its order, each once. A wait between two tries is told
/// only where nothing says why.
pub fn read(text: &str) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    let mut seen = BTreeSet::new();
    for message in quoting::messages(text) {
        for part in parts(&message) {
            let Some(row) = table::row(part) else { continue };
            let reading = Reading {
                message: clip_to(&subject::veiled(part.trim()), MESSAGE),
                meaning: row.meaning,
                note: row.note,
                image: subject::image(&message).map(|image| shown(&image)),
                host: subject::host(part).map(|host| shown(&host)),
                url: subject::url(part).map(|url| shown(&url)),
            };
            let key = (row.name(), reading.image.clone(), reading.host.clone());
            if readings.len() < READINGS && seen.insert(key) {
                readings.push(reading);
            }
        }
    }
    let tells_more = readings.iter().any(|reading| reading.meaning != Meaning::BackOff);
    readings.retain(|reading| !tells_more || reading.meaning != Meaning::BackOff);
    // An event and a status tell of the same failure, one with the image's name and one without.
    let named: BTreeSet<&str> = readings
        .iter()
        .filter(|r| r.image.is_some())
        .map(|r| table::row(&r.message).map_or("", |row| row.name()))
        .collect();
    let named: BTreeSet<String> = named.into_iter().map(str::to_owned).collect();
    readings.retain(|reading| {
        reading.image.is_some() || table::row(&reading.message).is_none_or(|row| !named.contains(row.name()))
    });
    readings
}

/// As people may see it: whoever wrote the message may have written anything.
fn shown(text: &str) -> String {
    Clean::line(&without_credentials(text)).into_string()
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
