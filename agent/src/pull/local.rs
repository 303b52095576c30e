//! The node's own part of a pull: what it already has is not asked for, what it lacks must find room.

use std::collections::BTreeSet;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::fetch::ROOM_WAIT;
use super::{Phase, Pull, Stop};
use crate::cause::Cause;
use crate::cri::content::{ContentStore, Room};
use crate::http::body::{self, Body};
use crate::manifest::Descriptor;
use crate::model::outcome::Failure;
use crate::model::report::ContentSource;
use crate::model::space::{Space, bytes};
use crate::model::stage::Stage;

/// A download has a directory and four files; once it is complete, one file is left.
const INODES_OF_A_DOWNLOAD: u64 = 5;
/// containerd notes every pull in its database first, and that grows by pages.
const DATABASE_BYTES: u64 = 32 << 10;

/// On a disk that hangs, so many looks hang with it, and no more.
static LOOKS: Semaphore = Semaphore::const_new(8);

/// On a thread of its own: a disk that hangs must not hold up other probes, nor what is served.
async fn look<T: Send + 'static>(
    store: &ContentStore,
    at: impl FnOnce(&ContentStore) -> Option<T> + Send + 'static,
) -> Option<T> {
    let place = LOOKS.acquire().await.ok()?;
    let store = store.clone();
    let looking = tokio::task::spawn_blocking(move || {
        let _place = place;
        at(&store)
    });
    looking.await.ok().flatten()
}

/// What is still to be downloaded, each digest once.
#[derive(Debug, Default)]
pub struct Downloads {
    seen: BTreeSet<String>,
    bytes: u64,
    files: u64,
    layer_bytes: u64,
}

impl Pull<'_> {
    /// Whether the content store has a layer. Nothing of it is read.
    pub(super) async fn has_layer(&self, layer: &Descriptor) -> bool {
        let (digest, size) = (layer.digest.clone(), layer.size);
        self.was_unpacked() || look(self.store, move |store| store.holds(&digest, size).then_some(())).await.is_some()
    }

    /// What the content store has of an index, a manifest or a config.
    pub(super) async fn stored(&self, document: &Descriptor, limit: usize) -> Option<Body> {
        let digest = document.digest.clone();
        let there = digest.clone();
        let length = look(self.store, move |store| store.size_of(&there)).await?;
        let length = usize::try_from(length).ok().filter(|length| *length <= limit)?;
        let room = body::room(length, Instant::now() + ROOM_WAIT).await?;
        look(self.store, move |store| store.read(&digest, length).map(|bytes| room.filled(bytes))).await
    }

    /// The image was pulled before and its layers were thrown away: containerd finds the snapshots.
    fn was_unpacked(&self) -> bool {
        let has_config = self.source == Some(ContentSource::ContentStore) && self.blob.is_none();
        self.store.discards_layers() && has_config
    }

    /// Whether what is missing of these finds room. Only what is certain counts: the compressed bytes,
    /// less what broken downloads left.
    pub(super) async fn make_room(&mut self, documents: &[Descriptor], layers: &[Descriptor]) -> Result<(), Stop> {
        let eager = self.store.needs_layers() && !self.was_unpacked();
        let layers = layers.iter().filter(|layer| eager && !layer.is_elsewhere()).map(|layer| (layer, true));
        let wanted: Vec<(&Descriptor, bool)> =
            documents.iter().map(|document| (document, false)).chain(layers).collect();
        let contents: Vec<_> = wanted.iter().map(|(one, _)| (one.digest.clone(), one.size)).collect();
        let Some(room) = look(self.store, move |store| store.room_for(&contents)).await else { return Ok(()) };
        for ((one, is_layer), is_present) in wanted.into_iter().zip(&room.present) {
            if !is_present {
                self.want(one, is_layer);
            }
        }
        let disk = &room.disk;
        if self.need.files == 0 {
            self.space = Some(Space::new(0, 0, disk.free_bytes, disk.available_bytes));
            return Ok(());
        }
        let bytes = self.need.bytes.saturating_sub(room.unfinished);
        let unpacked = if self.store.unpacks_beside() { self.need.layer_bytes } else { 0 };
        self.space = Some(Space::new(bytes, unpacked, disk.free_bytes, disk.available_bytes));
        self.fits(bytes, &room)
    }

    fn want(&mut self, one: &Descriptor, layer: bool) {
        if !self.need.seen.insert(one.digest.clone()) {
            return;
        }
        let size = u64::try_from(one.size).unwrap_or(0);
        self.need.files += 1;
        self.need.bytes = self.need.bytes.saturating_add(size);
        if layer {
            self.need.layer_bytes = self.need.layer_bytes.saturating_add(size);
        }
    }

    fn fits(&self, needed: u64, found: &Room) -> Result<(), Stop> {
        let disk = &found.disk;
        let root = self.store.root().display();
        let store = format!("{root}/io.containerd.content.v1.content");
        let files = self.need.files - 1 + INODES_OF_A_DOWNLOAD;
        if disk.inodes > 0 && disk.inodes_free < files && found.unfinished == 0 {
            let detail =
                format!("{files} new files are needed at least, {} inodes are free below {root}", disk.inodes_free);
            let go_message = format!("mkdir {store}/ingest/…: no space left on device");
            let failure = Failure::new(Stage::Node, Cause::InodesExhausted, detail).with_go_message(go_message);
            return Err(Stop::Fetch(Phase::Commit, failure));
        }
        if needed <= disk.free_bytes {
            return Ok(());
        }
        let detail = format!("{} are needed at least, {} are free below {root}", bytes(needed), bytes(disk.free_bytes));
        let go_message = if disk.free_bytes < DATABASE_BYTES {
            format!("write {root}/io.containerd.metadata.v1.bolt/meta.db: no space left on device")
        } else {
            format!("failed to copy: write {store}/ingest/…/data: no space left on device")
        };
        let failure = Failure::new(Stage::Node, Cause::DiskFull, detail).with_go_message(go_message);
        Err(Stop::Fetch(Phase::Commit, failure))
    }
}
