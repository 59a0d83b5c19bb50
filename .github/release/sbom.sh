#!/usr/bin/env bash
# Lists what the program is made of, in CycloneDX: sbom.sh VERSION DIRECTORY. Needs cargo-cyclonedx.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 2 ] || fail 'usage: sbom.sh VERSION DIRECTORY'
version=$1 directory=$2
needs cargo-cyclonedx jq git
mkdir -p "$directory"
list=$directory/fanfare-$version-sbom.cdx.json

# It writes beside every manifest of the workspace: of a copy.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git -C "$repository" archive HEAD | tar --extract --directory "$work"
cargo cyclonedx --quiet --manifest-path "$work/crates/cli/Cargo.toml" --format json --spec-version 1.5 \
    --target x86_64-unknown-linux-musl --override-filename sbom
jq '.metadata.component.name = "fanfare"' "$work/crates/cli/sbom.json" | sed "s|file://$work/|file:///|g" >"$list"

said=$(jq -r '.metadata.component.version' "$list")
[ "$said" = "$version" ] || fail "the list is of version $said, not $version"
incomplete=$(jq -r '[.components[] | select(.["bom-ref"] | startswith("registry+"))
    | select(.purl == null or .licenses == null or (.hashes | length) == 0) | .name] | join(" ")' "$list")
[ -z "$incomplete" ] || fail "no address, license or hash of $incomplete"
count=$(jq '[.components[] | select(.["bom-ref"] | startswith("registry+"))] | length' "$list")
[ "$count" -ge 100 ] || fail "the list has $count outside crates, which cannot be all"
strangers=$(jq -r '[.components[].name | select(. == "testkit" or . == "proptest" or . == "xtask")] | join(" ")' "$list")
[ -z "$strangers" ] || fail "the list has what the program is not made of: $strangers"
printf '%s\n' "$list"
