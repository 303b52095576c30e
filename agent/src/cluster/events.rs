//! The watch: one line of JSON for each change of a pod.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kube::client::Body;
use serde::Deserialize;

use super::client::{self, Client, Status};
use super::pace::chance;
use super::trouble::Trouble;
use crate::pods::{Pod, Text};

/// etcd takes 1.5 MB, and JSON is longer.
const LINE_LIMIT: usize = 8 << 20;
/// What stays of the buffer after a long line.
const KEPT: usize = 64 << 10;
/// The API server ends a watch after this many seconds, or up to half as long again: not all nodes at once.
const LASTS: u32 = 300;
/// It sends a bookmark every minute. A connection that is silent for longer may be dead.
const IDLE: Duration = Duration::from_secs(150);

#[derive(Debug)]
pub enum Event {
    Put(Box<Pod>),
    Gone(Box<Pod>),
    /// Nothing changed up to this version.
    Bookmark(String),
}

pub struct Watch {
    body: Body,
    buffer: BytesMut,
    /// Up to here there is no end of a line.
    searched: usize,
}

pub async fn watch(client: &Client, node: &str, version: &str) -> Result<Watch, Trouble> {
    let lasts = f64::from(LASTS) * (1.0 + 0.5 * chance());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("watch", "1")
        .append_pair("allowWatchBookmarks", "true")
        .append_pair("fieldSelector", &format!("spec.nodeName={node}"))
        .append_pair("resourceVersion", version)
        .append_pair("timeoutSeconds", &format!("{lasts:.0}"))
        .finish();
    let path = format!("/api/v1/pods?{query}");
    let answer = client.get(&path).await?;
    Ok(Watch { body: answer.into_body(), buffer: BytesMut::new(), searched: 0 })
}

impl Watch {
    /// `None`: the API server ended the watch in good order.
    pub async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            while let Some(line) = self.line() {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    return event(&line).map(Some);
                }
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(Trouble::Unreadable(format!("an event is longer than {} MiB", LINE_LIMIT >> 20)));
            }
            match client::next(&mut self.body, IDLE).await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) if self.buffer.is_empty() => return Ok(None),
                Ok(None) => return Err(Trouble::Ended("in the middle of an event".to_owned())),
                // The connection may be dead, or nothing has changed: a new watch tells which.
                Err(Trouble::Silent(limit)) => return Err(Trouble::Ended(format!("silent for {} s", limit.as_secs()))),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn line(&mut self) -> Option<Bytes> {
        let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = Bytes::copy_from_slice(&self.buffer[..self.searched + at]);
        let rest = self.buffer.split_off(self.searched + at + 1);
        // A long line is not to keep its room for ever.
        if self.buffer.capacity() > KEPT {
            self.buffer = BytesMut::from(&rest[..]);
        } else {
            self.buffer.clear();
            self.buffer.extend_from_slice(&rest);
        }
        self.searched = 0;
        Some(line)
    }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "type")]
    kind: Text<16>,
}

#[derive(Deserialize)]
struct Of<T> {
    object: T,
}

fn event(line: &[u8]) -> Result<Event, Trouble> {
    let unreadable = |error: serde_json::Error| Trouble::Unreadable(error.to_string());
    let Kind { kind } = serde_json::from_slice(line).map_err(unreadable)?;
    let pod = || Ok(Box::new(serde_json::from_slice::<Of<Pod>>(line).map_err(unreadable)?.object));
    match &*kind {
        "ADDED" | "MODIFIED" => Ok(Event::Put(pod()?)),
        "DELETED" => Ok(Event::Gone(pod()?)),
        "BOOKMARK" => Ok(Event::Bookmark(pod()?.metadata.resource_version.to_string())),
        "ERROR" => {
            let status = serde_json::from_slice::<Of<Status>>(line).map_err(unreadable)?.object;
            if status.is_expired() {
                return Err(Trouble::Expired);
            }
            Err(Trouble::Refused { status: status.code, message: status.message.to_string(), retry_after: None })
        }
        other => Err(Trouble::Unreadable(format!("an event of the kind `{other}`"))),
    }
}
