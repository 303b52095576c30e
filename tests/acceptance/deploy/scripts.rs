//! The shell scripts are clean.

use super::tools::{command, path, root, success};

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let scripts = [
        "deploy/release/release.sh",
        "deploy/render.sh",
        "tests/tools/debian.sh",
        "tests/tools/image.sh",
        "tests/tools/install.sh",
        "tests/tools/kubernetes.sh",
    ];
    for script in scripts {
        // What a script sources is read with it, by its path from the repository's root.
        success(command("shellcheck", ["--external-sources"]).arg(path(script)).current_dir(root()));
    }
}
