"""Reading what somebody else may have written, who may not be trusted with it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

BLOCK = 256 * 1024


def open_plain(root: Path, relative: str) -> int:
    """A descriptor of a regular file below `root`. No link is followed below it, and neither a
    pipe nor a device is opened: the file is the writer's own, and reading it ends. Raises OSError.
    """
    *folders, name = PurePosixPath(relative).parts
    inside = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            outside, inside = inside, os.open(part, flags, dir_fd=inside)
            os.close(outside)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(name, flags, dir_fd=inside)
    finally:
        os.close(inside)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "is no regular file", relative)
    return file


def read_plain(root: Path, relative: str, *, most: int) -> bytes:
    """The beginning of the file, up to `most` bytes. Raises OSError."""
    return b"".join(_blocks(open_plain(root, relative), most))


def copy_plain(root: Path, relative: str, to: Path, *, most: int) -> int:
    """Copies the file; its size. Raises OSError, also where it is larger than `most`."""
    file = open_plain(root, relative)
    size = os.fstat(file).st_size
    if size > most:
        os.close(file)
        raise OSError(errno.EFBIG, f"its {size} bytes are over the limit of {most}", relative)
    with to.open("wb") as copy:
        for block in _blocks(file, most):
            copy.write(block)
        return copy.tell()


def list_plain(root: Path, relative: str) -> list[str]:
    """The names of the entries of a folder that no link leads to, sorted; none where it is not
    there."""
    with suppress(OSError):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        outside = os.open(root, flags)
        try:
            inside = os.open(relative, flags | os.O_NOFOLLOW, dir_fd=outside)
        finally:
            os.close(outside)
        try:
            return sorted(os.listdir(inside))
        finally:
            os.close(inside)
    return []


def _blocks(file: int, most: int) -> Iterator[bytes]:
    """Closes the file at the end."""
    try:
        while most > 0 and (block := os.read(file, min(BLOCK, most))):
            most -= len(block)
            yield block
    finally:
        os.close(file)
