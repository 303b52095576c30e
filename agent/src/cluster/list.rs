//! The list of the node's pods, decoded pod by pod while it arrives: of the whole answer no more than one is in memory.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use kube::client::Body;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::sync::mpsc;

use super::client::{self, Client};
use super::trouble::Trouble;
use crate::pods::{Listed, POD_LIMIT, PageMetadata, Pod};

/// An API server that answers from memory sends all pods at once, whatever limit is asked for.
const PAGE: usize = 100;
/// 250 pods of 30 KB are 7.5 MB. A pod alone cannot have more than 3 MB.
const BODY_LIMIT: usize = 256 << 20;
/// Between two parts of the answer.
const IDLE: Duration = Duration::from_secs(30);

/// As of when pods are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// Whatever the API server has in memory: it costs etcd nothing.
    Any,
    /// The newest, because what was asked for before is gone.
    Newest,
    /// They are watched from this version on.
    Watched(String),
    /// The same for a list: this or a newer one, from memory too.
    NotOlderThan(String),
}

impl Version {
    /// What to ask for when the API server does not know this one any more.
    #[must_use]
    pub fn expired(&self) -> Self {
        match self {
            Self::Watched(version) => Self::NotOlderThan(version.clone()),
            Self::Any | Self::Newest | Self::NotOlderThan(_) => Self::Newest,
        }
    }
}

/// All pods of a node, and the version from which on they can be watched.
#[derive(Debug)]
pub struct List {
    pub pods: Vec<Listed>,
    pub left_out: usize,
    pub version: String,
}

pub async fn list(client: &Client, node: &str, version: &Version) -> Result<List, Trouble> {
    let mut list = List { pods: Vec::new(), left_out: 0, version: String::new() };
    let mut next = String::new();
    loop {
        let answer = client.get(&path(node, version, &next)).await?;
        let (back, metadata) = decode(answer.into_body(), list).await?;
        list = back;
        list.version = metadata.resource_version.to_string();
        next = metadata.next.to_string();
        if next.is_empty() {
            return Ok(list);
        }
    }
}

fn path(node: &str, version: &Version, next: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("fieldSelector", &format!("spec.nodeName={node}"));
    match version {
        // A page of a list has the version of its first page.
        _ if !next.is_empty() => query.append_pair("limit", &PAGE.to_string()).append_pair("continue", next),
        Version::Any => query.append_pair("limit", &PAGE.to_string()).append_pair("resourceVersion", "0"),
        Version::Newest => query.append_pair("limit", &PAGE.to_string()),
        // With a limit an API server would go to etcd for it.
        Version::Watched(version) | Version::NotOlderThan(version) => query.append_pair("resourceVersion", version),
    };
    format!("/api/v1/pods?{}", query.finish())
}

/// On a thread of its own, which reads what arrives here.
async fn decode(mut body: Body, list: List) -> Result<(List, PageMetadata), Trouble> {
    let (sender, receiver) = mpsc::channel(4);
    let decoding = tokio::task::spawn_blocking(move || {
        let reader = BufReader::new(Arriving { receiver, part: Bytes::new() });
        let mut page = PageSeed { list, metadata: PageMetadata::default() };
        let mut json = serde_json::Deserializer::from_reader(reader);
        (&mut page).deserialize(&mut json).map(|()| (page.list, page.metadata))
    });
    let mut length = 0;
    let arrived = loop {
        match client::next(&mut body, IDLE).await {
            Ok(None) => break Ok(()),
            Ok(Some(bytes)) => {
                length += bytes.len();
                if length > BODY_LIMIT {
                    break Err(Trouble::Unreadable(format!("the list is longer than {} MiB", BODY_LIMIT >> 20)));
                }
                if sender.send(bytes).await.is_err() {
                    // The decoder has what it needs, or has stopped at something.
                    break Ok(());
                }
            }
            Err(trouble) => break Err(trouble),
        }
    };
    drop(sender);
    let decoded = decoding.await.map_err(|error| Trouble::Unreadable(error.to_string()))?;
    arrived?;
    decoded.map_err(|error| Trouble::Unreadable(error.to_string()))
}

/// The bytes of an answer, for somebody who waits for them.
struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            let Some(part) = self.receiver.blocking_recv() else { return Ok(0) };
            self.part = part;
        }
        let length = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

struct PageSeed {
    list: List,
    metadata: PageMetadata,
}

impl<'de> DeserializeSeed<'de> for &mut PageSeed {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut PageSeed {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pods")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut page: A) -> Result<(), A::Error> {
        while let Some(key) = page.next_key::<String>()? {
            match key.as_str() {
                "metadata" => self.metadata = page.next_value::<Option<PageMetadata>>()?.unwrap_or_default(),
                "items" => page.next_value_seed(Items(&mut self.list))?,
                _ => drop(page.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Items<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pods")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while self.0.pods.len() < POD_LIMIT {
            let Some(pod) = items.next_element::<Pod>()? else { return Ok(()) };
            self.0.pods.push(Listed::from(&pod));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.0.left_out += 1;
        }
        Ok(())
    }
}
