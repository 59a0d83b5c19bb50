#!/usr/bin/env bash
# Pushes the image for all architectures, then the chart: publish.sh VERSION DIRECTORY IMAGE CHARTS, where IMAGE is like
# ghcr.io/owner/fanfare and CHARTS like ghcr.io/owner/charts. Prints `image=DIGEST` and `chart=DIGEST`. PLAIN_HTTP=1 for
# a registry on this machine. Whoever calls has logged in.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 4 ] || fail 'usage: publish.sh VERSION DIRECTORY IMAGE CHARTS'
version=$1 directory=$2 image=$3 charts=$4
needs buildah helm
buildah_options=() helm_options=()
if [ "${PLAIN_HTTP:-}" = 1 ]; then
    buildah_options=(--tls-verify=false) helm_options=(--plain-http)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"; buildah manifest rm "$list" >/dev/null 2>&1 || true' EXIT
list=fanfare-release-$version
buildah manifest create "$list" >/dev/null
for architecture in amd64 arm64; do
    archive=$directory/fanfare-$version-image-$architecture.tar
    [ -e "$archive" ] || fail "$archive is missing"
    buildah manifest add --all "$list" "oci-archive:$archive" >/dev/null
done
buildah manifest push --quiet --all --format oci "${buildah_options[@]}" --digestfile "$work/digest" "$list" \
    "docker://$image:$version" >&2
printf 'image=%s\n' "$(cat "$work/digest")"

# In the tree the chart names an image that was built by hand.
cp -r "$repository/helm/fanfare" "$work/chart"
sed -i "/^image:/,/^[^ #]/ s|^  repository: .*|  repository: $image|" "$work/chart/values.yaml"
grep -q "^  repository: $image\$" "$work/chart/values.yaml" || \
    fail 'the chart has no image.repository to name the image in'
helm package "$work/chart" --destination "$work" >&2
pushed=$(helm push "${helm_options[@]}" "$work/fanfare-$version.tgz" "oci://$charts" 2>&1) || fail "$pushed"
printf '%s\n' "$pushed" >&2
digest=$(sed -n 's/^Digest: //p' <<<"$pushed")
[ -n "$digest" ] || fail 'helm told no digest of the chart'
printf 'chart=%s\n' "$digest"
