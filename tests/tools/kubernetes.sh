#!/usr/bin/env bash
# Builds what `make e2e` runs: a Kubernetes 1.20 out of Debian's source package, by Debian's Go, and etcd, kubectl
# and the network plugins out of Debian's packages. A second run finds everything in place and ends at once.
#
# Nothing is installed: packages are only unpacked, and all of it stays in target/tools/kubernetes. An interrupted
# build goes on where it stopped; sources and Go's cache (about 2 GB) are removed once the programs are there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=$root/target/tools/kubernetes
work=$root/target/tools/kubernetes-build
tree=$work/gopath/src/k8s.io/kubernetes
# shellcheck source=tests/tools/debian.sh
. "$root/tests/tools/debian.sh"

# What bookworm builds its Kubernetes with.
go_release=1.19
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet)
packages=(etcd-server kubernetes-client containernetworking-plugins)
# No code of a cloud's API, nor of Docker's: it would be a third of the time, and nothing here runs it.
tags=providerless,dockerless
jobs=${JOBS:-$(nproc)}

main() {
  local stamp
  stamp=$home/.complete-$(recipe | sha256sum | cut -c1-16)
  if [[ -e $stamp ]] && everything_runs; then
    say "everything is in place"
    return
  fi
  require_debian_and_root
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$home/bin" "$work"
  [[ -e $work/.fetched ]] || fetch
  generate_openapi
  local program
  for program in "${programs[@]}"; do build "$program"; done
  everything_runs || fail "the build ended, but something does not run"
  rm -rf "$work" "$home"/.complete-*
  touch "$stamp"
  echo "== kubernetes built: $SECONDS s"
}

# What another build would differ by: not the words of this file's comments.
recipe() {
  declare -p go_release programs packages tags
  declare -f fetch with_go generate_openapi described_packages build
}

everything_runs() {
  local program
  for program in "${programs[@]}" etcd; do
    "$home/bin/$program" --version >/dev/null 2>&1 || return 1
  done
  "$home/bin/kubectl" version --client >/dev/null 2>&1 && [[ -x $home/cni/bridge && -x $home/cni/host-local ]]
}

fetch() {
  rm -rf "$work"
  mkdir -p "$work/packages" "$work/source" "$tree"
  read_suites bookworm 'deb bookworm' 'deb-src bookworm'
  say "fetching the sources of Kubernetes, Go $go_release, and ${packages[*]}"
  (
    cd "$work/packages"
    private_apt bookworm apt-get download -q "golang-$go_release-go" "golang-$go_release-src" "${packages[@]}"
    cd "$work/source"
    private_apt bookworm apt-get source -q --download-only kubernetes
  )
  local package
  for package in "$work/packages"/*.deb; do dpkg -x "$package" "$work/unpacked"; done
  mv "$work/unpacked/usr/bin/"{etcd,kubectl} "$home/bin/"
  rm -rf "$home/cni"
  mv "$work/unpacked/usr/lib/cni" "$home/cni"
  tar -xzf "$work/source"/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1 \
    --exclude='*_test.go' --exclude=testdata --wildcards --no-wildcards-match-slash \
    '*/cmd' '*/pkg' '*/plugin' '*/vendor' '*/staging' '*/third_party' '*/hack/boilerplate'
  rm -rf "$work/packages"
  touch "$work/.fetched"
}

# A command within the sources. This Go refuses them as a module, so it takes them as the packages of a GOPATH.
with_go() {
  local goroot=$work/unpacked/usr/lib/go-$go_release
  env -C "$tree" PATH="$goroot/bin:$PATH" GOROOT="$goroot" GOPATH="$work/gopath" GOCACHE="$work/cache" \
    GO111MODULE=off GOPROXY=off GOFLAGS= CGO_ENABLED=0 "$@"
}

# The one file that the sources lack: what the API server says of its types. Debian generates it while it builds.
generate_openapi() {
  local package=pkg/generated/openapi
  [[ ! -e $tree/$package/zz_generated.openapi.go ]] || return 0
  say "generating $package"
  with_go go build -p "$jobs" -trimpath -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  with_go "$work/openapi-gen" --logtostderr --input-dirs "$(cd "$tree" && described_packages)" \
    --output-file-base zz_generated.openapi --output-package "k8s.io/kubernetes/$package" \
    --go-header-file hack/boilerplate/boilerplate.generatego.txt --report-filename "$work/violations" \
    --output-base "$work/generated"
  mkdir -p "$tree/$package"
  mv "$work/generated/k8s.io/kubernetes/$package/zz_generated.openapi.go" "$tree/$package/"
}

# Every package that asks for it, by a comment in one of its files. What is vendored are links, so each is named.
described_packages() {
  local -a within
  mapfile -t within < <(find vendor/k8s.io -maxdepth 1 -type l ! -name 'sample-*' -printf '%p/\n')
  grep -rl --include='*.go' '^// +k8s:openapi-gen=' pkg cmd plugin "${within[@]}" |
    grep -v -e zz_generated -e /_examples/ | xargs -n 1 dirname | sort -u | sed 's,^,k8s.io/kubernetes/,' | paste -sd,
}

build() {
  local program=$1 started=$SECONDS version flags='-s -w' package
  [[ ! -e $work/.built-$program ]] || return 0
  version=$(basename "$work/source"/kubernetes_*.orig.tar.gz .orig.tar.gz)
  version=${version##*really}
  IFS=. read -r major minor _ <<<"${version##*_}"
  # Clients ask for the version, and refuse one that is empty.
  for package in component-base/version client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $package.gitVersion=v${version##*_} -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  done
  with_go go build -p "$jobs" -trimpath -tags "$tags" -ldflags "$flags" -o "$home/bin/$program" "./cmd/$program"
  touch "$work/.built-$program"
  say "built $program in $((SECONDS - started)) s"
}

main "$@"
