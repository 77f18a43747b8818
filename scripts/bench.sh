#!/usr/bin/env bash
# Figures of a release build, side by side in one run; see docs/benchmarks.md. Arguments go to `bench run`, except
# `scripts/bench.sh routing`: what a plan costs, and `scripts/bench.sh forgery`: what a forged request costs, without a node.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
case ${1:-} in
  routing | forgery) exec cargo bench --locked --workspace --bench "$1" ;;
esac
cargo build --locked --workspace --release
exec "$target"/release/bench run "$@"
