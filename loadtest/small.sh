#!/usr/bin/env bash
# Every scenario in small, or those that are named, against a Redis and two nodes that are started for it.
set -euo pipefail
cd "$(dirname "$0")"
. ../conformance/lib.sh

package node nodejs
install_redis
find_k6
build_node
export REPORT_DIR=${REPORT_DIR:-$root/target/loadtest}
mkdir -p "$REPORT_DIR"
exec node small.mjs "$@"
