#!/usr/bin/env bash
# Builds with planted bugs, one at a time; each must make its tests fail. See docs/testing.md.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
mutant=$(mktemp -d)/tidegate
trap 'rm -rf "$log" "$(dirname "$mutant")"' EXIT
catches=0

suite() { # nextest filter, further arguments
  cargo nextest run --locked --workspace --no-fail-fast -E "$1" "${@:2}" >"$log" 2>&1
}

planted() { # feature, nextest filter, what is built of the workspace's tests where that is not all
  # Tests that fail anyway would count as a catch.
  suite "$2" "${@:3}" || { echo "without any bug planted, $2 does not pass" >&2; tail -20 "$log" >&2; exit 1; }
  if suite "$2" "${@:3}" --features "$1"; then
    echo "NOT CAUGHT: $1 passed $2" >&2
    exit 1
  fi
  caught "$1"
}

caught() { # feature
  # A build that does not compile catches nothing.
  grep -qE "^ +(FAIL|SIGABRT|TIMEOUT) " "$log" || { tail -20 "$log" >&2; exit 1; }
  echo "caught: $1"
  grep -E "^ +(FAIL|SIGABRT|TIMEOUT) " "$log" | sed 's/.*] *//' | sort -u
  catches=$((catches + 1))
}

# The same at the receiver: real processes with the bug, the tests without it.
planted_in_processes() { # feature, nextest filter
  cargo build --locked --workspace --features "$1"
  cp "${CARGO_TARGET_DIR:-target}/debug/tidegate" "$mutant"
  cargo build --locked --workspace
  processes "$2" || { echo "without any bug planted, $2 does not pass" >&2; tail -20 "$log" >&2; exit 1; }
  if TIDEGATE_BIN="$mutant" processes "$2"; then
    echo "NOT CAUGHT: $1 passed $2" >&2
    exit 1
  fi
  caught "$1"
}

processes() { # nextest filter
  cargo nextest run --locked --workspace --profile chaos --no-fail-fast -E "$1" >"$log" 2>&1
}

planted storage/bug-ack-before-sync "package(storage)"
planted storage/bug-applied-ahead "package(storage)"
planted raft/bug-skip-fence "package(raft)"
planted node/bug-pooled-interim "package(node) & (test(egress::answer) | test(delivery::ways))" --lib
planted model/bug-own-clock "package(model) & binary(machine)" --test machine
planted storage/bug-export-from-floor "package(storage)"
planted raft/bug-unclamped-clock "package(raft) & binary(groups) & test(clocks::)" --test groups
planted_in_processes raft/bug-skip-fence "binary(partition)"
echo "$catches runs with a planted bug, each caught"
