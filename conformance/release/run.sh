#!/usr/bin/env bash
# The workflows, and the steps of a release that need no network. run.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package git git
package readelf binutils
npm_packages .
python_packages requirements.txt
export PYTHON_BIN=${python%/*}
# With the features of a test run, so that nothing is compiled twice.
(cd "$root" && cargo build -q --workspace --bin xtask)
XTASK=$(cd "$root" && realpath "${CARGO_TARGET_DIR:-target}/debug/xtask")
export XTASK
node_test "$@"
