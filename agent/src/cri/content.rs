//! containerd's content store, read-only: what the node has needs no registry and no room.
//!
//! Seen of 1.6, 1.7 and 2.1: a pull asks for the digest of the tag (or of the digest itself) with HEAD,
//! and for nothing else that lies under `blobs`, whichever image or repository brought it there.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::host::disk::{self, Disk};
use crate::host::root::{EntryKind, HostRoot};

const STORE: &str = "io.containerd.content.v1.content";
/// Snapshotters that need every layer's bytes; others (stargz, nydus) may leave them in the registry.
const EAGER: [&str; 8] = ["overlayfs", "native", "btrfs", "zfs", "devmapper", "fuse-overlayfs", "blockfile", "erofs"];
/// Those that unpack into a directory of containerd's root.
const BESIDE: [&str; 3] = ["overlayfs", "native", "fuse-overlayfs"];
/// More downloads than this are not under way.
const INGEST_LIMIT: usize = 1_000;

#[derive(Clone, Debug)]
pub struct ContentStore {
    host: HostRoot,
    /// containerd's own directory.
    root: PathBuf,
    snapshotter: String,
    /// Layers are thrown away once they are unpacked.
    discards_layers: bool,
    /// What one client of containerd pulled is there for the others too.
    shared: bool,
}

/// What there is of some content, and the room for the rest.
#[derive(Clone, Debug)]
pub struct Room {
    /// Of each content, in the order of the question: it is there.
    pub present: Vec<bool>,
    /// Bytes of downloads that are under way or were broken off: containerd goes on from there.
    pub unfinished: u64,
    pub disk: Disk,
}

impl ContentStore {
    pub fn new(host: &HostRoot, root: &Path, snapshotter: &str, discards_layers: bool, shared: bool) -> Self {
        let (host, root, snapshotter) = (host.clone(), root.to_owned(), snapshotter.to_owned());
        Self { host, root, snapshotter, discards_layers, shared }
    }

    /// Looks at what pulls read of it later, for who notes that.
    pub fn touch(&self) {
        self.host.will_read(&self.root.join(STORE));
    }

    /// Content of at most `limit` bytes, if it is there and hashes to its digest.
    pub fn read(&self, digest: &str, limit: usize) -> Option<Vec<u8>> {
        let body = self.host.read(&self.blob(digest)?, limit).ok()?;
        (digest == format!("sha256:{:x}", Sha256::digest(&body))).then_some(body)
    }

    /// How long content is, if it is there. Nothing of it is read.
    pub fn size_of(&self, digest: &str) -> Option<u64> {
        let stat = self.host.stat(&self.blob(digest)?).ok()?;
        (stat.kind == EntryKind::File).then_some(stat.size)
    }

    /// Whether content of this size is there. Nothing of it is read.
    pub fn holds(&self, digest: &str, size: i64) -> bool {
        let Some(path) = self.blob(digest) else { return false };
        let found = self.host.stat(&path).ok().filter(|stat| stat.kind == EntryKind::File);
        found.is_some_and(|stat| u64::try_from(size).is_ok_and(|size| size == stat.size))
    }

    /// Layers that are not there were unpacked and thrown away, if their manifest and config are there:
    /// those would go with the snapshots.
    pub const fn discards_layers(&self) -> bool {
        self.discards_layers
    }

    pub fn needs_layers(&self) -> bool {
        EAGER.contains(&self.snapshotter.as_str())
    }

    pub fn unpacks_beside(&self) -> bool {
        BESIDE.contains(&self.snapshotter.as_str())
    }

    /// The file system that downloads fill. The root itself may be out of sight where the store is not.
    pub fn disk(&self) -> Option<Disk> {
        disk::of(&self.host, &self.root.join(STORE)).or_else(|| disk::of(&self.host, &self.root))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `None`: its disk is out of sight.
    pub fn room_for(&self, contents: &[(String, i64)]) -> Option<Room> {
        let disk = self.disk()?;
        let present = contents.iter().map(|(digest, size)| self.holds(digest, *size)).collect();
        Some(Room { present, unfinished: self.unfinished(), disk })
    }

    fn unfinished(&self) -> u64 {
        let ingests = self.root.join(STORE).join("ingest");
        let (entries, _) = self.host.list_some(&ingests).unwrap_or_default();
        let size = |entry: &crate::host::root::Entry| self.host.stat(&ingests.join(&entry.name).join("data")).ok();
        entries.iter().take(INGEST_LIMIT).filter_map(size).map(|stat| stat.size).sum()
    }

    /// `None`: no digest that containerd would have a file for, or one that it would not look at.
    fn blob(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:").filter(|_| self.shared)?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_hex.then(|| self.root.join(STORE).join("blobs/sha256").join(hex))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn store(shared: bool) -> (tempfile::TempDir, ContentStore) {
        let directory = tempfile::tempdir().unwrap();
        let host = HostRoot::open(directory.path()).unwrap();
        let store = ContentStore::new(&host, Path::new("/var/lib/containerd"), "overlayfs", false, shared);
        let blobs = directory.path().join("var/lib/containerd").join(STORE).join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join(&EMPTY[7..]), "").unwrap();
        (directory, store)
    }

    #[test]
    fn content_is_read_if_it_is_what_its_digest_says() {
        let (directory, store) = store(true);
        assert_eq!(store.read(EMPTY, 10), Some(Vec::new()));
        assert!(store.holds(EMPTY, 0) && !store.holds(EMPTY, 1) && !store.holds(EMPTY, -1));
        let blobs = directory.path().join("var/lib/containerd").join(STORE).join("blobs/sha256");
        std::fs::write(blobs.join(&EMPTY[7..]), "changed").unwrap();
        assert_eq!(store.read(EMPTY, 10), None);
        assert_eq!(store.read("sha256:../../../../../etc/passwd", 10), None);
    }

    #[test]
    fn what_other_clients_pulled_does_not_count_where_it_is_not_shared() {
        let (_directory, store) = store(false);
        assert_eq!((store.read(EMPTY, 10), store.holds(EMPTY, 0)), (None, false));
    }

    #[test]
    fn downloads_that_were_broken_off_are_summed_up() {
        let (directory, store) = store(true);
        let ingest = directory.path().join("var/lib/containerd").join(STORE).join("ingest");
        for (name, size) in [("a", 3), ("b", 4)] {
            std::fs::create_dir_all(ingest.join(name)).unwrap();
            std::fs::write(ingest.join(name).join("data"), vec![0; size]).unwrap();
        }
        std::fs::create_dir_all(ingest.join("c")).unwrap();
        assert_eq!(store.unfinished(), 7);
        assert!(store.disk().unwrap().size_bytes > 0);
    }
}
