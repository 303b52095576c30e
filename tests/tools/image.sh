#!/usr/bin/env bash
# Builds the image of the real Dockerfile around a binary that is already built: the stage that
# compiles is replaced by a directory, the last stage runs as it is written.
#
#   image.sh BINARY OUTPUT.tar      an OCI archive, named pullprobe:test
set -euo pipefail

[[ $# == 2 ]] || { echo "usage: $0 BINARY OUTPUT.tar" >&2; exit 2; }
binary=$(realpath -e "$1")
output=$(realpath -m "$2")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
command -v buildah >/dev/null ||
  { echo "$0: buildah is missing: run tests/tools/install.sh" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Storage of its own, so that neither images nor configuration of the machine play a part.
store() {
  local verb=$1
  shift
  buildah --root "$scratch/root" --runroot "$scratch/run" --storage-driver vfs "$verb" "$@"
}

mkdir "$scratch/stage"
install -m 0755 "$binary" "$scratch/stage/pullprobe"
store build --quiet --pull-never --isolation chroot --build-context "build=$scratch/stage" \
  --file "$root/Dockerfile" --tag pullprobe:test "$scratch/stage" >/dev/null
rm -f "$output"
store push --quiet pullprobe:test "oci-archive:$output:pullprobe:test"
