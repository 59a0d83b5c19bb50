#!/usr/bin/env bash
# Lists what the program is made of, in CycloneDX: sbom.sh VERSION DIRECTORY. Needs cargo-cyclonedx.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 2 ] || fail 'usage: sbom.sh VERSION DIRECTORY'
version=$1 directory=$2
needs cargo-cyclonedx jq
mkdir -p "$directory"
list=$directory/fanfare-$version-sbom.cdx.json

# It writes beside the manifest, and knows no other place.
written=$repository/crates/cli/fanfare-sbom.json
trap 'rm -f "$written"' EXIT
cargo cyclonedx --quiet --manifest-path "$repository/crates/cli/Cargo.toml" --format json --spec-version 1.5 \
    --target x86_64-unknown-linux-musl --override-filename fanfare-sbom
