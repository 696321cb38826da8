"""The files of images: one tree a layer, equal files stored once.

A tree belongs to the registry and never changes; whoever runs it makes a copy. `<hex>.json` beside
it names the paths of the image that the tree stands for.
"""

import hashlib
import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.kubernetes.kubelet.disk import remove

# Smaller files cost more to read and link than they save.
_WORTH_LINKING = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Tree:
    path: Path
    places: tuple[str, ...]


class Trees:
    def __init__(self, state: Path) -> None:
        self._trees = state / "trees"
        self._pool = state / "pool"
        for folder in (self._trees, self._pool):
            folder.mkdir(parents=True, exist_ok=True)

    def find(self, digest: str) -> Tree | None:
        """Looking at it makes it young again."""
        path = self._trees / digest.partition(":")[2]
        try:
            places = json.loads(path.with_suffix(".json").read_text())
            os.utime(path)
        except FileNotFoundError:
            return None
        return Tree(path=path, places=tuple(places))

    def take(self, digest: str, source: Path, places: list[str]) -> None:
        """Move the tree at `source` in here. Raises OSError."""
        path = self._trees / digest.partition(":")[2]
        if self.find(digest):
            remove(source)
            return
        remove(path)  # left by somebody who was killed here
        self._link_equal_files(source)
        shutil.move(source, path)
        path.with_suffix(".json").write_text(json.dumps(places))

    def collect(self, used: set[str], oldest: float) -> None:
        """Remove trees and pooled files that are neither used nor young."""
        for path in self._trees.iterdir():
            if path.stem not in used and path.stat().st_mtime < oldest:
                remove(path)
        for path in self._pool.iterdir():
            if path.stat().st_nlink == 1 and path.stat().st_ctime < time.time() - 60:
                path.unlink(missing_ok=True)

    def _link_equal_files(self, tree: Path) -> None:
        for path in _large_files(tree):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            pooled = self._pool / f"{content}-{stat.S_IMODE(path.stat().st_mode):o}"
            try:
                os.link(path, pooled)
            except FileExistsError:
                _replace_by_link(path, pooled)
            except OSError:
                return  # another file system, or one without links


def _large_files(tree: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(tree):
        for path in (Path(folder, name) for name in names):
            about = path.lstat()
            if stat.S_ISREG(about.st_mode) and about.st_size >= _WORTH_LINKING:
                yield path


def _replace_by_link(path: Path, pooled: Path) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}")
    try:
        os.link(pooled, draft)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
