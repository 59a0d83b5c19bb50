#!/usr/bin/env bash
# Packs a static program: archive.sh PROGRAM VERSION ARCHITECTURE DIRECTORY. The same program gives the same bytes.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 4 ] || fail 'usage: archive.sh PROGRAM VERSION amd64|arm64 DIRECTORY'
program=$1 version=$2 architecture=$3 directory=$4
needs readelf tar gzip

case $architecture in
    amd64) machine='Advanced Micro Devices X86-64' native=x86_64 ;;
    arm64) machine=AArch64 native=aarch64 ;;
    *) fail "knows no architecture $architecture" ;;
esac
# readelf is read to its end: with grep -q it would die of a broken pipe, and the check with it.
header=$(readelf --file-header --program-headers --wide "$program") || fail "$program is no program"
[[ $header == *"$machine"* ]] || fail "$program is not built for $architecture"
[[ $header != *INTERP* ]] || fail "$program is not static: it asks for a loader"
if [ "$(uname -m)" = "$native" ]; then
    said=$("$program" --version)
    [[ $said == "fanfare $version"* ]] || fail "$program says that it is $said, not $version"
fi

name=fanfare-$version-linux-$architecture
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -d -m 755 "$work/$name"
install -m 755 "$program" "$work/$name/fanfare"
install -m 644 "$repository/README.md" "$repository/CHANGELOG.md" "$repository/LICENSE" "$work/$name/"
mkdir -p "$directory"
tar --directory "$work" --create --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
    --numeric-owner "$name" | gzip --best --no-name >"$directory/$name.tar.gz"
printf '%s\n' "$directory/$name.tar.gz"
