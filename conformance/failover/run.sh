#!/usr/bin/env bash
# Two nodes while Sentinel and Redis Cluster replace primaries, a Redis that stands still for a minute, and an exact
# account of 2,000 connections. run.sh [NAME...]: the tests whose names contain one of these.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

install_redis
cd "$root"
# With the features of the other tests, so that nothing is compiled twice.
timeout 600 cargo test --workspace --test failover -- "$@"
