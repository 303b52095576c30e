//! The node's own part of a pull: what it already has is not asked for, what it lacks must find room.

use std::collections::BTreeSet;

use super::documents::Descriptor;
use super::{Phase, Pull, Stop};
use crate::model::cause::Cause;
use crate::model::outcome::Failure;
use crate::model::report::ContentSource;
use crate::model::space::{Space, bytes};
use crate::model::stage::Stage;
use crate::node::disk::Disk;

/// A download has a directory and four files; once it is complete, one file is left.
const INODES_OF_A_DOWNLOAD: u64 = 5;
/// containerd notes every pull in its database first, and that grows by pages.
const DATABASE_BYTES: u64 = 32 << 10;

/// What is still to be downloaded, each digest once.
#[derive(Debug, Default)]
pub struct Need {
    seen: BTreeSet<String>,
    bytes: u64,
    files: u64,
    layer_bytes: u64,
}

impl Pull<'_> {
    /// What the content store has. Of a layer nothing is read.
    pub(super) fn held(&self, descriptor: &Descriptor, touch: bool, limit: usize) -> Option<Vec<u8>> {
        if !touch {
            return self.store.read(&descriptor.digest, limit);
        }
        let there = self.store.holds(&descriptor.digest, descriptor.size) || self.was_unpacked();
        there.then(Vec::new)
    }

    /// The image was pulled before and its layers were thrown away: containerd finds the snapshots.
    fn was_unpacked(&self) -> bool {
        let has_config = self.source == Some(ContentSource::ContentStore) && self.blob.is_none();
        self.store.discards_layers() && has_config
    }

    /// Whether what is missing of these finds room. Only what is certain counts: the compressed bytes,
    /// less what broken downloads left.
    pub(super) fn make_room(&mut self, documents: &[Descriptor], layers: &[Descriptor]) -> Result<(), Stop> {
        let Some(disk) = self.store.disk() else { return Ok(()) };
        for one in documents {
            self.want(one, false);
        }
        let eager = self.store.needs_layers() && !self.was_unpacked();
        for one in layers.iter().filter(|layer| eager && layer.urls.is_empty()) {
            self.want(one, true);
        }
        if self.need.files == 0 {
            self.space = Some(Space::new(0, 0, disk.free_bytes, disk.available_bytes));
            return Ok(());
        }
        let bytes = self.need.bytes.saturating_sub(self.store.unfinished());
        let unpacked = if self.store.unpacks_beside() { self.need.layer_bytes } else { 0 };
        self.space = Some(Space::new(bytes, unpacked, disk.free_bytes, disk.available_bytes));
        self.fits(bytes, &disk)
    }

    fn want(&mut self, one: &Descriptor, layer: bool) {
        if self.store.holds(&one.digest, one.size) || !self.need.seen.insert(one.digest.clone()) {
            return;
        }
        let size = u64::try_from(one.size).unwrap_or(0);
        self.need.files += 1;
        self.need.bytes = self.need.bytes.saturating_add(size);
        if layer {
            self.need.layer_bytes = self.need.layer_bytes.saturating_add(size);
        }
    }

    fn fits(&self, needed: u64, disk: &Disk) -> Result<(), Stop> {
        let root = self.store.root().display();
        let store = format!("{root}/io.containerd.content.v1.content");
        let files = self.need.files - 1 + INODES_OF_A_DOWNLOAD;
        if disk.inodes > 0 && disk.inodes_free < files && self.store.unfinished() == 0 {
            let detail =
                format!("{files} new files are needed at least, {} inodes are free below {root}", disk.inodes_free);
            let wording = format!("mkdir {store}/ingest/…: no space left on device");
            let failure = Failure::new(Stage::Node, Cause::InodesExhausted, detail).worded(wording);
            return Err(Stop::Fetch(Phase::Commit, failure));
        }
        if needed <= disk.free_bytes {
            return Ok(());
        }
        let detail = format!("{} are needed at least, {} are free below {root}", bytes(needed), bytes(disk.free_bytes));
        let wording = if disk.free_bytes < DATABASE_BYTES {
            format!("write {root}/io.containerd.metadata.v1.bolt/meta.db: no space left on device")
        } else {
            format!("failed to copy: write {store}/ingest/…/data: no space left on device")
        };
        let failure = Failure::new(Stage::Node, Cause::DiskFull, detail).worded(wording);
        Err(Stop::Fetch(Phase::Commit, failure))
    }
}
