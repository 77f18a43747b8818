#!/usr/bin/env bash
# Builds with planted bugs, one at a time; each must make its tests fail. See docs/testing.md.
set -euo pipefail
cd "$(dirname "$0")/.."

caught=0
planted() { # feature, nextest filter
  echo "planted: $1"
  if cargo nextest run --locked --workspace --features "$1" -E "$2" --no-fail-fast >"/tmp/tidegate-mutation.log" 2>&1; then
    echo "NOT CAUGHT: $1 passed $2" >&2
    exit 1
  fi
  # A build that does not compile catches nothing.
  grep -q "FAIL" /tmp/tidegate-mutation.log || { tail -20 /tmp/tidegate-mutation.log >&2; exit 1; }
  grep "FAIL" /tmp/tidegate-mutation.log | sort -u | head -5
  caught=$((caught + 1))
}
planted storage/bug-ack-before-sync "package(storage)"
planted storage/bug-applied-ahead "package(storage)"
planted raft/bug-skip-fence "package(raft)"
echo "$caught planted bugs, $caught caught"
