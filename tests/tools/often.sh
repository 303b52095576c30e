#!/usr/bin/env bash
# Writes agent/often.ld anew: the functions that the agent really runs, for the linker to put side by side.
#
# The kernel maps a file's pages 16 at a time. Where the functions in use lie scattered over the whole program, most of it
# is resident. `qemu-user` tells which functions ran in the worlds of the memory bench: nodes where all is well, which are most.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
host=$(rustc -vV | sed -n 's/^host: //p')
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

say() { printf '== %s\n' "$*" >&2; }

command -v qemu-x86_64 >/dev/null || apt-get install -q -y --no-install-recommends qemu-user >&2

say "building with the names of functions"
CARGO_PROFILE_RELEASE_STRIP=none CARGO_TARGET_DIR=target/often \
  env -u RUSTFLAGS cargo build --config agent/static.toml --release --locked --target "$host" --bin pullprobe
cargo build --locked --package pullprobe-bench
binary=$PWD/target/often/$host/release/pullprobe

say "running it"
cat >"$dir/pullprobe" <<END
#!/bin/sh
exec qemu-x86_64 -cpu max -d in_asm -D "$dir/ran.\$\$" "$binary" "\$@"
END
chmod +x "$dir/pullprobe"
# What it measures there is qemu's.
target/debug/pullprobe-bench --pullprobe "$dir/pullprobe" --only memory >&2

cat "$dir"/ran.* | grep -a '^IN: ' | sed 's/^IN: //' | sort -u >"$dir/names"
nm --print-file-name "$(cc -print-file-name=libc.a)" "${binary%/*}"/deps/libaws_lc_sys-*.rlib >"$dir/files" 2>/dev/null
nm --print-size "$binary" | python3 tests/tools/often.py "$dir/names" "$dir/files" >"$dir/often.ld"
cp "$dir/often.ld" agent/often.ld
