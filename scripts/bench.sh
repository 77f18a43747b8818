#!/usr/bin/env bash
# Figures of a release build, side by side in one run; see docs/benchmarks.md. Arguments go to `bench run`, except
# `scripts/bench.sh routing`: what a plan costs, without a node.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
if [ "${1:-}" = routing ]; then
  exec cargo bench --locked --workspace --bench routing
fi
cargo build --locked --workspace --release
exec "$target"/release/bench run "$@"
