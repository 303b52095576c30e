#!/usr/bin/env bash
# The demo: a lab of good and broken registries on loopback, and pullprobe looking at it.
#
#   make demo            prints the check table, then serves page and metrics until Ctrl-C
#   make demo ONCE=1     ends by itself, for CI
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
dir=$root/.demo
once=${ONCE:-}
lab_pid=
agent_pid=

main() {
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  install_what_is_missing
  build
  start_lab
  say "the node's files are in .demo/node, the settings in .demo/pullprobe.yaml"
  check_table
  stuck_pod
  serve
}

say() { printf '\n== %s\n' "$*"; }

# The build needs Rust and a C compiler (aws-lc, the cryptography below rustls, is C); nothing else.
install_what_is_missing() {
  if ! command -v cargo >/dev/null; then
    echo "demo: Rust is missing: see https://rustup.rs (or your distribution's cargo, 1.95 or newer)" >&2
    exit 1
  fi
  command -v cc >/dev/null && command -v cmake >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing a C compiler and cmake"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gcc libc6-dev cmake
  else
    echo "demo: a C compiler and cmake are missing: install them (Debian: gcc libc6-dev cmake)" >&2
    exit 1
  fi
}

build() {
  say "building"
  cargo build --locked --workspace --bins
  bin=${CARGO_TARGET_DIR:-target}/debug
}

start_lab() {
  say "starting the lab"
  rm -rf "$dir"
  mkdir -p "$dir"
  "$bin/pullprobe-lab" demo --dir "$dir" >"$dir/lab.log" 2>&1 &
  lab_pid=$!
  until grep -q '^ready' "$dir/lab.log"; do
    kill -0 "$lab_pid" 2>/dev/null || { cat "$dir/lab.log" >&2; exit 1; }
    read -rt 0.1 <> <(:) || true
  done
}

check_table() {
  say "pullprobe check --config .demo/pullprobe.yaml"
  local status=0
  "$bin/pullprobe" check --config "$dir/pullprobe.yaml" || status=$?
  # The lab has broken registries on purpose: 1 is what a good check says of them.
  [[ $status == 1 ]] || { echo "demo: check ended with $status, expected 1" >&2; exit 1; }
}

# A stand-in for the API server of a recorded cluster; the agent in its pod is real, and looks at the demo's node.
stuck_pod() {
  say "pullprobe why deployment/web --kubeconfig .demo/kubeconfig"
  local status=0
  "$bin/pullprobe" why deployment/web --kubeconfig "$dir/kubeconfig" || status=$?
  [[ $status == 1 ]] || { echo "demo: why ended with $status, expected 1" >&2; exit 1; }
}

serve() {
  say "pullprobe run --config .demo/pullprobe.yaml"
  "$bin/pullprobe" run --config "$dir/pullprobe.yaml" 2>"$dir/agent.log" &
  agent_pid=$!
  local address=''
  until address=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$dir/agent.log" | head -n 1) && [[ -n $address ]]; do
    kill -0 "$agent_pid" 2>/dev/null || { cat "$dir/agent.log" >&2; exit 1; }
    read -rt 0.1 <> <(:) || true
  done
  until fetch "$address" '/readyz?verbose' 2>/dev/null | grep -F '[+]first-cycle ok' >/dev/null; do
    kill -0 "$agent_pid" 2>/dev/null || { cat "$dir/agent.log" >&2; exit 1; }
    read -rt 0.2 <> <(:) || true
  done
  echo "page     http://$address/"
  echo "metrics  http://$address/metrics"
  echo "report   http://$address/api/v1/report"
  if [[ -n $once ]]; then
    say "what Prometheus would see"
    fetch "$address" /metrics | grep -E '^pullprobe_(namespace_pullable|image_pullable|image_failure_info)'
    return
  fi
  echo "Ctrl-C ends it."
  wait "$agent_pid"
}

# HTTP by hand: a fresh machine may have no curl.
fetch() {
  local host=${1%:*} port=${1##*:}
  exec 3<>"/dev/tcp/$host/$port"
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$1" >&3
  local head
  read -r head <&3
  cat <&3
  exec 3>&-
  [[ $head == *' 200 '* ]]
}

clean_up() {
  [[ -z $agent_pid ]] || kill "$agent_pid" 2>/dev/null || true
  [[ -z $lab_pid ]] || kill "$lab_pid" 2>/dev/null || true
  wait 2>/dev/null || true
}

main
