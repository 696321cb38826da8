"""Which test files a shard runs: the selection of the legacy agent, the same on every backend.

It depends on the seed, the order index and the count alone: `Dir.glob('./spec/**/*_spec.rb')`,
shuffled with `Random.new(seed)`, cut into consecutive chunks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .ruby_random import shuffled

SUFFIX = "_spec.rb"


def spec_files(checkout: Path) -> list[str]:
    """As Ruby's glob gives them: depth first, the entries of a folder by the bytes of their names,
    nothing hidden, no linked folder entered, and whatever ends so, be it a folder."""
    return list(_matches(checkout, "./spec"))


def in_order(files: Iterable[str]) -> list[str]:
    """The same files in the order that `spec_files` would give them in."""
    return sorted(files, key=lambda path: os.fsencode(path).split(b"/"))


def _matches(checkout: Path, folder: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(checkout / folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{folder}/{entry.name}"
        if entry.name.endswith(SUFFIX):
            yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _matches(checkout, path)


def shard(files: Sequence[str], *, seed: int, order_index: int, order_count: int) -> list[str]:
    """The files of the shard with this order index, counted from 1. The sizes of all shards differ
    by at most one, the larger ones first; with more shards than files the last ones get none."""
    size, larger = divmod(len(files), order_count)
    before = order_index - 1
    start = before * size + min(before, larger)
    end = start + size + (1 if before < larger else 0)
    return shuffled(files, seed)[start:end] if before < order_count else []
