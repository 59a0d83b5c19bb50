#!/usr/bin/env bash
# The cent library from PyPI, unmodified, against a real node. run.sh [ServerApi.test_NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

python_packages requirements.txt
build_node
timeout 120 "$python" test_cent.py "$@"
