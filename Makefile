.PHONY: help run cluster build test conformance kubernetes observe image bench loadtest fmt lint docs manifests

help: ## Shows what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Starts a node to play with, and prints the address of a chat page
	cargo run --profile demo -p cli --bin fanfare -- serve --dev

cluster: ## Starts a Redis and two nodes that share it, and prints the addresses of two chat pages
	conformance/cluster/up.sh

build: ## Builds the program for production: target/release/fanfare
	cargo build --release --locked -p cli --bin fanfare

test: ## Runs all tests, then two client libraries against a real node; installs what they need
	conformance/redis/install.sh
	cargo test --workspace
	conformance/centrifuge-js/run.sh
	conformance/cent/run.sh

conformance: ## Runs the long lanes: protocols, browsers, pages, chart, cluster, failover, load in small, alerts
	conformance/autobahn/run.sh
	conformance/browser/run.sh
	conformance/console/run.sh
	conformance/quickstart/run.sh
	conformance/chart/run.sh
	conformance/backends/run.sh
	conformance/cluster/run.sh
	conformance/proxies/run.sh
	conformance/churn/run.sh
	conformance/failover/run.sh
	conformance/bench/run.sh
	conformance/loadtest/run.sh
	conformance/release/run.sh
	conformance/observe/check.sh

kubernetes: ## Lives the chart's life on the cluster that KUBECONFIG names: install, upgrade, rollback, node loss
	conformance/kubernetes/run.sh

observe: ## Runs three nodes under a Prometheus while everything goes wrong: no dashboard may stay empty
	conformance/observe/check.sh
	conformance/observe/run.sh

image: ## Builds the image's program and the image, and runs it in containers; as root
	conformance/image/run.sh

bench: ## Tells how to measure a node
	@echo 'A figure needs a release build and a quiet machine:'
	@echo
	@echo '  make build'
	@echo '  export FANFARE__TOKEN__HMAC_SECRET=$$(openssl rand -hex 32) FANFARE__API__KEY=$$(openssl rand -hex 32)'
	@echo '  FANFARE__CHANNELS__CLIENT_SUBSCRIBE=true target/release/fanfare serve &'
	@echo '  target/release/fanfare bench --pid $$!'
	@echo
	@echo 'target/release/fanfare bench --help has the workloads and their sizes.'

loadtest: ## Runs every scenario of k6 in small against two nodes; reports in target/loadtest
	loadtest/small.sh

fmt: ## Formats the code
	cargo fmt --all

lint: ## Checks the format, and lints with warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

docs: ## Writes the pages that are generated from the code
	UPDATE_EXPECT=1 cargo test -q -p edge --test configuration
	UPDATE_EXPECT=1 cargo test -q -p edge --lib openapi
	UPDATE_EXPECT=1 cargo test -q -p edge --test it metrics_reference
	cargo run -q -p xtask -- dashboards
	cargo run -q -p xtask -- chart

manifests: ## Writes k8s/ from the chart
	conformance/chart/run.sh --write
