#!/usr/bin/env bash
# The house's rule: dependencies point left only, and each named library is used by one crate.
#   model <- storage <- raft <- node <- cluster-tests
set -euo pipefail
cd "$(dirname "$0")/.."

cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys

ORDER = ["model", "storage", "raft", "node", "cluster-tests"]
# library -> the crates that may name it in [dependencies]; cluster-tests measures against bare ones.
OWNERS = {
    "openraft": {"raft"},
    "rocksdb": {"storage", "cluster-tests"},
    "actix": {"node"},
    "actix-web": {"node", "cluster-tests"},
    "awc": {"node", "cluster-tests"},
    "getrandom": {"node"},
}
# What model may use outside its tests: codecs, digests and proofs, and maps that are shared (rpds). Where one of them could draw or read
# a clock (ring, jiff), model/clippy.toml forbids that call.
MODEL = {"base64", "bincode", "bytes", "crc32fast", "encoding_rs", "form_urlencoded", "hex", "hmac", "ipnet", "jiff",
         "md-5", "p256", "quick-xml", "regex", "ring", "rpds", "rustls-pki-types", "serde", "serde_json", "sha1", "sha2", "subtle",
         "thiserror", "unicode-normalization", "x509-parser"}

wrong = []
packages = {p["name"]: p for p in json.load(sys.stdin)["packages"]}
if set(packages) != set(ORDER):
    wrong.append(f"the house has these rooms: {ORDER}, found {sorted(packages)}")
for name, package in packages.items():
    for dependency in package["dependencies"]:
        target, kind = dependency["name"], dependency["kind"]
        if target in ORDER and ORDER.index(target) >= ORDER.index(name):
            wrong.append(f"{name} must not depend on {target}: dependencies point left only")
        if kind is None and target in OWNERS and name not in OWNERS[target]:
            wrong.append(f"{name} must not depend on {target}: only {sorted(OWNERS[target])} may")
        if name == "model" and kind is None and target not in MODEL:
            wrong.append(f"model must not depend on {target}: it is not on the list of what keeps it pure")
print("\n".join(wrong) or "house rule: dependencies point left only")
sys.exit(bool(wrong))
'
