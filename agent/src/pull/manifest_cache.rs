//! Manifests that were paid for: kept by digest, so that nothing is paid for twice.
//!
//! What is read back from disk is held against its digest, so that a file can be missing but not wrong.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use crate::file::{self, aside::Aside};
use crate::manifest::digest::{digest_of, is_digest};

/// Manifests are a few KiB; the oldest go first.
const COUNT_LIMIT: usize = 512;
const BYTES_LIMIT: usize = 8 << 20;
/// Longer than the manifest of any image.
const LENGTH_LIMIT: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct ManifestCache {
    /// `None`: in memory only.
    directory: Option<PathBuf>,
    kept: Mutex<Kept>,
    disk: Aside,
}

#[derive(Debug, Default)]
struct Kept {
    documents: BTreeMap<String, Vec<u8>>,
    /// Oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl ManifestCache {
    /// What an earlier agent bought and left in `directory`, which is read and written on `disk`.
    pub fn open(directory: Option<PathBuf>, disk: &Aside) -> Arc<Self> {
        let opened = Arc::new(Self { directory, disk: disk.clone(), ..Self::default() });
        if let Some(directory) = opened.directory.clone() {
            let opened = Arc::clone(&opened);
            disk.begin(move || opened.learn(read_all(&directory)));
        }
        opened
    }

    fn learn(&self, found: io::Result<Vec<(String, Vec<u8>)>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(found) => found.into_iter().for_each(|(digest, body)| drop(kept.put(digest, body))),
            Err(error) => {
                tracing::warn!(%error, "cannot read the stored manifests: each may cost one more counted pull");
            }
        }
    }

    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).documents.get(digest).cloned()
    }

    pub fn put(&self, digest: &str, body: &[u8]) {
        // Only what can be verified when it is read back.
        if !digest.starts_with("sha256:") || !is_digest(digest) || body.len() > LENGTH_LIMIT {
            return;
        }
        let dropped = self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(digest.to_owned(), body.to_owned());
        let Some(directory) = self.directory.clone() else { return };
        let (digest, body) = (digest.to_owned(), body.to_owned());
        // Where too much waits already it is not stored, and costs one more counted pull after a restart.
        self.disk.begin(move || {
            if let Err(error) = write(&directory, &digest, &body) {
                tracing::warn!(%error, "cannot store a manifest: after a restart it costs one more counted pull");
            }
            for digest in dropped {
                // One that stays is read back at the next start, no more.
                drop(fs::remove_file(file_of(&directory, &digest)));
            }
        });
    }
}

impl Kept {
    /// What had to make room.
    fn put(&mut self, digest: String, body: Vec<u8>) -> Vec<String> {
        if self.documents.contains_key(&digest) {
            return Vec::new();
        }
        self.bytes += body.len();
        self.order.push_back(digest.clone());
        self.documents.insert(digest, body);
        let mut dropped = Vec::new();
        while self.order.len() > COUNT_LIMIT || self.bytes > BYTES_LIMIT {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.documents.remove(&oldest).map_or(0, |body| body.len());
            dropped.push(oldest);
        }
        dropped
    }
}

fn file_of(directory: &Path, digest: &str) -> PathBuf {
    directory.join(digest.trim_start_matches("sha256:"))
}

/// Oldest first; a directory that is not there yet is an empty one.
fn read_all(directory: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<_> = entries
        .flatten()
        .take(2 * COUNT_LIMIT)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    Ok(found.iter().filter_map(|(_, path)| read(path)).collect())
}

fn read(path: &Path) -> Option<(String, Vec<u8>)> {
    let digest = format!("sha256:{}", path.file_name()?.to_str()?);
    let body = file::read(path, LENGTH_LIMIT as u64).ok()?;
    (digest_of(&body) == digest).then_some((digest, body))
}

/// Whole or not at all: a new file takes the place of the old one.
fn write(directory: &Path, digest: &str, body: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let beside = directory.join("new");
    file::create(&beside)?.write_all(body)?;
    fs::rename(&beside, file_of(directory, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_bought_is_there_after_a_restart_and_what_was_tampered_with_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Aside::default();
        let open = || ManifestCache::open(Some(directory.path().join("manifests")), &disk);
        let (one, other) = (digest_of(b"one"), digest_of(b"other"));
        let manifest_cache = open();
        manifest_cache.put(&one, b"one");
        manifest_cache.put(&other, b"other");
        manifest_cache.put("sha256:../../etc/passwd", b"x");
        disk.result(|| ()).await.unwrap();
        fs::write(file_of(&directory.path().join("manifests"), &other), b"another").unwrap();
        let again = open();
        disk.result(|| ()).await.unwrap();
        assert_eq!((again.get(&one).as_deref(), again.get(&other)), (Some(&b"one"[..]), None));
    }

    #[tokio::test]
    async fn the_oldest_make_room_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Aside::default();
        let manifest_cache = ManifestCache::open(Some(directory.path().into()), &disk);
        let body = |number: usize| number.to_string().into_bytes();
        for number in 0..COUNT_LIMIT + 2 {
            manifest_cache.put(&digest_of(&body(number)), &body(number));
            disk.result(|| ()).await.unwrap();
        }
        let has = |number: usize| manifest_cache.get(&digest_of(&body(number))).is_some();
        assert!(!has(0) && !has(1) && has(2) && has(COUNT_LIMIT + 1));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), COUNT_LIMIT);
    }
}
