# shellcheck shell=bash
# What the lanes share: where tools are kept, how they get there, what is built. Sourced by every run.sh.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${FANFARE_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fanfare-ci}

say() { printf '%s: %s\n' "$(basename "$PWD")" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# package COMMAND DEBIAN-PACKAGE...: installs the packages unless the command is there.
package() {
    command -v "$1" >/dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "needs $1; on Debian: apt-get install ${*:2}"
    fi
    say "installing ${*:2}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "${@:2}" >/dev/null
}

# npm_packages DIRECTORY: what its lock file names, beside it.
npm_packages() {
    package node nodejs
    package npm npm
    [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && return
    npm ci --prefix "$1" --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error >&2
}

# python_packages REQUIREMENTS: sets $python to an interpreter of an environment that has them, made once for
# each content of the file.
python_packages() {
    package python3 python3 python3-venv
    local sum environment
    sum=$(cat "$1" <(python3 --version) | sha256sum)
    environment=$cache/python-${sum:0:16}
    python=$environment/bin/python
    [ -e "$environment/complete" ] && return
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$python" -m pip -q --disable-pip-version-check install -r "$1" >&2
    touch "$environment/complete"
}

# find_chromium: sets $CHROMIUM.
find_chromium() {
    package chromium chromium
    CHROMIUM=$(command -v chromium)
    export CHROMIUM
}

# node_test [NAME...]: the tests of this directory, or those whose names contain one of these.
node_test() {
    timeout 300 node --test --test-reporter=spec --test-timeout=60000 --test-concurrency=2 \
        "${@/#/--test-name-pattern=}" ./*.test.mjs
}

# build_node: sets $FANFARE_BIN to the program, unless it is given, and $examples to the examples beside it. All in
# one call with the features of a test run, so that nothing is compiled twice.
build_node() {
    if [ -z "${FANFARE_BIN:-}" ]; then
        (cd "$root" && cargo build -q --workspace --bin fanfare --examples)
        FANFARE_BIN=${CARGO_TARGET_DIR:-target}/debug/fanfare
    fi
    [ "${FANFARE_BIN:0:1}" = / ] || FANFARE_BIN=$root/$FANFARE_BIN
    export FANFARE_BIN examples=${FANFARE_BIN%/*}/examples
}
