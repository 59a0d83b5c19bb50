#!/usr/bin/env bash
# 200,000 connections that come and leave in four ways; nothing of them may stay. run.sh [CONNECTIONS [SEED]]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

build_node
timeout 600 "$examples/churn" "$FANFARE_BIN" "$@"
