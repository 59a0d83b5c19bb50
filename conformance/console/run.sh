#!/usr/bin/env bash
# The console of two nodes that share a Redis, in a real browser. run.sh [NAME...] runs the tests whose names contain it.
# UPDATE_SCREENSHOTS=1 makes the pictures of docs/operate/console.md anew.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

find_chromium
npm_packages ../browser
install_redis
build_node
# shellcheck disable=SC2034 # read by node_test
test_seconds_max=200
node_test "$@"
