//! The suite finds what it looks for: a bound that is broken, a wrong answer, a fall, a terminal that is steered, a
//! secret. It needs root, and the program, which a build of the workspace puts beside it.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SUITE: &str = env!("CARGO_BIN_EXE_pullprobe-hostile");
/// Of one attack that takes no time.
const ONE: [&str; 4] = ["--quick", "--jobs", "1", "--only"];
const NAME: &str = "redirects: to itself";

fn program() -> PathBuf {
    let beside = Path::new(SUITE).with_file_name("pullprobe");
    assert!(beside.exists(), "{} is not there: `cargo build` makes it", beside.display());
    beside
}

fn suite(program: &Path, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(SUITE).arg("--pullprobe").arg(program).args(ONE).arg(NAME).args(more).output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn a_bound_of_zero_is_broken_and_the_suite_says_so() {
    let (code, said) = suite(&program(), &[]);
    assert_eq!(code, Some(0), "{said}");
    for bound in ["time", "memory", "requests", "output"] {
        let (code, said) = suite(&program(), &[&format!("--bound-{bound}"), "0"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("NOT OK: over its bound: {bound}")), "{said}");
    }
}

/// The program, but for this, which it does in its place in every `check` after the first.
fn but(directory: &Path, fault: &str) -> PathBuf {
    let path = directory.join("pullprobe");
    let (real, seen) = (program(), directory.join("seen"));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = check ] && [ -e '{seen}' ]; then\n{fault}\nfi\n\
         [ \"$1\" = check ] && : > '{seen}'\nexec '{real}' \"$@\"\n",
        seen = seen.display(),
        real = real.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn each_fault_of_the_program_is_found() {
    for (fault, words) in [
        ("echo '{\"images\":[{\"pullable\":true}]}'; exit 0", "`no: redirect_invalid` was expected"),
        ("echo 'thread main panicked at agent/src/main.rs' >&2", "standard error: panicked at"),
        ("printf '\\033[2J'", "standard output: steered by"),
        ("echo hunter2-of-the-node >&2", "standard error: a secret is shown"),
        ("kill -9 $$", "a signal ended it"),
        ("exit 101", "it ended with 101"),
        ("head -c 100000 /dev/zero | tr '\\0' x", "over its bound: output"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (code, said) = suite(&but(directory.path(), fault), &[]);
        assert_eq!(code, Some(1), "{fault}: {said}");
        assert!(said.contains(words), "{fault}: `{words}` is not said:\n{said}");
    }
}

#[test]
fn a_name_that_no_attack_has_is_a_mistake_of_the_caller() {
    let output = Command::new(SUITE)
        .arg("--pullprobe")
        .arg(program())
        .args(["--only", "no attack is called so"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no attack has such a name"), "{output:?}");
}
