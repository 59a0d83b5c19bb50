#!/usr/bin/env bash
# The WebSocket conformance suite, core and limits, against the echo example. Strict: a case passes as OK or
# INFORMATIONAL, and all 301 must have run. run.sh [CASE...], for example run.sh '9.*'
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

SECONDS_MAX=600
suite=$cache/autobahn-0.8.2
cases=("${@:-*}")

python2() {
    local candidate
    for candidate in "$(command -v python2.7 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
        [ -x "$candidate" ] && "$candidate" -c 'import ssl, zlib' 2>/dev/null && echo "$candidate" && return
    done
    return 1
}

# virtualenv 20.22 dropped Python 2.7; the suite exists for nothing newer.
install() {
    local interpreter
    interpreter=$(python2) || {
        say '############################################################'
        say '# SKIPPED: the suite needs Python 2.7, which is not there. #'
        say '############################################################'
        [ "${FANFARE_ALLOW_SKIP:-}" = 1 ] && exit 0
        fail 'install it (pyenv install 2.7.18), or set FANFARE_ALLOW_SKIP=1 to go on without'
    }
    say 'installing the suite'
    rm -rf "$suite"
    python_packages virtualenv.txt
    "$python" -m virtualenv -q --no-periodic-update -p "$interpreter" "$suite"
    "$suite/bin/pip" -q install -r requirements.txt 2>"$suite/install.log" || fail "$(tail -n 5 "$suite/install.log")"
    touch "$suite/complete"
}

clean_up() {
    local pid
    # At once: a node that is asked to end drains first.
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}

[ -e "$suite/complete" ] || install
build_node
work=$(mktemp -d)
pids=()
trap clean_up EXIT
trap 'exit 1' INT TERM

"$examples/echo" 0 >"$work/url" 2>"$work/echo.log" &
pids+=($!)
for _ in {1..100}; do
    [ -s "$work/url" ] && break
    kill -0 "${pids[0]}" 2>/dev/null || fail "the echo endpoint ended: $(tail -n 5 "$work/echo.log")"
    sleep 0.1
done
url=$(head -n 1 "$work/url")
[ -n "$url" ] || fail 'the echo endpoint printed no address in 10 s'

python3 - "$url" "$work" "${cases[@]}" >"$work/spec.json" <<'PYTHON'
import json, sys
url, work, *cases = sys.argv[1:]
print(json.dumps({"outdir": work + "/report", "servers": [{"agent": "fanfare", "url": url}], "cases": cases,
                  "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}))
PYTHON
say "cases ${cases[*]} against $url"
timeout "$SECONDS_MAX" "$suite/bin/wstest" -m fuzzingclient -s "$work/spec.json" >"$work/suite.log" 2>&1 &
pids+=($!)
wait "${pids[1]}" || fail "the suite failed or took over $SECONDS_MAX s: $(tail -n 5 "$work/suite.log")"
if [ "${cases[*]}" = '*' ]; then expected=301; else expected=1; fi
./judge.py "$work/report" "$expected"
