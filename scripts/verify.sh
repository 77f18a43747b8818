#!/usr/bin/env bash
# Checks without writing: format, lints, the house's dependency rule, licences and sources.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings
scripts/house-rule.sh
if ! command -v cargo-deny >/dev/null; then
  # Beside the workspace's target directory, so that its own build disturbs nothing.
  # Unoptimised: it runs for seconds and would compile for minutes.
  CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}-tools" cargo install --locked --quiet --debug cargo-deny
fi
# The advisory database can't be reached from everywhere; `cargo deny check` alone asks for it too.
cargo deny --all-features check bans licenses sources
