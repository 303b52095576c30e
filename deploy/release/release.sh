#!/usr/bin/env bash
# The steps of a release, so that each can be tried without one; .github/workflows/release.yml calls them in this order.
#
#   release.sh check    TAG                  the tag, Cargo.toml, the chart and CHANGELOG.md name one version
#   release.sh package  TAG ARCH DIRECTORY   archive, deb, rpm and SBOM of the static binary of this machine
#   release.sh image    TAG DIRECTORY IMAGE  push the binaries of both archives as one image; its digest goes to $GITHUB_OUTPUT
#   release.sh chart    TAG CHARTS           push the chart; its digest goes to standard output
#   release.sh gather   TAG DIRECTORY        add krew manifest and plain manifest, and write SHA256SUMS
#   release.sh notes    TAG                  the section of CHANGELOG.md
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
download=https://github.com/pullprobe/pullprobe/releases/download
# Seconds since 1970 of the commit: the same sources give the same archive.
epoch=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)

fail() {
  echo "release.sh: $*" >&2
  exit 1
}

version_of() {
  [[ $1 =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "$1 is no tag of a release: vX.Y.Z"
  echo "${1#v}"
}

check() {
  local version cargo chart app
  version=$(version_of "$1")
  cargo=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
  chart=$(sed -n 's/^version: //p' "$root/deploy/helm/pullprobe/Chart.yaml")
  app=$(sed -n 's/^appVersion: "\(.*\)"$/\1/p' "$root/deploy/helm/pullprobe/Chart.yaml")
  [[ $cargo == "$version" ]] || fail "Cargo.toml says $cargo, the tag $version"
  [[ $chart == "$version" && $app == "$version" ]] || fail "Chart.yaml says $chart and $app, the tag $version"
  notes "$1" >/dev/null
  echo "$version"
}

notes() {
  local version text
  version=$(version_of "$1")
  text=$(awk -v head="## [$version]" 'index($0, "## [") == 1 { inside = index($0, head) == 1; next } inside' "$root/CHANGELOG.md")
  [[ $text == *[![:space:]]* ]] || fail "CHANGELOG.md says nothing below ## [$version]"
  printf '%s\n' "$text"
}

package() {
  local version arch=$2 directory=$3 target binary stage
  version=$(version_of "$1")
  target=$(rustc -vV | sed -n 's/^host: //p')
  [[ $target == "$(machine "$arch")"-* ]] || fail "this machine builds for $target, not for $arch"
  binary=${CARGO_TARGET_DIR:-$root/target}/$target/release/pullprobe
  [[ -x $binary ]] || fail "$binary is missing: make static"
  mkdir -p "$directory"
  directory=$(realpath "$directory")
  stage=$(mktemp -d)
  # shellcheck disable=SC2064 # the directory of this call
  trap "rm -rf '$stage'" EXIT
  install -m 0755 "$binary" "$stage/kubectl-pullprobe"
  install -m 0644 "$root/LICENSE" "$stage/LICENSE"
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -C "$stage" -cf - kubectl-pullprobe LICENSE |
    gzip -9n >"$directory/pullprobe_linux_$arch.tar.gz"
  # Both take the binary from where cargo puts that of this target.
  (
    cd "$root"
    cargo deb --no-build --no-strip --target "$target" --output "$directory/pullprobe_${version}_$arch.deb"
    cargo generate-rpm --target "$target" --auto-req disabled --output "$directory/pullprobe-$version.$(machine "$arch").rpm"
    cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --override-filename "pullprobe_linux_$arch.cdx"
  )
  # It writes one beside each Cargo.toml of the workspace: the program's is wanted.
  mv "$root/pullprobe_linux_$arch.cdx.json" "$directory/"
  find "$root" -name "pullprobe_linux_$arch.cdx.json" -not -path "$directory/*" -not -path "$root/target/*" -delete
}

machine() {
  case $1 in
    amd64) echo x86_64 ;;
    arm64) echo aarch64 ;;
    *) fail "no architecture of a release: $1" ;;
  esac
}

# The last stage of the Dockerfile around binaries that are there already: those of the archives, and nothing built anew.
image() {
  local version directory=$2 name=$3 arch stage pushed=() digest
  version=$(version_of "$1")
  docker buildx create --name release --driver docker-container --use >/dev/null
  for arch in amd64 arm64; do
    stage=$(mktemp -d)
    tar -xzf "$directory/pullprobe_linux_$arch.tar.gz" -C "$stage" kubectl-pullprobe
    mv "$stage/kubectl-pullprobe" "$stage/pullprobe"
    docker buildx build --platform "linux/$arch" --build-context "build=$stage" --provenance=false \
      --label "org.opencontainers.image.source=https://github.com/pullprobe/pullprobe" \
      --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.licenses=Apache-2.0" \
      --output "type=image,name=$name,push-by-digest=true,push=true" --metadata-file "$stage/metadata.json" "$root"
    digest=$(jq -er '."containerimage.digest"' "$stage/metadata.json")
    pushed+=("$name@$digest")
    rm -rf "$stage"
  done
  docker buildx imagetools create --tag "$name:$version" "${pushed[@]}"
  digest=$(docker buildx imagetools inspect "$name:$version" --format '{{json .Manifest}}' | jq -er .digest)
  echo "digest=$digest" >>"${GITHUB_OUTPUT:-/dev/stdout}"
}

chart() {
  local version charts=$2 scratch
  version=$(version_of "$1")
  scratch=$(mktemp -d)
  helm package "$root/deploy/helm/pullprobe" --destination "$scratch" >&2
  # Helm says the digest on standard error.
  helm push "$scratch/pullprobe-$version.tgz" "oci://$charts" 2>&1 | tee /dev/stderr | sed -n 's/^Digest: *//p' | grep .
  rm -rf "$scratch"
}

gather() {
  local tag=$1 version directory=$2
  version=$(version_of "$tag")
  krew "$tag" "$directory" >"$directory/pullprobe.krew.yaml"
  sed "/^ *image:/s#\(/pullprobe:\)[^\"]*#\1$version#" "$root/deploy/manifests/pullprobe.yaml" >"$directory/pullprobe.yaml"
  cp "$root"/dashboards/upload/*.json "$directory/"
  local sums
  rm -f "$directory/SHA256SUMS"
  sums=$(cd "$directory" && sha256sum -- *)
  printf '%s\n' "$sums" >"$directory/SHA256SUMS"
}

# The template in deploy/krew is also what krew-release-bot reads; this fills it in without the bot.
krew() {
  local tag=$1 directory=$2 line uri sum
  while IFS= read -r line; do
    if [[ $line =~ ^(\ *)\{\{addURIAndSha\ \"([^\"]*)\" ]]; then
      uri=${BASH_REMATCH[2]//'{{ .TagName }}'/$tag}
      [[ $uri == "$download/$tag/"* ]] || fail "$uri is none of this release"
      sum=$(sha256sum "$directory/${uri##*/}")
      printf '%suri: %s\n%ssha256: %s\n' "${BASH_REMATCH[1]}" "$uri" "${BASH_REMATCH[1]}" "${sum%% *}"
    else
      [[ $line == '#'* ]] || printf '%s\n' "${line//'{{ .TagName }}'/$tag}"
    fi
  done <"$root/deploy/krew/pullprobe.yaml"
}

case ${1:-}/$# in
  check/2 | package/4 | image/4 | chart/3 | gather/3 | notes/2) "$@" ;;
  *)
    sed -n '/^#   /s/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
