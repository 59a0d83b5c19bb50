#!/usr/bin/env bash
# The chart and the plain manifests, without a cluster. run.sh [--write | Chart.test_NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

python_packages requirements.txt
if [ "${1:-}" = --write ]; then
    "$python" manifests.py
    exit
fi
build_node
timeout 300 "$python" test_chart.py "$@"
