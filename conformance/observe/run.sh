#!/usr/bin/env bash
# Three nodes, a Redis and a Prometheus, with everything going wrong that operators watch for: every expression of the
# dashboards and of the recording rules is other than zero at least once. Then the alerts that fired are listed.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

install_prometheus
package node nodejs
install_redis
build_node
timeout 300 node run.mjs
