#!/usr/bin/env bash
# nginx and HAProxy in front of real nodes, configured as docs/operate/ingress.md says. run.sh [NAME...]: the tests whose
# names contain one of these.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

npm_packages ../centrifuge-js
install_redis
install_proxies
build_node
node_test "$@"
