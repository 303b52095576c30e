#!/usr/bin/env bash
# Every parser of foreign bytes in turn, or those that are named: bash tests/tools/fuzz.sh [TARGET...]
#
#   SECONDS_EACH=60   for so long each (default 600)
#   SECONDS_TOTAL=3600   for so long all together
#
# What reaches new code is kept in fuzz/corpus, what breaks a property in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2; fi)
seconds="${SECONDS_EACH:-600}"
if [ -n "${SECONDS_TOTAL:-}" ]; then seconds=$((SECONDS_TOTAL / ${#targets[@]})); fi
if ((seconds < 1)); then
  echo "less than a second for each of ${#targets[@]} targets" >&2
  exit 2
fi

# cargo-fuzz asks the compiler for what only nightly ones may do, or one that is told that it is one.
export RUSTC_BOOTSTRAP=1
PATH="$PWD/target/tools/bin:$PATH"
if ! command -v cargo-fuzz > /dev/null; then
  echo "installing cargo-fuzz"
  cargo install --locked --root target/tools cargo-fuzz
fi
command -v c++ > /dev/null || { echo "libFuzzer needs a C++ compiler: apt-get install g++" >&2; exit 1; }

# No sanitizer: the program has no unsafe code.
if [ $# -gt 0 ]; then
  # Each target is a program of its own, which takes a while to link.
  for target in "${targets[@]}"; do cargo fuzz build --sanitizer none "$target"; done
else
  cargo fuzz build --sanitizer none
fi
built="fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release"

# Input files are written to memory, not to a disk.
export TMPDIR=/tmp
if [ -w /dev/shm ]; then TMPDIR=/dev/shm; fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# The number behind `stat::NAME:` in libFuzzer's last words.
stat() { awk -v name="stat::$1:" '$1 == name { found = $2 } END { print found + 0 }' "$2"; }
files() { find "$1" -type f 2> /dev/null | wc -l; }

broken=0
for target in "${targets[@]}"; do
  corpus="fuzz/corpus/$target" artifacts="fuzz/artifacts/$target" found="$work/$target" log="$work/$target.log"
  mkdir -p "$corpus" "$artifacts" "$found"
  before="$(files "$artifacts")"
  limits=(-timeout=5 -rss_limit_mb=2048 -max_len=8192 "-artifact_prefix=$artifacts/")
  "$built/$target" "$found" "$corpus" "${limits[@]}" "-max_total_time=$seconds" -print_final_stats=1 > "$log" 2>&1 || true
  crashes=$(($(files "$artifacts") - before))
  if ! grep -q '^stat::number_of_executed_units' "$log"; then
    tail -n 40 "$log"
    ((crashes > 0)) || { echo "$target did not run" >&2; exit 1; }
  fi
  # Kept is what reaches new code, not also what reaches known code another number of times.
  if ((crashes == 0)); then
    "$built/$target" "$corpus" "$found" "${limits[@]}" -merge=1 -use_counters=0 >> "$log" 2>&1 || crashes=1
  fi
  printf '%-18s %4d s %12d execs %8d/s %3d crashes %5d inputs kept\n' \
    "$target" "$seconds" "$(stat number_of_executed_units "$log")" "$(stat average_exec_per_sec "$log")" "$crashes" "$(files "$corpus")"
  if ((crashes > 0)); then
    broken=$((broken + 1))
    grep -m 3 -A 3 'panicked at' "$log" || true
  fi
done
if ((broken > 0)); then
  echo "$broken of ${#targets[@]} targets broke: the inputs are in fuzz/artifacts" >&2
  exit 1
fi
