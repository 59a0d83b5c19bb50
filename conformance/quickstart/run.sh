#!/usr/bin/env bash
# The code of docs/quickstart.md as it stands there, against a real node and in a real browser.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package openssl openssl
find_chromium
npm_packages .
python_packages requirements.txt
build_node
export PYTHON=$python
node_test "$@"
