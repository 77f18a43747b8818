#!/usr/bin/env bash
# Builds RocksDB's C++ once a machine, as a few large files, and points every build of this checkout at it.
#
# librocksdb-sys compiles 342 files that each read the same headers again: half an hour on two cores, and again for every
# profile and set of features. The same sources, included by a dozen files, take a fifth of that. The library lies beside
# the target directory; `.cargo/config.toml`, which this script writes, tells cargo where, so that `cargo build` by hand
# finds it as well. Where it can't be built (another system, another compiler), the crate's own build is what is left.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}
config=.cargo/config.toml

fall_back() { # why
  echo "RocksDB: $1, so its crate builds it by itself: about half an hour for each profile" >&2
  rm -f "$config"
  exit 0
}

[ "$(uname -s)" = Linux ] || fall_back "only Linux is known to scripts/rocksdb.sh"
[ -z "${ROCKSDB_LIB_DIR:-}" ] || { echo "RocksDB: as ROCKSDB_LIB_DIR says"; exit 0; }
case "$(uname -m)" in
  x86_64) cpu=(-msse4.2 -mpclmul) ;;
  aarch64) cpu=(-march=armv8-a+crc+aes+crypto) ;;
  *) fall_back "no flags are known for $(uname -m)" ;;
esac
cxx=${CXX:-c++}
command -v "$cxx" >/dev/null || fall_back "there is no C++ compiler called $cxx"

# As the crate's build script has them for this system and the one feature that the workspace asks for (lz4).
flags=(-std=c++20 -O2 -fPIC -g0 -w "${cpu[@]}" -include cstdint -DLZ4=1 -DNDEBUG=1 -DHAVE_ALIGNED_NEW
  -DHAVE_UINT128_EXTENSION -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
  -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT)

locked() { # package: its version, as Cargo.lock has it
  grep -A1 "^name = \"$1\"\$" Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p'
}
version=$(locked librocksdb-sys)
lz4=$(locked lz4-sys)
compiler=$(basename "$cxx")-$("$cxx" -dumpfullversion 2>/dev/null || "$cxx" -dumpversion)
# Count this up when the way of building changes, so that no machine goes on with what the old way made.
recipe=2
digest=$({ "$cxx" --version; cat scripts/processor.cc; echo "$lz4 $recipe ${flags[*]}"; } | sha256sum | cut -c1-12)
built=$target-rocksdb/$version-$compiler-$(uname -m)-$digest

whole() { (cd "$built" 2>/dev/null && sha256sum --check --status whole); }

build() {
  local crates sources lz4_include work
  # Only what the lock file names is fetched, into cargo's own registry folder.
  cargo fetch --locked --quiet
  crates=$(dirname "$(cargo metadata --locked --format-version 1 | python3 -c '
import json, sys
print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "librocksdb-sys"))')")
  lz4_include=$(dirname "$crates")/lz4-sys-$lz4/liblz4/lib
  [ -f "$crates/rocksdb_lib_sources.txt" ] && [ -d "$lz4_include" ] || return 1
  work=$(mktemp -d "$built.XXXXXX")
  trap 'rm -rf "$work"' RETURN

  # Neighbours of the list stay together and in order: it is the order in which they are known not to clash. The cuts are
  # made by size, so that no core waits for the other's last file.
  (cd "$crates/rocksdb" && grep -v '^util/build_version\.cc$' ../rocksdb_lib_sources.txt | xargs wc -c) |
    awk -v work="$work" -v crates="$crates" '
      $2 == "total" { next }
      { size[++n] = $1; file[n] = $2; all += $1 }
      END {
        for (i = 1; i <= n; i++) {
          printf "#include \"%s/rocksdb/%s\"\n", crates, file[i] > sprintf("%s/part-%02d.cc", work, int(12 * sum / all))
          sum += size[i]
        }
      }'
  # A part of the library that every program needs brings the question for the processor along.
  cat "$crates/build_version.cc" scripts/processor.cc >"$work/build_version.cc"
  echo "RocksDB: building $version, once on this machine (about six minutes on two cores)"
  # The remapped path keeps this machine's folders out of the library.
  printf '%s\0' "$work"/*.cc | xargs -0 -P "$(nproc)" -I{} "$cxx" "${flags[@]}" -ffile-prefix-map="$crates"=librocksdb-sys \
    -I"$crates/rocksdb/include" -I"$crates/rocksdb" -I"$crates/rocksdb/third-party/gtest-1.8.1/fused-src" -I"$crates" \
    -I"$lz4_include" -c {} -o {}.o || return 1
  ar rcs "$work/librocksdb.a" "$work"/*.o || return 1
  # The marker is written last: a folder without it, or with another library than it names, is not used.
  mkdir -p "$built"
  rm -f "$built/whole"
  mv "$work/librocksdb.a" "$built/librocksdb.a"
  sync "$built/librocksdb.a"
  (cd "$built" && sha256sum librocksdb.a >whole.new && mv whole.new whole)
}

mkdir -p "$(dirname "$built")"
exec 9>"$target-rocksdb/lock"
flock 9
whole || build || fall_back "its sources did not compile as large files"
whole || fall_back "the library in $built is not what its marker says"

mkdir -p .cargo
wanted=$(printf '%s\n' '# Written by scripts/rocksdb.sh: where this machine keeps what is built once. Not for the repository.' \
  '[build]' "target-dir = \"$target\"" '[env]' "ROCKSDB_LIB_DIR = \"$built\"" 'ROCKSDB_STATIC = "1"')
[ "$(cat "$config" 2>/dev/null)" = "$wanted" ] || printf '%s\n' "$wanted" >"$config"
