#!/usr/bin/env bash
# Runs each fuzz target for some seconds: scripts/fuzz.sh [seconds] [target…]. What it finds stays in the corpus folder,
# beside the build; an input that fails is kept and its path printed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(examine public_key filter transform tree)

main=${CARGO_TARGET_DIR:-target}
folder=$(realpath -m "$main-fuzz")
mkdir -p "$folder"/corpus/{examine,public_key,filter,transform,tree}
WRITE_CORPUS="$folder/corpus/examine" cargo test --locked --quiet --workspace \
  --test signature corpus:: >/dev/null
cp model/src/policy/signature/registry/keys/*.pem model/fuzz/corpus/public_key/* "$folder/corpus/public_key/"
for target in filter transform tree; do
  cp "model/fuzz/corpus/$target/"* "$folder/corpus/$target/"
done

# libFuzzer steers by what these flags make the code report. They are stable flags of rustc, and with --target they don't
# reach build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares"
export CARGO_TARGET_DIR=$folder
cargo build --locked --quiet --manifest-path model/fuzz/Cargo.toml --target "$host"

for target in "${targets[@]}"; do
  # Allocations have no bound that a small input could not stay under: 1 GiB would be a defect.
  "$folder/$host/debug/$target" "$folder/corpus/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
    -artifact_prefix="$folder/$target-" -print_final_stats=1 2>"$folder/$target.log" || {
    tail -n 40 "$folder/$target.log" >&2
    exit 1
  }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$target.log")
  echo "fuzz $target: $runs runs in $seconds s, nothing found"
done
