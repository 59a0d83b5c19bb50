#!/usr/bin/env bash
# Runs one scenario against nodes that are there: run.sh SCENARIO [FLAGS-OF-K6...]. README.md has the variables.
set -euo pipefail
cd "$(dirname "$0")"
. ../conformance/lib.sh

scenario=scenarios/${1:-}.js
[ -n "${1:-}" ] && [ -e "$scenario" ] || fail "run.sh SCENARIO, one of: $(basename -s .js scenarios/*.js | paste -sd ' ')"
find_k6
export REPORT_DIR=${REPORT_DIR:-$root/target/loadtest}
mkdir -p "$REPORT_DIR"
rm -f "$REPORT_DIR/$1".{html,json}
status=0
"$K6" run -q --address '' "$scenario" "${@:2}" || status=$?
[ ! -e "$REPORT_DIR/$1.html" ] || say "the report is $REPORT_DIR/$1.html"
exit "$status"
