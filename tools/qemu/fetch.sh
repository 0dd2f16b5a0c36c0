#!/usr/bin/env bash
# Prints the path of a qemu-aarch64 that knows SME2: Debian's qemu-user of a newer release, unpacked into a cache folder.
#   tools/qemu/fetch.sh              fetches it once; "unavailable" and exit status 1 where it cannot be had, why on stderr
#   tools/qemu/fetch.sh --cached     never fetches
# The mirror is the machine's own: its Debian source with the suite's name changed. Nothing is installed; apt's sources,
# lists and archives stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=trixie-backports
cache=${REPBNN_QEMU_CACHE:-$PWD/build/qemu-$suite}
program=usr/bin/qemu-aarch64

unavailable() {
  [ $# -eq 0 ] || echo "$*" >&2
  echo unavailable
  exit 1
}

# The machine's entry for Debian itself (not its security suite), for $suite, into folder $1.
write_source() {
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    awk -v RS= '/debian-archive-keyring/ && !/security/ { print; exit }' "$file" |
      sed -E "/^#/d; s/^Suites:.*/Suites: $suite/; s/^Components:.*/Components: main/" >"$1/debian.sources"
    [ ! -s "$1/debian.sources" ] || return 0
  done
  rm -f "$1/debian.sources"
  sed -nE "s#^(deb( +\[[^]]*\])? +[^ ]*/debian/?) .*#\1 $suite main#p" /etc/apt/sources.list 2>/dev/null |
    head -n 1 >"$1/debian.list"
  [ -s "$1/debian.list" ]
}

# The machine's own settings (proxies) are read first, then this file: everything that apt writes goes into folder $1.
write_settings() {
  cat >"$1/settings" <<END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$1/sources";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$1/lists";
Dir::State::status "/dev/null";
Dir::Cache "$1";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
#clear APT::Update;
END
}

fetch() {
  local work=$1
  mkdir -p "$work"/{sources,lists/partial,archives/partial,unpacked}
  write_source "$work/sources" || unavailable "this machine has no Debian source"
  write_settings "$work"
  timeout 120 apt-get -qq -c "$work/settings" update >&2 || unavailable "$suite cannot be reached"
  (cd "$work" && timeout 240 apt-get -qq -c "$work/settings" download qemu-user >&2) ||
    unavailable "qemu-user of $suite cannot be fetched"
  dpkg --fsys-tarfile "$work"/qemu-user_*.deb |
    tar -x -C "$work/unpacked" "./$program" ./usr/share/doc/qemu-user/copyright
  "$work/unpacked/$program" --version >&2 || unavailable "qemu-user of $suite does not run here"
}

if [ ! -x "$cache/$program" ]; then
  [ "${1:-}" != --cached ] || unavailable
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || unavailable "this machine has no apt-get"
  mkdir -p "$(dirname "$cache")"
  work=$(mktemp -d "$cache.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  fetch "$work"
  # Whole or not at all; who comes second keeps what is there.
  mv -T "$work/unpacked" "$cache" 2>/dev/null || [ -x "$cache/$program" ] || unavailable "cannot write $cache"
fi
echo "$cache/$program"
