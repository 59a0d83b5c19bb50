#!/bin/sh
# Builds the program that the image holds: one static file, the same bytes from the same commit wherever it is built.
#
#   image/build.sh        leaves it in target/dist/linux-ARCHITECTURE/fanfare
#
# It is linked with musl, since a static program with glibc finds no name by DNS where glibc's libraries are missing.
# TARGETARCH is amd64 or arm64, that of this machine by default. Needs rustup, musl-gcc, cmake and make.
set -eu
cd "$(dirname "$0")/.."

case ${TARGETARCH:-$(uname -m)} in
    amd64 | x86_64) architecture=amd64 machine=x86_64 ;;
    # Kernels for arm64 have pages of 4, 16 or 64 KiB; an allocator made for the largest runs on each.
    arm64 | aarch64) architecture=arm64 machine=aarch64 && export JEMALLOC_SYS_WITH_LG_PAGE=16 ;;
    *) echo "image/build.sh: knows amd64 and arm64, not $TARGETARCH" >&2 && exit 1 ;;
esac
target=$machine-unknown-linux-musl
built=${CARGO_TARGET_DIR:-$PWD/target}
cargo=${CARGO_HOME:-$HOME/.cargo}
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

# No path of this machine, and no time, ends up in the program.
FANFARE_COMMIT=${FANFARE_COMMIT:-$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export FANFARE_COMMIT SOURCE_DATE_EPOCH CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_STRIP=debuginfo
export RUSTFLAGS="--remap-path-prefix=$built=/built --remap-path-prefix=$cargo=/cargo --remap-path-prefix=$PWD=/src"
name=$(echo "$target" | tr - _)
files="-ffile-prefix-map=$built=/built -ffile-prefix-map=$cargo=/cargo -ffile-prefix-map=$PWD=/src"
env "CC_$name=${MUSL_CC:-musl-gcc}" "CFLAGS_$name=$files" \
    cargo build --profile "${FANFARE_PROFILE:-release}" --locked --target "$target" -p cli --bin fanfare

dist=target/dist/linux-$architecture
mkdir -p "$dist"
cp "$built/$target/${FANFARE_PROFILE:-release}/fanfare" "$dist/fanfare"
chmod 755 "$dist/fanfare"
touch -d "@$SOURCE_DATE_EPOCH" "$dist/fanfare"
sha256sum "$dist/fanfare"
