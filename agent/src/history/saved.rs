//! The histories as text, for a file that outlives the agent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::journal::{Happening, LIMIT, What};
use super::record::{self, ENTRIES, Entry, Record};
use super::subject::{Subject, WINDOW};
use super::{Histories, TOTAL};
use crate::history::answer::State;
use crate::model::stage::Stage;
use crate::redact::clean::Clean;

/// All of it is well below this: 8,192 entries of some 150 bytes.
pub const SIZE_LIMIT: u64 = 4 << 20;
const VERSION: u32 = 1;
/// An image name is no longer than that, nor is a host with its registry.
const NAME_LIMIT: usize = 1 << 10;

#[derive(Serialize, Deserialize)]
struct Document {
    pullprobe_history: u32,
    written_at: Timestamp,
    targets: Vec<Target>,
    journal: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Target {
    #[serde(flatten)]
    subject: Name,
    changes: Vec<Change>,
    #[serde(default)]
    left_out: u32,
    #[serde(default)]
    left_out_at: Option<Timestamp>,
    /// Its first entry may not be among the changes any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing: Option<Failing>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Name {
    Image { image: String },
    Host { registry: String, endpoint: String },
}

#[derive(Serialize, Deserialize)]
struct Change {
    since: Timestamp,
    ok: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<Clean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<Clean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Clean>,
    #[serde(default)]
    from_start: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_only_pulled: bool,
}

#[derive(Serialize, Deserialize)]
struct Failing {
    since: Timestamp,
    #[serde(default)]
    from_start: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    what: Clean,
    detail: Clean,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<Name>,
}

/// What a file gave.
#[derive(Debug)]
pub struct Restored {
    pub histories: Histories,
    /// When it was written.
    pub written_at: Timestamp,
}

impl Histories {
    pub fn to_text(&self, now: Timestamp) -> String {
        let targets = self.records.iter().map(|(subject, record)| Target::of(subject, record)).collect();
        let journal = self.journal.all().map(Line::from).collect();
        let document = Document { pullprobe_history: VERSION, written_at: now, targets, journal };
        // Only maps with other keys than strings and failing serializers can fail; there are none here.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// What a text says that an agent wrote. `Err`: why it is none. What is older than a day says nothing any more.
    pub fn from_text(text: &str, now: Timestamp) -> Result<Restored, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.pullprobe_history != VERSION {
            return Err(format!("it has version {}, expected {VERSION}", document.pullprobe_history));
        }
        let written_at = document.written_at.min(now);
        let mut histories = Self { read_at: Some(now), ..Self::default() };
        if now.duration_since(written_at) > WINDOW {
            return Ok(Restored { histories, written_at });
        }
        let mut left = TOTAL;
        for target in document.targets {
            let Some((subject, mut record)) = target.restored().filter(|(_, record)| record.entries.len() <= left)
            else {
                continue;
            };
            left -= record.entries.len();
            record.not_after(now);
            record.forget(now);
            histories.records.insert(subject, record.into());
        }
        for happening in document.journal.into_iter().take(LIMIT).filter_map(Line::restored) {
            let at = happening.at.min(now);
            histories.happened(Happening { at, ..happening }, now);
        }
        histories.revision = 0;
        Ok(Restored { histories, written_at })
    }
}

impl Target {
    fn of(subject: &Subject, record: &Record) -> Self {
        let changes = record.entries.iter().map(Change::from).collect();
        let failing = record.not_ended.map(|record::Failing { since, from_start }| Failing { since, from_start });
        Self { subject: subject.into(), changes, left_out: record.left_out, left_out_at: record.left_out_at, failing }
    }

    /// `None`: an agent of another version wrote words that this one does not know.
    fn restored(self) -> Option<(Subject, Record)> {
        let skipped = self.changes.len().saturating_sub(ENTRIES);
        let mut record = Record { left_out: self.left_out, left_out_at: self.left_out_at, ..Record::default() };
        for change in self.changes.into_iter().skip(skipped) {
            let from_start = change.from_start;
            let since = change.since;
            record.restore(Entry { since, state: change.restored()?, from_start });
        }
        if let Some(Failing { since, from_start }) = self.failing {
            record.restore_failing(record::Failing { since, from_start });
        }
        Some((self.subject.restored()?, record)).filter(|(_, record)| !record.entries.is_empty())
    }
}

impl Change {
    fn restored(self) -> Option<State> {
        let stage = |name: Clean| Stage::ALL.into_iter().find(|stage| stage.as_str() == name.as_str());
        let (stage, known) = (self.stage.map(stage), self.cause.map(|cause| cause.as_str().parse().ok()));
        // A word that is there and unknown is no missing word.
        let (stage, cause) =
            (stage.map_or(Some(None), |it| it.map(Some))?, known.map_or(Some(None), |it| it.map(Some))?);
        let host = self.host.as_ref().map(State::shared);
        Some(State { ok: self.ok, is_only_pulled: self.is_only_pulled, stage, host, cause })
    }
}

impl Line {
    fn restored(self) -> Option<Happening> {
        let what = What::ALL.into_iter().find(|what| what.as_str() == self.what.as_str())?;
        let host = match self.host {
            Some(name) => Some(name.restored()?),
            None => None,
        };
        Some(Happening { host, ..Happening::of_node(self.at, what, &self.detail) })
    }
}

impl Name {
    fn restored(self) -> Option<Subject> {
        let subject = match self {
            Self::Image { image } => Subject::Image(Clean::from(image).into_string()),
            Self::Host { registry, endpoint } => Subject::Host {
                namespace: Clean::from(registry).into_string(),
                endpoint: Clean::from(endpoint).into_string(),
            },
        };
        let length = match &subject {
            Subject::Image(image) => image.len(),
            Subject::Host { namespace, endpoint } => namespace.len() + endpoint.len(),
        };
        (length <= NAME_LIMIT).then_some(subject)
    }
}

impl From<&Subject> for Name {
    fn from(subject: &Subject) -> Self {
        match subject.clone() {
            Subject::Image(image) => Self::Image { image },
            Subject::Host { namespace, endpoint } => Self::Host { registry: namespace, endpoint },
        }
    }
}

impl From<&Entry> for Change {
    fn from(entry: &Entry) -> Self {
        let state = &entry.state;
        Self {
            since: entry.since,
            ok: state.ok,
            stage: state.stage.map(|stage| stage.as_str().into()),
            host: state.host.as_ref().map(|host| Clean::clone(host)),
            cause: state.cause.map(|cause| cause.as_str().into()),
            from_start: entry.from_start,
            is_only_pulled: state.is_only_pulled,
        }
    }
}

impl From<&Happening> for Line {
    fn from(happening: &Happening) -> Self {
        Self {
            at: happening.at,
            what: happening.what.as_str().into(),
            detail: happening.detail.clone(),
            host: happening.host.as_ref().map(Name::from),
        }
    }
}
