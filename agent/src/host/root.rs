//! The host root: reads the node's files with every symlink resolved inside it, never outside.
//!
//! A container that mounts the node's root at `/host` must follow `/etc/resolv.conf ->
//! /run/systemd/resolve/…` as the node would. Each path component is opened on its own, from the
//! directory reached so far, so neither a link nor a race leads out of the root.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::reads::ReadLog;
use super::sight::{self, Recorder};
use crate::model::trust::Mark;

mod listing;
mod noted;

/// As the kernel: more links on one path are taken for a loop.
const LINK_LIMIT: usize = 40;
/// The node's root directory, held open.
#[derive(Clone, Debug)]
pub struct HostRoot {
    fd: Arc<OwnedFd>,
    /// The path as seen by this process, for messages about the root itself.
    dir: PathBuf,
    /// Notes what is opened.
    recorder: Option<Arc<Recorder>>,
    /// Notes what is in the files that are read.
    reads: Option<Arc<ReadLog>>,
    /// What this process gave up before it was asked for, as real paths.
    given_up: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// Why a file of the node could not be read. The text is that of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{}: no such file or directory", .0.display())]
    NotFound(PathBuf),
    #[error("{}: is a directory", .0.display())]
    IsDirectory(PathBuf),
    #[error("{}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("{}: larger than {limit} bytes", .path.display())]
    TooLarge { path: PathBuf, limit: usize },
    #[error("{}: more than {limit} entries", .path.display())]
    TooMany { path: PathBuf, limit: usize },
    #[error("{}: not UTF-8 text", .0.display())]
    NotText(PathBuf),
    #[error("{}: {}", .0.display(), os_text(*.1))]
    Os(PathBuf, Errno),
}

impl ReadError {
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Permissions keep pullprobe out, and not the daemons: those run as root with every capability. So do limits
    /// of its own: its open files, its memory.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Os(_, Errno::ACCESS | Errno::PERM | Errno::MFILE | Errno::NFILE | Errno::NOMEM))
    }

    /// There is something that the daemons may read, and pullprobe does not: it is longer than that, or holds more.
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::TooMany { .. })
    }

    /// It is pullprobe alone that does not read what the daemons may well read: nothing that hangs on it is certain.
    pub const fn is_ours(&self) -> bool {
        self.is_forbidden() || self.is_too_large()
    }

    /// As asked for.
    pub fn path(&self) -> &Path {
        match self {
            Self::NotFound(path)
            | Self::IsDirectory(path)
            | Self::NotAFile(path)
            | Self::NotText(path)
            | Self::TooLarge { path, .. }
            | Self::TooMany { path, .. }
            | Self::Os(path, _) => path,
        }
    }

    /// The operating system's words alone, as Go prints them after the path.
    pub fn reason(&self) -> String {
        match self {
            Self::NotFound(_) => "no such file or directory".into(),
            Self::IsDirectory(_) => "is a directory".into(),
            Self::NotAFile(_) => "not a regular file".into(),
            Self::TooLarge { limit, .. } => format!("larger than {limit} bytes"),
            Self::TooMany { limit, .. } => format!("more than {limit} entries"),
            Self::NotText(_) => "not UTF-8 text".into(),
            Self::Os(_, errno) => os_text(*errno),
        }
    }
}

/// Lower-cased first letter and no `(os error N)`: how Go's syscall package words it.
fn os_text(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    Other,
}

/// A name in a directory, its kind after following links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: OsString,
    pub kind: EntryKind,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub kind: EntryKind,
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Modification time, Unix seconds.
    pub modified: i64,
    pub mark: Mark,
}

impl HostRoot {
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let dir = dir.into();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&dir, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd: Arc::new(fd), dir, recorder: None, reads: None, given_up: Arc::default() }),
            Err(errno) => Err(wrap(&dir, errno)),
        }
    }

    /// Where the root is, as this process sees it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The same root, which notes from now on what is opened in it.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { recorder: Some(Arc::default()), ..self }
    }

    /// Whether a directory of the node is mounted here as a whole, and not single ones below it.
    pub fn is_mounted(&self) -> bool {
        let looked = rustix::fs::statx(&*self.fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        let told = looked.ok().filter(|stat| stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT));
        let Some(stat) = told else { return self.is_another_file_system() };
        stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    }

    /// For kernels before 5.8, which tell no more.
    fn is_another_file_system(&self) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let device = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).ok().map(|stat| stat.st_dev);
        let above = rustix::fs::openat(&*self.fd, "..", flags, Mode::empty());
        above.is_ok_and(|above| device(above.as_fd()) != device(self.fd.as_fd()))
    }

    /// Reads a regular file of at most `limit` bytes. `path` is absolute, as on the node.
    pub fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
        let (file, _) = self.open_file(path)?;
        let mut bytes = Vec::new();
        let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let file = std::fs::File::from(file);
        let done = (&file).take(ceiling).read_to_end(&mut bytes);
        done.map_err(|e| wrap(path, Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        self.note_read(path, &file, &bytes);
        if bytes.len() > limit {
            return Err(ReadError::TooLarge { path: path.into(), limit });
        }
        Ok(bytes)
    }

    /// Where a library that opens files by itself finds this regular file, which this process may open.
    pub fn location(&self, path: &Path) -> Result<PathBuf, ReadError> {
        let (_, real) = self.open_file(path)?;
        Ok(self.dir.join(real.strip_prefix("/").unwrap_or(&real)))
    }

    /// The file, and where it is once every link is followed.
    fn open_file(&self, path: &Path) -> Result<(OwnedFd, PathBuf), ReadError> {
        let (handle, real) = self.follow(path)?;
        match kind_of(handle.as_fd()).map_err(|e| wrap(path, e))? {
            EntryKind::File => {}
            EntryKind::Directory => return Err(ReadError::IsDirectory(path.into())),
            EntryKind::Other => return Err(ReadError::NotAFile(path.into())),
        }
        if let Some(recorder) = &self.recorder {
            recorder.file(&real);
        }
        let opened = reopen(&handle, OFlags::RDONLY).inspect_err(|e| self.note_given_up(&handle, &real, *e));
        Ok((opened.map_err(|e| wrap(path, e))?, real))
    }

    pub fn read_text(&self, path: &Path, limit: usize) -> Result<String, ReadError> {
        String::from_utf8(self.read(path, limit)?).map_err(|_| ReadError::NotText(path.into()))
    }

    pub fn stat(&self, path: &Path) -> Result<Stat, ReadError> {
        let handle = self.walk(path)?;
        let stat = rustix::fs::fstat(&handle).map_err(|e| wrap(path, e))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Stat {
            kind: to_kind(FileType::from_raw_mode(stat.st_mode)),
            size,
            mode: stat.st_mode & 0o7777,
            modified: stat.st_mtime,
            mark: Mark {
                device: stat.st_dev,
                inode: stat.st_ino,
                size,
                changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
            },
        })
    }

    /// Free and total space of the file system that holds `path`.
    pub fn statvfs(&self, path: &Path) -> Result<rustix::fs::StatVfs, ReadError> {
        let handle = self.walk(path)?;
        rustix::fs::fstatvfs(&*handle).map_err(|e| wrap(path, e))
    }

    /// What `path` leads to, not opened for anything.
    pub fn handle(&self, path: &Path) -> Result<Arc<OwnedFd>, ReadError> {
        self.walk(path)
    }

    /// Where `path` leads once every link is followed: still a path as on the node.
    pub fn real_path(&self, path: &Path) -> Result<PathBuf, ReadError> {
        self.follow(path).map(|(_, real)| real)
    }

    fn walk(&self, path: &Path) -> Result<Arc<OwnedFd>, ReadError> {
        self.follow(path).map(|(fd, _)| fd)
    }

    fn follow(&self, path: &Path) -> Result<(Arc<OwnedFd>, PathBuf), ReadError> {
        let mut todo: Vec<Cow<'_, OsStr>> = components(path).map(Cow::Borrowed).collect();
        let mut trail: Trail<'_> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if *name == *".." {
                trail.pop();
                continue;
            }
            if *name == *"/" {
                trail.clear();
                continue;
            }
            let here = trail.last().map_or(&self.fd, |(_, fd)| fd);
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = rustix::fs::openat(here.as_fd(), &*name, flags, Mode::empty());
            let next = next.inspect_err(|e| self.note_missed(&trail, *e)).map_err(|e| wrap(path, e))?;
            let stat = rustix::fs::fstat(&next).map_err(|e| wrap(path, e))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                trail.push((name, Arc::new(next)));
                continue;
            }
            links += 1;
            if links > LINK_LIMIT {
                return Err(ReadError::Os(path.into(), Errno::LOOP));
            }
            let target = rustix::fs::readlinkat(&next, "", Vec::new()).map_err(|e| wrap(path, e))?;
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            todo.extend(components(target).map(|name| Cow::Owned(name.to_owned())));
        }
        let real = path_of(&trail);
        let fd = trail.pop().map_or_else(|| Arc::clone(&self.fd), |(_, fd)| fd);
        Ok((fd, real))
    }

    fn note_missed(&self, trail: &Trail<'_>, error: Errno) {
        if let Some(recorder) = self.recorder.as_ref().filter(|_| error == Errno::NOENT) {
            recorder.missed(path_of(trail));
        }
    }
}

/// The names on the way from the root, and what they lead to.
type Trail<'a> = Vec<(Cow<'a, OsStr>, Arc<OwnedFd>)>;

fn path_of(trail: &Trail<'_>) -> PathBuf {
    Path::new("/").join(trail.iter().map(|(name, _)| name).collect::<PathBuf>())
}

pub fn identity(handle: &OwnedFd) -> Option<sight::Identity> {
    rustix::fs::fstat(handle).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// The path's components, last first. A leading `/` is one, meaning: back to the root.
fn components(path: &Path) -> impl Iterator<Item = &OsStr> {
    let parts = path.components().rev().filter(|part| !matches!(part, Component::CurDir | Component::Prefix(_)));
    parts.map(Component::as_os_str)
}

/// Opens for reading what an `O_PATH` handle stands for. Never blocks on a FIFO: the kind was checked.
fn reopen(handle: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}

/// A directory, opened for its names.
pub fn reopen_directory(handle: &OwnedFd) -> Result<OwnedFd, Errno> {
    reopen(handle, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn kind_of(fd: BorrowedFd<'_>) -> Result<EntryKind, Errno> {
    Ok(to_kind(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode)))
}

const fn to_kind(kind: FileType) -> EntryKind {
    match kind {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        _ => EntryKind::Other,
    }
}

fn wrap(path: &Path, errno: Errno) -> ReadError {
    match errno {
        Errno::NOENT => ReadError::NotFound(path.into()),
        Errno::ISDIR => ReadError::IsDirectory(path.into()),
        errno => ReadError::Os(path.into(), errno),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::listing::ENTRY_LIMIT;

    use super::*;

    fn tree() -> (tempfile::TempDir, HostRoot) {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        std::fs::create_dir_all(root.join("etc/real")).unwrap();
        std::fs::create_dir_all(root.join("run")).unwrap();
        std::fs::write(outside.path().join("secret"), "outside").unwrap();
        std::fs::write(root.join("secret"), "inside").unwrap();
        std::fs::write(root.join("run/resolv.conf"), "nameserver 192.0.2.1").unwrap();
        symlink("/run/resolv.conf", root.join("etc/absolute")).unwrap();
        symlink("../run/resolv.conf", root.join("etc/relative")).unwrap();
        symlink("../../../../secret", root.join("etc/climbing")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        symlink("real", root.join("etc/dir")).unwrap();
        let root = HostRoot::open(root).unwrap();
        (outside, root)
    }

    fn read(root: &HostRoot, path: &str) -> Result<String, ReadError> {
        root.read_text(Path::new(path), 100)
    }

    #[test]
    fn links_are_followed_inside_the_root_and_never_outside() {
        let (_keep, root) = tree();
        assert_eq!(read(&root, "/etc/absolute").unwrap(), "nameserver 192.0.2.1");
        assert_eq!(read(&root, "/etc/relative").unwrap(), "nameserver 192.0.2.1");
        assert_eq!(read(&root, "/etc/climbing").unwrap(), "inside");
        assert_eq!(read(&root, "/../../secret").unwrap(), "inside");
        assert_eq!(root.real_path(Path::new("/etc/absolute")).unwrap(), Path::new("/run/resolv.conf"));
    }

    #[test]
    fn errors_carry_the_words_of_the_operating_system() {
        let (_keep, root) = tree();
        assert_eq!(read(&root, "/etc/missing").unwrap_err().reason(), "no such file or directory");
        assert_eq!(read(&root, "/etc/dir").unwrap_err().reason(), "is a directory");
        assert_eq!(read(&root, "/etc/loop").unwrap_err().reason(), "too many levels of symbolic links");
        assert_eq!(read(&root, "/secret/x").unwrap_err().reason(), "not a directory");
        assert_eq!(root.read(Path::new("/secret"), 3).unwrap_err().reason(), "larger than 3 bytes");
    }

    #[test]
    fn a_listing_tells_kinds_after_following_links() {
        let (_keep, root) = tree();
        let entries = root.list(Path::new("/etc")).unwrap();
        let kind = |name: &str| entries.iter().find(|e| e.name == name).map(|e| e.kind);
        assert_eq!(kind("dir"), Some(EntryKind::Directory));
        assert_eq!(kind("relative"), Some(EntryKind::File));
        assert_eq!(kind("loop"), Some(EntryKind::Other));
        let own = |directory: &str, name: &str| {
            let names = root.own_kinds(Path::new(directory)).unwrap();
            names.into_iter().find(|(of, _)| of == name).map(|(_, kind)| kind)
        };
        assert_eq!((own("/", "etc"), own("/etc", "dir")), (Some(FileType::Directory), Some(FileType::Symlink)));
        assert_eq!(own("/", "secret"), Some(FileType::RegularFile));
    }

    #[test]
    fn a_listing_is_never_cut_without_a_word() {
        let keep = tempfile::tempdir().unwrap();
        std::fs::create_dir(keep.path().join("many")).unwrap();
        let (root, dir) = (HostRoot::open(keep.path()).unwrap(), Path::new("/many"));
        let add = |number: usize| std::fs::write(keep.path().join(format!("many/{number}")), "").unwrap();
        (0..ENTRY_LIMIT).for_each(add);
        assert_eq!(root.list(dir).unwrap().len(), ENTRY_LIMIT);
        assert!(!root.list_some(dir).unwrap().1);
        add(ENTRY_LIMIT);
        let error = root.list(dir).unwrap_err();
        assert!(error.is_ours() && error.is_too_large(), "{error}");
        assert_eq!(error.to_string(), format!("/many: more than {ENTRY_LIMIT} entries"));
        let (some, more) = root.list_some(dir).unwrap();
        assert_eq!((some.len(), more), (ENTRY_LIMIT, true));
    }
}
