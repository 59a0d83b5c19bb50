#!/usr/bin/env bash
# The chart on a real cluster: the one that KUBECONFIG names. run.sh [NAME...] runs the steps whose names contain it.
#
#   LOAD             command that brings an image into the cluster, called with the path of its archive; for example
#                    `kind load image-archive`. Or, for images that the cluster can pull:
#   FANFARE_IMAGE    the image to test                         AHEAD_IMAGE  a node of the next version (edge/examples)
#   REDIS_IMAGE      redis:7.4, or the like                    NODE_IMAGE   node:22-slim, or the like
#   CLIENTS          clients that follow an upgrade; 3000
#   HPA=1            the cluster serves pods' metrics as custom metrics: shows autoscaling
#   NETWORK_POLICY=1 the cluster enforces NetworkPolicy: shows who may reach what
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

[ -n "${KUBECONFIG:-}" ] || fail 'needs KUBECONFIG, the path of a configuration that leads to a cluster for tests'
for tool in kubectl helm; do
    command -v "$tool" >/dev/null || fail "needs $tool in the path"
done
package node nodejs
npm_packages ../centrifuge-js

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# image VARIABLE NAME PACK-ARGUMENTS...: names the image in VARIABLE; made here and brought in unless it is given.
image() {
    export "$1=${!1:-}"
    [ -z "${!1}" ] || return 0
    [ -n "${LOAD:-}" ] || fail "needs LOAD, or $1 with an image that the cluster can pull"
    local name
    name=$(python3 ../fixture/image.py "$work/$2.tar" "localhost/$2" "${@:3}")
    say "bringing $name into the cluster"
    $LOAD "$work/$2.tar" >&2
    rm "$work/$2.tar"
    export "$1=$name"
}

build_node
image FANFARE_IMAGE fanfare "$FANFARE_BIN=/fanfare" -- /fanfare
image AHEAD_IMAGE fanfare-ahead "$examples/ahead=/fanfare" -- /fanfare
[ -n "${REDIS_IMAGE:-}" ] || install_redis
image REDIS_IMAGE redis "$(command -v redis-server)=/redis-server" -- /redis-server
image NODE_IMAGE node "$(command -v node)=/node" -- /node
timeout 1800 node --test --test-reporter=spec "${@/#/--test-name-pattern=}" kubernetes.test.mjs
