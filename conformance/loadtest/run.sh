#!/usr/bin/env bash
# The load test finds a publication that is lost, doubled or out of order, and its scripts can be used. run.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

package node nodejs
find_k6
build_node
node_test "$@"
if command -v kubectl >/dev/null; then
    kubectl kustomize ../../loadtest/k8s >/dev/null
else
    say 'kubectl is not there: the Job was not built'
fi
