#!/usr/bin/env bash
# Builds with planted bugs, one at a time; each must make its tests fail. See docs/testing.md.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
caught=0

suite() { # nextest filter, further arguments
  cargo nextest run --locked --workspace --features storage/failpoints --no-fail-fast -E "$1" "${@:2}" >"$log" 2>&1
}

planted() { # feature, nextest filter
  # Tests that fail anyway would count as a catch.
  suite "$2" || { echo "without any bug planted, $2 does not pass" >&2; tail -20 "$log" >&2; exit 1; }
  if suite "$2" --features "$1"; then
    echo "NOT CAUGHT: $1 passed $2" >&2
    exit 1
  fi
  # A build that does not compile catches nothing.
  grep -qE "^ +(FAIL|SIGABRT|TIMEOUT) " "$log" || { tail -20 "$log" >&2; exit 1; }
  echo "caught: $1"
  grep -E "^ +(FAIL|SIGABRT|TIMEOUT) " "$log" | sed 's/.*] *//' | sort -u
  caught=$((caught + 1))
}

planted storage/bug-ack-before-sync "package(storage)"
planted storage/bug-applied-ahead "package(storage)"
planted raft/bug-skip-fence "package(raft)"
echo "$caught planted bugs, $caught caught"
