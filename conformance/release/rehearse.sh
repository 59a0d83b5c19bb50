#!/usr/bin/env bash
# Goes through a release of a version that does not exist, in a copy of the last commit, with a registry of its own. The
# program in the image is a stand-in, since the base images of the real one come from elsewhere. Needs helm in the path.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

VERSION=7.8.9
package git git
package gcc gcc libc6-dev
package buildah buildah
package docker-registry docker-registry
command -v helm >/dev/null || fail 'needs helm 3'
(cd "$root" && cargo build -q --workspace --bin xtask)
xtask=$(cd "$root" && realpath "${CARGO_TARGET_DIR:-target}/debug/xtask")

work=$(mktemp -d)
registry=
clean_up() {
    [ -z "$registry" ] || { kill "$registry" 2>/dev/null; wait "$registry" 2>/dev/null; } || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# Images of this run alone.
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$work/run" "$work/images" >"$work/storage.conf"

say 'making the version up'
copy=$work/copy
mkdir "$copy"
git -C "$root" archive HEAD | tar -x -C "$copy"
sed -i "0,/^version = .*/s//version = \"$VERSION\"/" "$copy/Cargo.toml"
sed -i "s/^version:.*/version: $VERSION/; s/^appVersion:.*/appVersion: $VERSION/" "$copy/helm/fanfare/Chart.yaml"
sed -i "s/^## \[Unreleased\]/&\n\n## [$VERSION] - 2030-01-31/" "$copy/CHANGELOG.md"
"$xtask" release record --root "$copy"
"$xtask" release check "v$VERSION" --root "$copy"
"$xtask" release notes "$VERSION" --root "$copy" >"$work/notes.md"
[ -s "$work/notes.md" ] || fail 'the notes are empty'

printf '#include <stdio.h>\nint main() { puts("fanfare %s (stand-in)"); }\n' "$VERSION" |
    gcc -x c -static -o "$copy/fanfare" -
printf 'FROM scratch\nCOPY fanfare /fanfare\nUSER 65532:65532\nENTRYPOINT ["/fanfare"]\n' >"$copy/Dockerfile"
rm "$copy/.dockerignore"
git -C "$copy" init -q
git -C "$copy" add -A -f
git -C "$copy" -c user.name=rehearsal -c user.email=rehearsal@localhost commit -q -m Rehearsal

say 'building twice'
for directory in once twice; do "$copy/.github/release/image.sh" "$VERSION" "$work/$directory" >/dev/null; done
architecture=$(dpkg --print-architecture)
[ "$architecture" = amd64 ] && other=arm64 || other=amd64
digest() { tar -xOf "$work/$1/fanfare-$VERSION-image-$architecture.tar" index.json; }
[ "$(digest once)" = "$(digest twice)" ] || fail 'the image differs from build to build'
cmp "$work"/{once,twice}/"fanfare-$VERSION-linux-$architecture.tar.gz" || fail 'the archive differs from build to build'
buildah build --quiet --layers=false --timestamp 1 --arch "$other" --iidfile "$work/other" "$copy" >/dev/null
buildah push --quiet "$(cat "$work/other")" "oci-archive:$work/once/fanfare-$VERSION-image-$other.tar:$VERSION"

say 'publishing'
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: "%s"}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
    "$work/registry" "$port" >"$work/registry.yml"
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
for _ in {1..100}; do
    curl -sf "http://127.0.0.1:$port/v2/" >/dev/null && break
    sleep 0.1
done
image=localhost:$port/owner/fanfare
published=$(PLAIN_HTTP=1 "$copy/.github/release/publish.sh" "$VERSION" "$work/once" "$image" "localhost:$port/owner/charts")
[[ $published == image=sha256:*chart=sha256:* ]] || fail "it told no digests: $published"

say 'looking at what is published'
index=$(curl -sf -H 'Accept: application/vnd.oci.image.index.v1+json' \
    "http://localhost:$port/v2/owner/fanfare/manifests/$VERSION")
for architecture in amd64 arm64; do
    grep -q "\"architecture\":\"$architecture\"" <<<"$index" || fail "no image for $architecture: $index"
done
values=$(helm show values --plain-http "oci://localhost:$port/owner/charts/fanfare" --version "$VERSION" 2>/dev/null)
grep -q "^  repository: $image\$" <<<"$values" || fail 'the chart does not name the image that was published with it'
rm "$work"/once/*-image-*.tar
"$copy/.github/release/checksums.sh" "$work/once"
(cd "$work/once" && sha256sum --quiet --check SHA256SUMS)
say 'all is as it should be'
