#!/usr/bin/env bash
# The centrifuge SDK from npm, unmodified, against real nodes. run.sh [NAME...] runs the tests whose names contain it.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

npm_packages .
build_node
node_test "$@"
