"""The image of our agent, as the tests run it in pods."""

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.base_image import ENVIRON, base_image
from tests.cluster.images import crane
from tests.cluster.kept_images import Say, kept_image, say_here, telling
from tests.cluster.layout import Layout
from tests.cluster.packages import needed

NAME = "agent"
SOURCES = Path(__file__).parents[2] / "worker_image"
PLACE = "opt/switchyard"


def agent_image(layout: Layout, say: Say = say_here) -> str:
    """Its reference, by digest. Cheap when it is there already."""
    base = base_image(layout, say)
    return kept_image(layout, NAME, fingerprint(base), lambda to: _make(base, to, say), say)


def fingerprint(base: str) -> str:
    digest = hashlib.sha256(base.rpartition("@")[2].encode())
    for name, content, mode in files():
        digest.update(f"\0{name}\0{mode}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def files() -> Iterator[tuple[str, bytes, int]]:
    """Name, content and mode of what is in the image beside its base."""
    yield "busybox", Path(needed("busybox")).resolve().read_bytes(), 0o755
    yield "wrapper", (SOURCES / "wrapper").read_bytes(), 0o644
    for path in sorted((SOURCES / "switchyard_agent").rglob("*.py")):
        yield str(path.relative_to(SOURCES)), path.read_bytes(), 0o644


def _make(base: str, reference: str, say: Say) -> None:
    half = f"{reference}-half"
    with telling("making the agent's image", say), tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.tar")
        with tarfile.open(layer, "w") as tar:
            for name, content, mode in files():
                entry = tarfile.TarInfo(f"{PLACE}/{name}")
                entry.size, entry.mode = len(content), mode
                tar.addfile(entry, io.BytesIO(content))
        crane("append", "-b", base, "-f", str(layer), "-t", half)
    crane("mutate", half, "--user", "10001:10001", "--env", f"PYTHONPATH=/{PLACE}",
          "--env", ENVIRON, "--env", "PYTHONUNBUFFERED=1", "-t", reference)  # fmt: skip
