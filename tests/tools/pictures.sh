#!/usr/bin/env bash
# Takes the pictures of README and docs: the page of the agent that looks at the demo's lab, in a headless Chromium.
#
#   pictures.sh [DIRECTORY]        default: docs/pictures; the programs are those of `cargo build --workspace --bins`
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
output=$(realpath -m "${1:-$root/docs/pictures}")
bin=${CARGO_TARGET_DIR:-$root/target}/debug
# A picture that is larger is not for a README.
most_bytes=300000
scratch=$(mktemp -d)
started=()

clean_up() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
  echo "pictures.sh: $*" >&2
  exit 1
}

# Waits until a log has a line; its program must not end before.
await() {
  local pid=$1 log=$2 line=$3
  until grep -q "$line" "$log"; do
    kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; fail "it ended before it said: $line"; }
    read -rt 0.1 <> <(:) || true
  done
}

# The whole width, and of the height what matters first.
take() {
  local name=$1 url=$2 size=$3
  shift 3
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$scratch/chromium" "$@" \
    --window-size="$size" --screenshot="$scratch/$name.png" "$url" >"$scratch/chromium.log" 2>&1 ||
    { cat "$scratch/chromium.log" >&2; fail "Chromium took no picture of $url"; }
  local bytes
  bytes=$(stat -c %s "$scratch/$name.png")
  ((bytes <= most_bytes)) || fail "$name.png has $bytes bytes, more than $most_bytes"
  install -D -m 0644 "$scratch/$name.png" "$output/$name.png"
  echo "$output/$name.png: $bytes bytes"
}

command -v chromium >/dev/null || fail "chromium is missing: run tests/tools/install.sh"
for program in pullprobe pullprobe-lab; do
  [[ -x $bin/$program ]] || fail "$bin/$program is missing: cargo build --locked --workspace --bins"
done

"$bin/pullprobe-lab" demo --dir "$scratch/demo" >"$scratch/lab.log" 2>&1 &
started+=($!)
await "${started[0]}" "$scratch/lab.log" '^ready'
"$bin/pullprobe" run --config "$scratch/demo/pullprobe.yaml" 2>"$scratch/agent.log" &
started+=($!)
await "${started[1]}" "$scratch/agent.log" 'listening on '
address=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$scratch/agent.log" | head -n 1)
until curl -fs "http://$address/readyz?verbose" | grep -F '[+]first-cycle ok' >/dev/null; do
  kill -0 "${started[1]}" || { cat "$scratch/agent.log" >&2; fail "the agent ended"; }
  read -rt 0.2 <> <(:) || true
done
take page "http://$address/" 1180,1100
take page-dark "http://$address/" 1180,1100 --blink-settings=preferredColorScheme=0
