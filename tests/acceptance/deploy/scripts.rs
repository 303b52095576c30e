//! The shell scripts are clean.

use super::tools::{command, path, success};

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    for script in ["deploy/render.sh", "tests/tools/image.sh", "tests/tools/install.sh"] {
        success(&mut command("shellcheck", [path(script)]));
    }
}
