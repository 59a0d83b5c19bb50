# shellcheck shell=bash
# What the steps of a release share. Sourced by the other scripts here; all of them run on any Linux machine.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

needs() {
    local command
    for command in "$@"; do command -v "$command" >/dev/null || fail "needs $command"; done
}

# Files, layers and lists bear the commit's time, so that building a commit again gives the same bytes.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$repository" log -1 --format=%ct)
fi
export SOURCE_DATE_EPOCH
