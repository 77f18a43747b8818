#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks, and builds RocksDB once. Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v c++ >/dev/null || missing+=(build-essential)
command -v python3 >/dev/null || missing+=(python3)
command -v curl >/dev/null || missing+=(curl)
# RocksDB's bindings are made by bindgen, which loads libclang. libclang-cpp, which other packages bring, is not it.
compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || missing+=(libclang-dev)
# Tests move the wall clock of real processes with it.
if [ "${1:-}" = --tests ]; then
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(faketime)
  # And run the program on processors that lack what it needs.
  [ "$(uname -m)" != x86_64 ] || command -v qemu-x86_64 >/dev/null || missing+=(qemu-user)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || {
  echo "cargo is missing: install Rust with rustup, then try again" >&2
  exit 1
}
scripts/rocksdb.sh
# Somebody else's eyes on docs/openapi.json.
openapi="$HOME/.cache/tidegate/openapi"
if [ "${1:-}" = --tests ] && [ ! -x "$openapi/bin/openapi-spec-validator" ]; then
  python3 -m venv "$openapi"
  "$openapi/bin/pip" install --quiet openapi-spec-validator==0.9.0
fi
# Existing clients of the API, unchanged: the tests speak to a cluster through them.
machine=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
for version in 2.5.0 2.6.0; do
  client="$HOME/.cache/tidegate/clients/hookdeck-cli-$version"
  [ "${1:-}" = --tests ] && [ ! -x "$client" ] || continue
  fetched=$(mktemp -d)
  if (cd "$fetched" && timeout 180 npm pack --silent "hookdeck-cli@$version" && tar xzf ./*.tgz) >/dev/null 2>&1; then
    install -D "$fetched/package/binaries/linux-$machine/hookdeck" "$client"
  else
    echo "hookdeck-cli $version can't be had from npm here: its test will be skipped"
  fi
  rm -rf "$fetched"
done
