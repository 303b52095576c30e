//! Reads containerd's files from the host root within bounds, and remembers what was read as a hash.

use std::path::Path;

use go::toml::weight;
use sha2::{Digest as _, Sha256};

use crate::host::root::{Entry, HostRoot, ReadError, Stat};

/// No file of containerd's configuration has a reason to be larger, though containerd would read it.
pub const FILE_LIMIT: usize = 1 << 20;
/// All files together: bounds what a hostile certs.d can make us hold.
const TOTAL_LIMIT: usize = 64 << 20;

/// What the trees of all files together may weigh: a few keys for each of thousands of registries.
const TOTAL_WEIGHT: usize = 2 * weight::MOST;

pub struct Reader<'a> {
    root: &'a HostRoot,
    hash: Sha256,
    left: usize,
    weight_left: usize,
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a HostRoot) -> Self {
        Self { root, hash: Sha256::new(), left: TOTAL_LIMIT, weight_left: TOTAL_WEIGHT }
    }

    pub const fn root(&self) -> &HostRoot {
        self.root
    }

    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, ReadError> {
        let read = self.root.read(Path::new(path), FILE_LIMIT.min(self.left));
        self.hash.update(format!("{path}\n"));
        match &read {
            Ok(bytes) => {
                self.left -= bytes.len();
                self.hash.update(format!("{}\n", bytes.len()));
                self.hash.update(bytes);
            }
            Err(error) => self.hash.update(format!("{}\n", error.reason())),
        }
        read
    }

    /// Whether what this file says is kept beside what the others say. `Err`: why not.
    pub fn weigh(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let weight = weight::weight(bytes);
        // One that is too heavy by itself is refused by itself.
        if weight <= weight::MOST {
            self.weight_left = self.weight_left.checked_sub(weight).ok_or_else(|| {
                format!("pullprobe does not read {path}: all files together have more keys and values than it keeps")
            })?;
        }
        Ok(())
    }

    pub fn list(&mut self, path: &str) -> Result<Vec<Entry>, ReadError> {
        let entries = self.root.list(Path::new(path))?;
        self.note(path, &entries);
        Ok(entries)
    }

    /// As many as are listed, and whether there are more.
    pub fn list_some(&mut self, path: &str) -> Result<(Vec<Entry>, bool), ReadError> {
        let (entries, more) = self.root.list_some(Path::new(path))?;
        self.note(path, &entries);
        Ok((entries, more))
    }

    fn note(&mut self, path: &str, entries: &[Entry]) {
        for entry in entries {
            self.hash.update(format!("{path}/{}\n", entry.name.display()));
        }
    }

    /// A look that no pull depends on: what is there is no part of the hash.
    pub fn peek(&self, path: &str) -> Vec<Entry> {
        self.root.list(Path::new(path)).unwrap_or_default()
    }

    pub fn stat(&self, path: &str) -> Result<Stat, ReadError> {
        self.root.stat(Path::new(path))
    }

    /// Whether any user of the node may read the file: it, and every directory above it, are open.
    pub fn is_open_to_all(&self, path: &str) -> bool {
        let path = Path::new(path);
        let open = |path: &Path, bit| self.root.stat(path).is_ok_and(|stat| stat.mode & bit != 0);
        let mut above = path.ancestors().skip(1).filter(|dir| dir.parent().is_some());
        open(path, 0o004) && above.all(|dir| open(dir, 0o001))
    }

    /// Of what was read since the last call.
    pub fn take_hash(&mut self) -> String {
        format!("{:x}", self.hash.finalize_reset())
    }
}

/// One hash of several.
pub fn hash_of(parts: &[&str]) -> String {
    format!("{:x}", Sha256::digest(parts.join("\n")))
}

/// Why pullprobe does not read what containerd may well read; `None`: containerd fails too.
pub fn unread(path: &str, error: &ReadError) -> Option<String> {
    let reason = match error {
        ReadError::TooLarge { limit, .. } if *limit < FILE_LIMIT => {
            let total = TOTAL_LIMIT >> 20;
            format!(
                "it is larger than the {limit} bytes that pullprobe reads of it, and it reads {total} MiB of all files together"
            )
        }
        ReadError::TooLarge { limit, .. } => format!("it is larger than {} MiB", limit >> 20),
        ReadError::TooMany { limit, .. } => format!("it has more than {limit} entries"),
        ReadError::NotAFile(_) => "it is neither a file nor a directory".into(),
        _ if error.is_forbidden() => error.reason(),
        _ => return None,
    };
    Some(format!("pullprobe does not read {path}: {reason}"))
}

/// How Go words a failed `os.ReadFile`.
pub fn read_words(path: &str, error: &ReadError) -> String {
    let verb = if matches!(error, ReadError::IsDirectory(_)) { "read" } else { "open" };
    format!("{verb} {path}: {}", error.reason())
}

/// The directory of a file, as Go's `filepath.Dir`.
pub fn directory(file: &str) -> &str {
    match file.rfind('/') {
        Some(0) => "/",
        Some(slash) => &file[..slash],
        None => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_weigh_no_more_than_is_kept_and_one_that_is_refused_anyway_weighs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::open(directory.path()).unwrap();
        let mut reader = Reader::new(&root);
        let of = |weight: usize| ",".repeat(weight).into_bytes();
        assert!(reader.weigh("/too/heavy", &of(weight::MOST + 1)).is_ok());
        for _ in 0..TOTAL_WEIGHT / weight::MOST {
            assert!(reader.weigh("/a", &of(weight::MOST)).is_ok());
        }
        let why = reader.weigh("/b", &of(1)).unwrap_err();
        assert!(why.starts_with("pullprobe does not read /b: all files together"), "{why}");
        assert!(reader.weigh("/c", b"# nothing").is_ok());
    }
}
