"""Images that take long to make: made once, kept in the cache as OCI layouts, and pushed to the
registry of each cluster that asks for one."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.images import crane
from tests.cluster.layout import Layout, cache

# One may be made by somebody else meanwhile.
LOCK_SECONDS = 1200.0
QUIET_SECONDS = 2.0
# Of each name, those that were used last: of other branches, say.
KEPT = 3

Say = Callable[[str], None]
Make = Callable[[str], None]


def say_here(text: str) -> None:
    print(text, flush=True)


def kept_image(layout: Layout, name: str, key: str, make: Make, say: Say = say_here) -> str:
    """Its reference, by digest. Cheap when it is there already.

    `key` tells apart what is made differently. `make` pushes the image to the reference that it is
    given; what it makes twice need not be the same to the byte, since it is not made twice.
    """
    reference = f"{layout.registry}/{name}:{key}"
    if not (digest := digest_of(reference)):
        with _lock(name):
            _push(reference, cache() / f"{name}-{key}", make, say)
        digest = crane("digest", reference).strip()
    return f"{layout.registry}/{name}@{digest}"


def digest_of(reference: str) -> str:
    """ "" where there is no such image."""
    try:
        return crane("digest", reference).strip()
    except ClusterError:
        return ""


@contextmanager
def telling(text: str, say: Say) -> Iterator[None]:
    """Says what goes on, if it goes on for longer than a moment."""
    timer = threading.Timer(QUIET_SECONDS, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def draft_of(name: str) -> Path:
    """A new folder in the cache for what is not whole yet; what an earlier one left is removed.
    Only while the name is locked."""
    draft = cache() / f".{name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def _push(reference: str, kept: Path, make: Make, say: Say) -> None:
    if kept.exists():
        with telling(f"pushing {kept.name}", say):
            crane("push", str(kept), reference)
        os.utime(kept)
        return
    make(reference)
    name = kept.name.rpartition("-")[0]
    draft = draft_of(f"{name}-layout")
    crane("pull", "--format=oci", reference, str(draft / "oci"))
    (draft / "oci").rename(kept)
    draft.rmdir()
    _forget_old(name)


def _forget_old(name: str) -> None:
    found = [folder for folder in cache().glob(f"{name}-*") if (folder / "oci-layout").exists()]
    found.sort(key=lambda folder: folder.stat().st_mtime)
    for folder in found[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """One at a time, over all clusters. The kernel drops it when we are killed."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ClusterError(f"Somebody else takes too long to make {name}.") from None
                time.sleep(0.1)
        yield
