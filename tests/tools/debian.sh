# shellcheck shell=bash
# What the scripts that install share: Debian's packages and sources, out of lists of their own. Sourced, not run.

# Where the lists are; whoever sources this creates and removes it.
scratch=

require_debian_and_root() {
  local id='' codename=''
  if [[ -r /etc/os-release ]]; then
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && echo "${ID:-}")
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fi
  [[ $id == debian && $codename == bookworm ]] ||
    fail "this installs Debian 12 (bookworm) packages, and this is '${id:-unknown} ${codename:-}': run the tests in a Debian 12 machine or container"
  [[ $(id -u) == 0 ]] || fail "packages are installed as root: sudo $0"
}

# The same mirror as the machine's, the same keys, other suites, and lists of their own: `NAME 'TYPE SUITE'...`.
read_suites() {
  local lists=$scratch/$1 uri signed_by source
  shift
  [[ ! -e $lists/sources.list ]] || return 0
  IFS='|' read -r uri signed_by < <(debian_source)
  [[ -n ${uri:-} ]] || fail "no apt source of Debian bookworm main found: cannot tell where $* is"
  # A source without a key of its own is listed with the placeholder itself.
  [[ $signed_by == /* ]] || signed_by=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
  for source in "$@"; do
    echo "${source% *} [signed-by=$signed_by] $uri ${source#* } main"
  done >"$lists/sources.list"
  say "reading the package lists of $*"
  private_apt "$(basename "$lists")" apt-get update -q || say "some suite could not be read; going on with the others"
}

# apt itself tells what its sources are, whichever of its two file formats they are written in.
debian_source() {
  # shellcheck disable=SC2016 # the format is apt's
  apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)|$(SIGNED_BY)' \
    'Created-By: Packages' |
    awk -F'|' '$1 == "bookworm" && $2 == "main" && $3 ~ /\/debian\/?$/ { print $3 "|" $4; exit }'
}

# A mirror may lag behind for weeks, past the date until which its lists call themselves valid. They
# are signed all the same, and any containerd of the wanted release will do.
private_apt() {
  local lists=$scratch/$1 command=$2
  shift 2
  "$command" -o Dir::Etc::sourcelist="$lists/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$lists/lists" -o Dir::Cache="$lists/cache" \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root "$@"
}

say() { echo "$(basename "$0" .sh): $*"; }

fail() {
  echo "$(basename "$0" .sh): error: $*" >&2
  exit 1
}
