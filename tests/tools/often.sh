#!/usr/bin/env bash
# Writes agent/often.ld anew: the functions that the agent really runs, for the linker to put side by side.
#
# The kernel maps a file's pages 16 at a time. Where the functions in use lie scattered over the whole program, most of it
# is resident. `qemu-user` tells which functions ran while the agent looked at the demo's registries and was scraped.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
host=$(rustc -vV | sed -n 's/^host: //p')
port=39393
probes=40
dir=$(mktemp -d)
lab_pid=
agent_pid=

clean_up() {
  for pid in $agent_pid $lab_pid; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap clean_up EXIT

say() { printf '== %s\n' "$*" >&2; }

# Nothing before it listens, and without `metrics.detail: full`.
ran() { { curl --silent --compressed "http://127.0.0.1:$port/metrics" || true; } | awk '/^pullprobe_probes_total/ {sum += $NF} END {print int(sum)}'; }

command -v qemu-x86_64 >/dev/null || apt-get install -q -y --no-install-recommends qemu-user >&2

say "building with the names of functions"
CARGO_PROFILE_RELEASE_STRIP=none CARGO_TARGET_DIR=target/often \
  env -u RUSTFLAGS cargo build --config agent/static.toml --release --locked --target "$host" --bin pullprobe
cargo build --locked --package pullprobe-lab --bins
binary=target/often/$host/release/pullprobe

say "running it"
target/debug/pullprobe-lab demo --dir "$dir" >"$dir/lab.log" 2>&1 &
lab_pid=$!
until grep -q '^ready' "$dir/lab.log"; do
  kill -0 "$lab_pid"
  read -rt 0.1 <> <(:) || true
done
sed -e "s/listen:.*/listen: [\"127.0.0.1:$port\"]/" -e 's/^probe:/metrics: {detail: full}\n&\n  spread_start: false/' "$dir/pullprobe.yaml" >"$dir/often.yaml"
qemu-x86_64 -cpu max -d in_asm -D "$dir/ran" "$binary" run --config "$dir/often.yaml" >"$dir/log" 2>&1 &
agent_pid=$!
until (($(ran) >= probes)); do
  kill -0 "$agent_pid" || { cat "$dir/log" >&2; exit 1; }
  for path in '' healthz readyz api/v1/report api/v1/summary; do
    curl --silent --compressed --output "$dir/answer" "http://127.0.0.1:$port/$path" || true
  done
  read -rt 1 <> <(:) || true
done
kill "$agent_pid"
wait "$agent_pid" || true
agent_pid=

grep -a '^IN: ' "$dir/ran" | sed 's/^IN: //' | sort -u >"$dir/names"
nm --print-file-name "$(cc -print-file-name=libc.a)" "${binary%/*}"/deps/libaws_lc_sys-*.rlib >"$dir/files" 2>/dev/null
nm --print-size "$binary" | python3 tests/tools/often.py "$dir/names" "$dir/files" >"$dir/often.ld"
cp "$dir/often.ld" agent/often.ld
