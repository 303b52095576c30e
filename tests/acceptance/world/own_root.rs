//! The program with the node as its own root: what it runs finds the node's files where a node has them.

use std::path::Path;
use std::process::{Command, Stdio};

/// In a mount namespace of its own the node gets what programs of this machine need, and itself at its path
/// outside, so that both names of its files lead to them. Of `/proc` it gets what a process sees of itself:
/// a containerd of this machine is none of the node's.
const ENTER: &str = r#"
set -e
root=$1
program=$2
for path in /bin /lib /lib64 /usr /dev "${program%/*}"; do
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
done
mkdir -p "$root/proc" "$root/.proc" "$root$root"
mount --rbind /proc "$root/.proc"
ln -sfn ../.proc/self "$root/proc/self"
mount --bind "$root" "$root$root"
shift
exec chroot "$root" "$@"
"#;

/// Without any of its arguments.
pub fn pullprobe(root: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
    command.arg(root).arg(env!("CARGO_BIN_EXE_pullprobe"));
    command
}
