#!/usr/bin/env bash
# The demo page of a node in development mode, in a real browser. run.sh [NAME...] runs the tests whose names contain it.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package curl curl
find_chromium
npm_packages .
build_node
node_test "$@"
