#!/usr/bin/env bash
# What the tests against real servers need: Redis, openssl for certificates, Valkey. Tests find Valkey in the cache.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

install_redis
find_valkey
