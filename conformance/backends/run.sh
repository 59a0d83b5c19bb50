#!/usr/bin/env bash
# The code of docs/publish-from-redis.md as it stands there, against real nodes and a real Redis. run.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

# find_go: puts a Go into the path that can fetch the version which go.mod asks for.
find_go() {
    local minor
    PATH=$PATH:/usr/local/go/bin
    minor=$(go version 2>/dev/null | sed -nE 's/^go version go1\.([0-9]+).*/\1/p')
    ((${minor:-0} >= 21)) || fail 'needs Go 1.21 or newer in the path: https://go.dev/dl'
}

find_go
# Once, however long it takes: tests have less time.
go build github.com/redis/go-redis/v9
install_redis
npm_packages .
python_packages requirements.txt
export PYTHON=$python
build_node
node_test "$@"
