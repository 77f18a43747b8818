#!/usr/bin/env bash
# The house's rule: dependencies point left only, and each named library is used by one crate.
#   model <- storage <- raft <- node <- cluster-tests
#     ^------- api <----------- node
set -euo pipefail
cd "$(dirname "$0")/.."

cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys

# room -> the rooms that it may name.
ROOMS = {
    "model": set(),
    "api": {"model"},
    "storage": {"model"},
    "raft": {"model", "storage"},
    "node": {"model", "api", "storage", "raft"},
    "cluster-tests": {"model", "api", "storage", "raft", "node"},
}
# The tests of a room that may use tools of the tests: the one server with TLS, and the contract of the API.
TOOLS = {("node", "cluster-tests")}
# library -> the crates that may name it in [dependencies]; cluster-tests measures against bare ones.
OWNERS = {
    "openraft": {"raft"},
    "rocksdb": {"storage", "cluster-tests"},
    "actix": {"node"},
    "actix-web": {"node", "cluster-tests"},
    "awc": {"node", "cluster-tests"},
    "getrandom": {"node"},
}
# What the pure rooms may use outside their tests: codecs, digests and proofs, maps that are shared (rpds); schemas beside them in api. Where one of
# them could draw or read a clock (ring, jiff), the clippy.toml of the room forbids that call.
PURE = {"model": {"base64", "bincode", "bytes", "crc32fast", "encoding_rs", "form_urlencoded", "hex", "hmac", "ipnet", "jiff",
         "md-5", "p256", "quick-xml", "regex", "ring", "rpds", "rustls-pki-types", "serde", "serde_json", "sha1", "sha2", "subtle",
         "thiserror", "unicode-normalization", "x509-parser"},
        "api": {"model", "base64", "bytes", "form_urlencoded", "http", "jiff", "schemars", "serde", "serde_json", "sha2", "thiserror",
                "url"}}

wrong = []
packages = {p["name"]: p for p in json.load(sys.stdin)["packages"]}
if set(packages) != set(ROOMS):
    wrong.append(f"the house has these rooms: {sorted(ROOMS)}, found {sorted(packages)}")
for name, package in packages.items():
    for dependency in package["dependencies"]:
        target, kind = dependency["name"], dependency["kind"]
        is_tool = kind == "dev" and (name, target) in TOOLS
        if target in ROOMS and target not in ROOMS[name] and not is_tool:
            wrong.append(f"{name} must not depend on {target}: dependencies point left only")
        if kind is None and target in OWNERS and name not in OWNERS[target]:
            wrong.append(f"{name} must not depend on {target}: only {sorted(OWNERS[target])} may")
        if name in PURE and kind is None and target not in PURE[name]:
            wrong.append(f"{name} must not depend on {target}: it is not on the list of what keeps it pure")
print("\n".join(wrong) or "house rule: dependencies point left only")
sys.exit(bool(wrong))
'
