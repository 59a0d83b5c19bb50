#!/usr/bin/env bash
# `fanfare bench` in small, to see that it works.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package node nodejs
install_redis
build_node
node_test "$@"
