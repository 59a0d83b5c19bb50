#!/usr/bin/env bash
# Measures nodes that share a Redis: all, or those named of fanout nodes outage forgotten latency account.
# Figures need a release build (FANFARE_BIN=target/release/fanfare) and a quiet machine; SMALL=1 shows that it works.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package node nodejs
install_redis
build_node
exec node cluster.mjs "$@"
