#!/usr/bin/env bash
# What `make cluster` starts is a cluster, and what compose.yaml says makes one. run.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package node nodejs
install_redis
build_node
node_test "$@"
