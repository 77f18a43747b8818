# `make verify` reads, `make fix` writes.

# One target directory outside the checkout, and beside it RocksDB's C++, built once a machine (scripts/rocksdb.sh).
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tidegate/target
# Cargo's features are unified over what is built, so always name all of the workspace: a part alone would compile the
# dependencies again with other features. The binary alone doesn't wait for the tests' own crate.
CARGO_BUILD := cargo build --locked --workspace --bin tidegate
TIDEGATE := $(CARGO_TARGET_DIR)/debug/tidegate

.PHONY: help run cluster test chaos verify fix fuzz bench mutations setup build

help:            ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup:           ## install what a fresh Debian or Ubuntu lacks
	@scripts/setup.sh

build: setup
	$(CARGO_BUILD)

run: build       ## one node on this machine, for trying it out
	$(TIDEGATE) dev

cluster: build   ## three nodes on this machine
	$(TIDEGATE) dev --nodes 3

test: setup      ## everything that must hold before a change lands
	@scripts/test.sh

chaos: build     ## only the clusters of real processes under faults, also part of test
	cargo nextest run --locked --workspace --profile chaos

verify: setup    ## format, lints, house rule, licences; writes nothing
	@scripts/verify.sh

fix:             ## format, apply what clippy can mend, write the generated docs
	cargo clippy --locked --workspace --all-targets --fix --allow-dirty --allow-staged
	WRITE_DOCS=1 cargo test --locked --workspace --test signature --test forwarding --test openapi -- table checked_in
	cargo fmt --all

fuzz: setup      ## ten minutes for each fuzz target, also briefly part of test
	@scripts/fuzz.sh 600

bench: setup     ## figures side by side, see docs/benchmarks.md
	@scripts/bench.sh

mutations: setup ## planted bugs must make the suite fail, see docs/testing.md
	@scripts/mutations.sh
