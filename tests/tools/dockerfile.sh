#!/usr/bin/env bash
# Builds the image of the real Dockerfile from its first stage on, without any image registry. The base image is made here: Debian's
# own packages, which are a part of what the official Rust image has, and this machine's Rust.
#
#   dockerfile.sh REVISION OUTPUT.tar      an OCI archive, named pullprobe:test
#
# It needs root, buildah and debootstrap (this installs the latter), 6 GB of disk, and the network for packages and crates. Base image,
# caches and storage are gone when it ends.
set -euo pipefail

[[ $# == 2 ]] || { echo "usage: $0 REVISION OUTPUT.tar" >&2; exit 2; }
revision=$1
output=$(realpath -m "$2")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/tools/debian.sh
. "$root/tests/tools/debian.sh"
require_debian_and_root
command -v buildah >/dev/null || fail "buildah is missing: run tests/tools/install.sh"
command -v debootstrap >/dev/null || apt-get install -q -y --no-install-recommends debootstrap >/dev/null

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Caches of `RUN --mount` go there, too: nothing is left, and nothing of an earlier build helps.
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"

# Storage of its own, so that neither images nor configuration of the machine play a part.
store() {
  local verb=$1
  shift
  buildah --root "$scratch/root" --runroot "$scratch/run" --storage-driver vfs "$verb" "$@"
}

# The version that the Dockerfile names is the one that builds here.
wanted=$(sed -n 's/^ARG RUST_IMAGE=.*rust:\([0-9.]*\)-bookworm$/\1/p' "$root/Dockerfile")
here_is=$(cd "$root" && rustc --version)
[[ -n $wanted && $here_is == "rustc $wanted."* ]] || fail "the Dockerfile builds with Rust ${wanted:-?}, and here is $here_is"
sysroot=$(cd "$root" && rustc --print sysroot)

IFS='|' read -r mirror _ < <(debian_source)
base=$(store from scratch)
mounted=$(store mount "$base")
say "making a base image of Debian's packages"
debootstrap --variant=minbase --include=ca-certificates,gcc,g++,libc6-dev,make,git bookworm "$mounted" "$mirror" >"$scratch/log" ||
  { tail -20 "$scratch/log" >&2; fail "debootstrap failed"; }
# Where the packages came from is nobody's business inside.
rm -rf "$mounted"/var/cache/apt/archives/*.deb "$mounted"/var/lib/apt/lists/* "$mounted/etc/apt/sources.list"
# Where the official image has them. A proxy of this machine may have a certificate of its own.
toolchain=/usr/local/rustup/toolchains/rust
mkdir -p "$mounted/usr/local/cargo" "$mounted$toolchain"
tar -C "$sysroot" -cf - --exclude=./share/doc . | tar -C "$mounted$toolchain" -xf -
cp -L /etc/ssl/certs/ca-certificates.crt "$mounted/etc/ssl/certs/ca-certificates.crt"
store config --env CARGO_HOME=/usr/local/cargo \
  --env "PATH=/usr/local/cargo/bin:$toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$base"
store umount "$base" >/dev/null
store commit --quiet "$base" localhost/rust:base >/dev/null
store rm "$base" >/dev/null

say "building the Dockerfile, both stages"
store build --quiet --pull-never --isolation chroot --network host --build-arg RUST_IMAGE=localhost/rust:base \
  --build-arg "REVISION=$revision" --file "$root/Dockerfile" --ignorefile "$root/.dockerignore" --tag pullprobe:test "$root"
rm -f "$output"
store push --quiet pullprobe:test "oci-archive:$output:pullprobe:test"
