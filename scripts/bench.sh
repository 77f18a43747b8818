#!/usr/bin/env bash
# Figures of a release build, side by side in one run; see docs/benchmarks.md. Arguments go to `bench run`, except
# `scripts/bench.sh routing`: what a plan costs, without a node.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
# RocksDB's C++ is optimised in the development build already: linking it here saves building it once more. Cargo tells
# where it is; older builds may lie beside it.
built=$(cargo build --locked --workspace --message-format=json-render-diagnostics |
  grep -o '"out_dir":"[^"]*/librocksdb-sys-[^"]*"' | cut -d'"' -f4 | tail -1)
export ROCKSDB_LIB_DIR=$built ROCKSDB_STATIC=1
if [ "${1:-}" = routing ]; then
  exec cargo bench --locked --workspace --bench routing
fi
cargo build --locked --workspace --release
exec "$target"/release/bench run "$@"
