#!/usr/bin/env bash
# The rules are rules, each alert fires when it should and not when it comes near, and Prometheus can parse whatever
# the dashboards ask.
set -euo pipefail
cd "$(dirname "$0")"
. ../lib.sh

install_prometheus
package node nodejs
asked=$(mktemp --suffix .yaml)
trap 'rm -f "$asked"' EXIT
node expressions.mjs >"$asked"
timeout 60 promtool check rules "$root/helm/fanfare/files/rules.yaml" "$asked" >&2
timeout 300 promtool test rules rules_test.yaml >&2
