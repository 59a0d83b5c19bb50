#!/usr/bin/env bash
# A cluster to play with: one Redis and two nodes in development mode, on this machine alone, until Ctrl-C.
# PORTS='REDIS CLIENTS-1 INTERNAL-1 CLIENTS-2 INTERNAL-2' chooses other ports.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

START_SECONDS_MAX=15
read -r redis_port clients_1 internal_1 clients_2 internal_2 <<<"${PORTS:-7379 8001 9001 8002 9002}"

clean_up() {
    local pid
    # At once: nothing of them is kept.
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}

# started NAME PID COMMAND...: waits until the command succeeds, as long as the process lives.
started() {
    local end=$((SECONDS + START_SECONDS_MAX))
    until "${@:3}" >/dev/null 2>&1; do
        if ! kill -0 "$2" 2>/dev/null || ((SECONDS > end)); then
            fail "$1 does not start: $(tail -n 5 "$work/$1.log")"
        fi
        sleep 0.1
    done
}

start_redis() {
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$work" >"$work/redis.log" 2>&1 &
    pids+=($!)
    started redis $! redis-cli -e -p "$redis_port" PING
}

# start_node NUMBER CLIENTS-PORT INTERNAL-PORT
start_node() {
    FANFARE__REDIS__URL=redis://127.0.0.1:$redis_port "$FANFARE_BIN" serve --dev \
        --public-address "localhost:$2" --internal-address "localhost:$3" >"$work/node-$1.out" 2>"$work/node-$1.log" &
    pids+=($!)
    started "node-$1" $! curl -fs "http://localhost:$3/readyz"
    started "node-$1" $! grep '^publish' "$work/node-$1.out"
}

package openssl openssl
package curl curl
install_redis
if [ -z "${FANFARE_BIN:-}" ]; then
    say 'building the node'
    (cd "$root" && cargo build -q -p cli --bin fanfare)
    FANFARE_BIN=${CARGO_TARGET_DIR:-target}/debug/fanfare
fi
[ "${FANFARE_BIN:0:1}" = / ] || FANFARE_BIN=$root/$FANFARE_BIN

# Both nodes believe the same tokens.
export FANFARE__TOKEN__HMAC_SECRET=${FANFARE__TOKEN__HMAC_SECRET:-$(openssl rand -hex 32)}
export FANFARE__API__KEY=${FANFARE__API__KEY:-$(openssl rand -hex 32)}
work=$(mktemp -d)
pids=()
trap clean_up EXIT
trap 'exit 0' INT TERM

start_redis
start_node 1 "$clients_1" "$internal_1"
start_node 2 "$clients_2" "$internal_2"
demo=$(sed -n 's/^chat  *//p' "$work/node-1.out")
token=$(sed -n 's/^token  *//p' "$work/node-1.out")

cat <<END

Two nodes in DEVELOPMENT MODE share one Redis; only this machine reaches them. Ctrl-C ends all three.

node 1   $demo
node 2   http://localhost:$internal_2/demo#token=$token
         open both and type: what is written at one appears at the other
token    $token
         of user bob, good for a day, at ws://localhost:$clients_1/connection/websocket and :$clients_2
redis    redis-cli -p $redis_port PUBLISH fanfare:ch:chat '{"text":"Hello from Redis"}'

END
wait -n "${pids[@]}" || true
fail "a process ended by itself: $(tail -qn 3 "$work"/*.log)"
