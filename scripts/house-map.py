#!/usr/bin/env python3
"""Measures the house: rooms, arrows, floors and circles between the files of each crate, from their `use` lines.

A room is a file, an arrow that it names another one, a floor one step of the longest way down, a circle some rooms that
reach each other. A file and the file of its folder count as apart; what stands behind `#[cfg(test)]` is left out.
usage: scripts/house-map.py [folder under a crate's src, as node/src/admin]
"""

import pathlib
import re
import sys

CRATES = ["model", "api", "storage", "raft", "node"]


def product(text):
    """The text without its inline tests."""
    return re.split(r"^#\[cfg\(test\)\]\s*\nmod tests\b", text, maxsplit=1, flags=re.M)[0]


def paths(tree, prefix=()):
    """Every path of a `use` tree."""
    depth, start, parts = 0, 0, []
    for at, letter in enumerate(tree):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append(tree[start:at])
            start = at + 1
    for part in [*parts, tree[start:]]:
        part = part.strip().split(" as ")[0]
        if not part:
            continue
        head, brace, rest = part.partition("{")
        names = tuple(name for name in head.strip().split("::") if name)
        if brace:
            yield from paths(rest.rstrip()[:-1], prefix + names)
        else:
            yield prefix + names


def arrows(rooms):
    """The rooms that each room names."""
    found = {room: set() for room in rooms}
    for room, file in rooms.items():
        text = product(file.read_text())
        trees = re.findall(r"^\s*(?:pub(?:\([^)]*\))? )?use ([^;]+);", text, flags=re.M)
        named = [path for tree in trees for path in paths(tree)]
        named += [tuple(path.split("::")) for path in re.findall(r"\b((?:crate|super)(?:::\w+)+)", text)]
        for path in named:
            at = list(room)
            if path[0] == "crate":
                at, path = [], path[1:]
            elif path[0] in ("super", "self"):
                while path and path[0] in ("super", "self"):
                    at = at[:-1] if path[0] == "super" else at
                    path = path[1:]
            else:
                continue
            whole = tuple(at) + tuple(path)
            while whole and whole not in rooms:
                whole = whole[:-1]
            if whole and whole != room and whole[: len(room)] != room and room[: len(whole)] != whole:
                found[room].add(whole)
    return found


def circles(edges):
    """Rooms that reach each other, by Tarjan's algorithm; in an order in which arrows point back."""
    index, low, stack, found = {}, {}, [], []

    def visit(room):
        index[room] = low[room] = len(index)
        stack.append(room)
        for other in edges[room]:
            if other not in index:
                visit(other)
            if other in stack:
                low[room] = min(low[room], low[other])
        if low[room] == index[room]:
            found.append(stack[stack.index(room) :])
            del stack[stack.index(room) :]

    for room in edges:
        if room not in index:
            visit(room)
    return found


def measure(name, edges):
    groups = circles(edges)
    of = {room: number for number, group in enumerate(groups) for room in group}
    floor = {}
    for number, group in enumerate(groups):
        below = [floor[of[other]] + 1 for room in group for other in edges[room] if of[other] != number]
        floor[number] = max(below, default=1)
    count = sum(len(others) for others in edges.values())
    print(f"{name}: {len(edges)} rooms, {max(floor.values())} floors, {count} arrows")
    for group in groups:
        if len(group) > 1:
            print("  circle:", ", ".join("::".join(room) for room in sorted(group)))


def main():
    house = pathlib.Path(__file__).resolve().parent.parent
    sys.setrecursionlimit(10_000)
    wanted = sys.argv[1:] or [f"{crate}/src" for crate in CRATES]
    for folder in wanted:
        crate = folder.split("/")[0]
        source = house / crate / "src"
        files = {file.relative_to(source).with_suffix("").parts: file for file in source.rglob("*.rs")}
        files = {room: file for room, file in files.items() if room not in (("lib",), ("main",))}
        files = {room: file for room, file in files.items() if not {"stories", "tests"} & set(room)}
        inside = tuple(pathlib.Path(folder).relative_to(f"{crate}/src").parts)
        edges = arrows(files)
        kept = {room for room in edges if room[: len(inside)] == inside and room != inside}
        measure(folder, {room: edges[room] & kept for room in kept})


main()
