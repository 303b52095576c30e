//! The shell scripts are clean, and the pictures that one of them takes are fit for a README.

use super::tools::{command, files, path, root, success};

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let scripts = [
        "deploy/release/release.sh",
        "deploy/render.sh",
        "tests/tools/debian.sh",
        "tests/tools/demo.sh",
        "tests/tools/dockerfile.sh",
        "tests/tools/fuzz.sh",
        "tests/tools/image.sh",
        "tests/tools/install.sh",
        "tests/tools/kubernetes.sh",
        "tests/tools/pictures.sh",
    ];
    for script in scripts {
        // What a script sources is read with it, by its path from the repository's root.
        success(command("shellcheck", ["--external-sources"]).arg(path(script)).current_dir(root()));
    }
}

/// README and docs show them as they are; `tests/tools/pictures.sh` takes them anew.
#[test]
fn pictures_are_small_and_of_a_format_that_browsers_show() {
    const MOST_BYTES: usize = 300_000;
    const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
    for file in files("docs/pictures") {
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.starts_with(&PNG) && bytes.len() <= MOST_BYTES, "{}", file.display());
    }
}
