//! A node of a few files of which the fuzzer writes one, and what must hold for all that is said of them.

use std::path::Path;

use pullprobe::host::root::HostRoot;
use pullprobe::model::finding::Finding;

/// A longer text of a finding is no help, and whoever writes the file decides how many there are.
const MESSAGE_LIMIT: usize = 2048;

pub struct Node {
    directory: tempfile::TempDir,
    pub root: HostRoot,
}

impl Node {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::open(directory.path()).unwrap();
        Self { directory, root }
    }

    pub fn with(self, path: &str, bytes: &[u8]) -> Self {
        self.write(path, bytes);
        self
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.directory.path().join(path.trim_start_matches('/'));
        if std::fs::write(&file, bytes).is_err() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, bytes).unwrap();
        }
    }
}

/// Findings are bounded in size and number, steer no terminal, and point into the file.
pub fn check_findings(findings: &[Finding], file: &str, bytes: &[u8]) {
    assert!(findings.len() <= 64 + 2 * bytes.len(), "{} findings on {} bytes", findings.len(), bytes.len());
    for finding in findings {
        for text in [&finding.message, &finding.fix] {
            assert!(text.len() <= MESSAGE_LIMIT, "{} bytes in {finding:?}", text.len());
            assert!(!text.chars().any(char::is_control), "{finding:?}");
        }
        assert!(!finding.message.is_empty(), "{finding:?}");
        let path = finding.file.as_deref().unwrap_or("/");
        assert!(Path::new(path).is_absolute(), "{finding:?}");
        if path == file {
            check_place(bytes, finding.line().unwrap_or(1), finding.column().unwrap_or(1));
        }
    }
}

/// The line exists, and the column is in it or right behind it. Both count from 1.
pub fn check_place(bytes: &[u8], line: usize, column: usize) {
    let text = String::from_utf8_lossy(bytes);
    let found = text.split('\n').nth(line.checked_sub(1).expect("lines count from 1"));
    let length = found.unwrap_or_else(|| panic!("the file has no line {line}")).chars().count();
    assert!((1..=length + 1).contains(&column), "line {line} has no column {column}, only {length}");
}
