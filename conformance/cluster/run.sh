#!/usr/bin/env bash
# What `make cluster` starts: a publication at one node, or in Redis, is heard at the other. run.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package node nodejs
install_redis
build_node
node_test "$@"
