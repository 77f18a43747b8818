#!/usr/bin/env bash
# Two builds of `tidegate` under the same load, in turns: `scripts/compare.sh OTHER_BINARY TURNS [what bench run takes]`.
# Prints the table of each turn, the other build's first. Only figures of one run may be compared.
set -euo pipefail
cd "$(dirname "$0")/.."

other=$(realpath "${1:?the binary of the other version}") turns=${2:?how often each}
shift 2
target=${CARGO_TARGET_DIR:-target}
cargo build --locked --workspace --release
for turn in $(seq "$turns"); do
  for binary in "$other" "$target/release/tidegate"; do
    echo "## turn $turn: $binary"
    TIDEGATE_BIN=$binary "$target"/release/bench run "$@"
  done
done
