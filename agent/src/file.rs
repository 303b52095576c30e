//! Reads and writes pullprobe's own files: it never hangs on a pipe or device, and reads no more than a limit.

use std::fs::File;
use std::io;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

pub mod aside;

pub mod document;

/// Opens a regular file for reading. A pipe without a writer would hold up whoever opens it, a device gives
/// bytes without end.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    match kind {
        FileType::RegularFile => Ok(File::from(opened)),
        FileType::Directory => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// The whole of a file of at most `limit` bytes; a longer one is an error that names the limit.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}

/// `Ok` where nothing, a file or a link stands: a new file may take its place. A directory, a pipe or a device is left alone.
pub fn replaceable(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_file() || found.is_symlink() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new, empty file at `path`. A file or link that stands there is taken away first; what else stands there is an error.
pub fn create(path: &Path) -> io::Result<File> {
    replaceable(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // It may name what the node's other users are not to see.
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Whole or not at all, also where the power goes: a new file takes the place of the old one.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    replaceable(path)?;
    let mut beside = path.to_owned();
    beside.as_mut_os_string().push(".new");
    let mut new = create(&beside)?;
    new.write_all(text)?;
    new.sync_all()?;
    std::fs::rename(&beside, path)
}

/// Whether `path` could be replaced now. What stands there is left alone: another file is made beside it, filled and taken away again.
pub fn try_beside(path: &Path) -> io::Result<()> {
    replaceable(path)?;
    let mut beside = path.to_owned();
    beside.as_mut_os_string().push(".try");
    let filled = match create(&beside) {
        // Another agent makes it at this moment, and then it can be made here.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created?.write_all(b"0\n"),
    };
    match std::fs::remove_file(&beside) {
        // Another agent, which tries the same, has taken it away.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => filled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_only_so_much_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read_text(&file, 5).unwrap(), "12345");
        assert_eq!(read(&file, 4).unwrap_err().to_string(), "larger than 4 bytes");
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&pipe, 5).unwrap_err().to_string(), "not a regular file");
        assert_eq!(create(&pipe).unwrap_err().to_string(), "not a regular file");
        assert!(read(Path::new("/dev/zero"), 5).is_err() && read(directory.path(), 5).is_err());
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(read_text(&file, 5).unwrap_err().to_string(), "not UTF-8 text");
    }

    #[test]
    fn a_new_file_takes_the_place_of_an_old_one_and_goes_through_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        drop(create(&link).unwrap());
        assert_eq!((std::fs::read(&file).unwrap(), std::fs::read(&link).unwrap()), (b"old".to_vec(), Vec::new()));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_a_directory_or_pipe_never() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        assert!(replace(&directory.path().join("directory"), b"three").is_err());
        assert!(replace(&directory.path().join("missing/file"), b"three").is_err());
    }

    /// An agent that takes the place of another one runs beside it for a while.
    #[test]
    fn agents_that_try_at_the_same_time_do_not_disturb_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|round| try_beside(&file).unwrap_or_else(|e| panic!("{round}: {e}"))));
            }
        });
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn whether_a_file_can_be_replaced_is_found_out_without_touching_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        try_beside(&file).unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "one").unwrap();
        std::fs::write(directory.path().join("file.try"), "left by one that was killed").unwrap();
        try_beside(&file).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        for wrong in ["directory", "missing/file", "file/file"] {
            assert!(try_beside(&directory.path().join(wrong)).is_err(), "{wrong}");
        }
    }
}
