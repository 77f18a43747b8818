#!/usr/bin/env bash
# Everything that must hold before a change lands; ends with the number of tests.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --tests
scripts/verify.sh
# The cluster tests start the binary, so it is built first.
cargo build --locked --workspace
# Briefly, over the vectors as its corpus; `scripts/fuzz.sh 600` looks longer.
scripts/fuzz.sh 10
# Failpoints and cut links are compiled into the tests only: without them the worst moments go untested.
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --locked --workspace
else
  # One at a time: clusters of processes would steal each other's cores.
  cargo test --locked --workspace -- --test-threads=1
fi
