#!/usr/bin/env bash
# The image: built twice from the same program it is the same, and it runs with a read-only root, no rights, and
# nothing in it but the program: names by DNS, TLS to Redis and to a collector, and its end. As root, in a network of
# its own. FANFARE_STATIC=FILE takes a program that image/build.sh has built, FANFARE_PROFILE=demo builds it sooner.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "knows no image for $(uname -m)" ;;
esac
[ "$(id -u)" = 0 ] || fail 'needs to be root, for containers'
if [ -z "${FANFARE_IMAGE_NETWORK:-}" ]; then
    package buildah buildah
    package podman podman runc netavark aardvark-dns
    package runc runc
    package curl curl
    package python3 python3
    install_redis
    if [ -z "${FANFARE_STATIC:-}" ]; then
        package musl-gcc musl-tools
        package cmake cmake make
        (cd "$root" && image/build.sh >&2)
    else
        dist=$root/target/dist/linux-$architecture
        mkdir -p "$dist"
        [ "$FANFARE_STATIC" -ef "$dist/fanfare" ] || cp -p "$FANFARE_STATIC" "$dist/fanfare"
    fi
    FANFARE_IMAGE_NETWORK=own exec unshare --net "$PWD/run.sh" "$@"
fi
ip link set lo up

work=$(mktemp -d)
export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
pids=()
cleanup() {
    local status=$?
    if [ "$status" != 0 ]; then
        podman logs fanfare 2>&1 | tail -n 20 >&2 || true
    fi
    podman rm -f -a -t 0 >/dev/null 2>&1 || true
    [ "${#pids[@]}" = 0 ] || kill "${pids[@]}" 2>/dev/null || true
    podman system reset -f >/dev/null 2>&1 || true
    rm -rf "$work" 2>/dev/null || true
}
trap cleanup EXIT

# What runs on a machine that may not raise limits, and leaves nothing behind.
cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "$work/tmp"
[network]
network_backend = "netavark"
network_config_dir = "$work/networks"
END
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
runroot = "$work/runroot"
graphroot = "$work/graphroot"
END

ok() { say "ok: $*"; }

# equal WHAT FOUND EXPECTED
equal() {
    [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# within SECONDS WHAT COMMAND...: until the command succeeds.
within() {
    local end=$((SECONDS + $1)) what=$2
    until "${@:3}" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: not in time"
        sleep 0.2
    done
}

# image NAME: builds it, anew.
image() {
    local commit=abcdef123456
    (cd "$root" && buildah bud -q --layers=false --no-cache --pull-never --isolation chroot --timestamp 1700000000 \
        --build-arg PROGRAM=prebuilt --build-arg "TARGETARCH=$architecture" --build-arg "FANFARE_COMMIT=$commit" --build-arg FANFARE_VERSION=1.2.3 \
        -t "localhost/$1" .)
}

first=$(image fanfare)
second=$(image again)
equal 'the image when it is built again' "$second" "$first"
inspected() { podman image inspect --format "$1" localhost/fanfare; }
equal 'the user' "$(inspected '{{.Config.User}}')" 65532:65532
equal 'the entry point' "$(inspected '{{.Config.Entrypoint}} {{.Config.Cmd}}')" '[/fanfare] [serve]'
for label in title description source version revision licenses; do
    value=$(inspected "{{index .Config.Labels \"org.opencontainers.image.$label\"}}")
    [ -n "$value" ] || fail "has no label $label"
done
mount=$(podman image mount localhost/fanfare)
equal 'what is in the image' "$(cd "$mount" && find . -type f | sort | tr '\n' ' ')" './fanfare '
[[ $(readelf --program-headers --wide "$mount/fanfare") != *INTERP* ]] || fail 'the program is not static'
podman image unmount localhost/fanfare >/dev/null
ok 'the same program gives the same image, with labels, a user without rights and nothing else'

# A Redis in a container of its own, with the libraries of this machine, and certificates nobody knows.
(
    cd "$work"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lane -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=servers -keyout key.pem -out request.pem \
        -addext subjectAltName=DNS:redis,DNS:host.containers.internal
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -copy_extensions copy -days 2 -out cert.pem
) 2>/dev/null
chmod 644 "$work"/*.pem
redis=$(python3 ../fixture/image.py "$work/redis.tar" localhost/redis "$(command -v redis-server)=/redis-server" \
    "$work/key.pem=/key.pem" "$work/cert.pem=/cert.pem" "$work/ca.pem=/ca.pem" -- /redis-server)
podman load -q -i "$work/redis.tar" >/dev/null
podman network create --internal lane >/dev/null
podman run -d --name redis --network lane "$redis" --save '' --protected-mode no --port 6379 --tls-port 6380 \
    --tls-cert-file /cert.pem --tls-key-file /key.pem --tls-ca-cert-file /ca.pem --tls-auth-clients no \
    --enable-module-command no >/dev/null

# start VARIABLE=VALUE...: the image, as a cluster that trusts nobody runs it.
start() {
    local variable variables=()
    for variable; do variables+=(-e "FANFARE__$variable"); done
    podman rm -f -t 0 fanfare >/dev/null 2>&1 || true
    podman run -d --name fanfare --network lane --read-only --read-only-tmpfs=false --cap-drop all \
        --security-opt no-new-privileges -v "$work/ca.pem:/ca.pem:ro" \
        -e FANFARE__INTERNAL__ADDRESS=:9000 -e FANFARE__DRAIN__DELAY=0 -e FANFARE__DRAIN__WINDOW=0 \
        -e FANFARE__API__KEY=key -e FANFARE__TOKEN__HMAC_SECRET=0123456789abcdef0123456789abcdef \
        "${variables[@]}" localhost/fanfare >/dev/null
    address=$(podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' fanfare)
}
answers() { curl -sf -m 2 "http://$address:9000$1"; }
logged() { [[ $(podman logs fanfare 2>&1) =~ $1 ]]; }

start REDIS__URL=redis://redis:6379
within 30 'the node lives' answers /livez
within 30 'the node finds its Redis by name' answers /readyz
pid=$(podman inspect --format '{{.State.Pid}}' fanfare)
equal 'its user' "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" 65532
equal 'its rights' "$(awk '/^CapEff:|^CapBnd:/ { print $2 }' "/proc/$pid/status" | sort -u)" 0000000000000000
equal 'whether it may get more' "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" 1
equal 'what another program in it says' "$(podman exec fanfare fanfare --version | cut -d ' ' -f 1)" fanfare
podman stop -t 20 fanfare >/dev/null
equal 'the status at its end' "$(podman inspect --format '{{.State.ExitCode}}' fanfare)" 0
ok 'it lives without rights, finds Redis by DNS, and ends with 0'

start REDIS__URL=rediss://redis:6380 REDIS__CA_FILE=/ca.pem
within 30 'the node trusts the certificate in the file' answers /readyz
start REDIS__URL=rediss://redis:6380
within 30 'the certificate of nobody is refused' logged 'UnknownIssuer'
logged "the program's own are used" || fail 'the roots that the program brings along were not used'
! answers /readyz >/dev/null || fail 'it is ready without a Redis that it trusts'
ok 'rediss:// with a file of its own, and with the roots that the program brings along'

python3 collector.py "$work/cert.pem" "$work/key.pem" "$work/spans" &
pids+=($!)
within 20 'the collector listens' test -s "$work/spans.port"
collector=https://host.containers.internal:$(cat "$work/spans.port")
publish() {
    curl -sf -m 5 -H 'X-API-Key: key' -d '{"channel":"news","data":1}' "http://$address:9000/api/publish" >/dev/null
}
start TRACING__URL="$collector" TRACING__SAMPLE_RATIO=1
within 30 'the node lives' answers /livez
publish
within 40 'the certificate of nobody is refused' logged 'traces were not taken.*UnknownIssuer'
[ ! -s "$work/spans" ] || fail 'spans went to a collector that nobody knows'
start TRACING__URL="$collector" TRACING__SAMPLE_RATIO=1 TRACING__CA_FILE=/ca.pem
within 30 'the node lives' answers /livez
publish
within 30 'the collector has the span' grep -q 'POST /api/publish' "$work/spans"
ok 'OTLP over TLS, likewise'
