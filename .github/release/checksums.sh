#!/usr/bin/env bash
# Writes SHA256SUMS beside the files of a release: checksums.sh DIRECTORY. `sha256sum --check SHA256SUMS` reads it.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 1 ] || fail 'usage: checksums.sh DIRECTORY'
cd "$1"
rm -f SHA256SUMS
mapfile -t files < <(find . -maxdepth 1 -type f -printf '%f\n' | LC_ALL=C sort)
[ "${#files[@]}" -gt 0 ] || fail "$1 holds no files"
sha256sum -- "${files[@]}" >SHA256SUMS
