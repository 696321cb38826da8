"""How much a folder holds, and getting rid of it."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def usage(path: Path) -> int:
    """The bytes that a file or folder takes on the disk, links not followed."""
    return sum(about.st_blocks * 512 for about in _entries(path))


def _entries(path: Path) -> Iterator[os.stat_result]:
    folders = [str(path)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as found:
            for entry in found:
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def remove(path: Path) -> None:
    """Free the disk, also of folders that even their owner may not write to."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    elif path.exists():
        shutil.rmtree(path, onerror=_unlock_and_retry)


def _unlock_and_retry(call: Callable[[str], Any], path: str, error: Any) -> None:
    with suppress(OSError):
        os.chmod(os.path.dirname(path), stat.S_IRWXU)
        os.chmod(path, stat.S_IRWXU)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, onerror=_unlock_and_retry)
        elif os.path.lexists(path):
            os.unlink(path)
