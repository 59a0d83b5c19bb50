#!/usr/bin/env bash
# Builds the image for this machine's architecture, as an OCI archive, and packs the program that is in it:
# image.sh VERSION DIRECTORY. So the image and the archive hold the same program.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 2 ] || fail 'usage: image.sh VERSION DIRECTORY'
version=$1 directory=$2
needs buildah git
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "builds no images on $(uname -m)" ;;
esac
commit=$(git -C "$repository" rev-parse HEAD)
source=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-unknown/unknown}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory"
buildah build --quiet --layers=false --timestamp "$SOURCE_DATE_EPOCH" --iidfile "$work/image" \
    --build-arg "FANFARE_COMMIT=${commit:0:12}" \
    --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$commit" \
    --label "org.opencontainers.image.source=$source" "$repository" >&2
image=$(cat "$work/image")
buildah push --quiet "$image" "oci-archive:$directory/fanfare-$version-image-$architecture.tar:$version" >&2

printf 'FROM %s\n' "$image" >"$work/Dockerfile"
mkdir "$work/empty" "$work/root"
buildah build --quiet --pull-never --output "$work/root" --file "$work/Dockerfile" "$work/empty" >&2
mapfile -t programs < <(find "$work/root" -type f -name fanfare -perm -u+x)
[ "${#programs[@]}" = 1 ] || fail "the image holds ${#programs[@]} programs called fanfare, not one"
"$(dirname "$0")/archive.sh" "${programs[0]}" "$version" "$architecture" "$directory"
