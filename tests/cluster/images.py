"""The two images without which no pod runs, made from the machine's static busybox."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from tests.cluster.binaries import binary
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.packages import needed

SECONDS = 60.0
USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"
FOR_EVER = "/bin/busybox,sleep,2147483647"


def push_base_images(layout: Layout) -> None:
    layer = layout.root / "busybox.tar"
    write_busybox_layer(layer)
    crane("append", "--oci-empty-base", "-f", str(layer), "-t", layout.busybox_image)
    crane("mutate", layout.busybox_image, "--set-platform", "linux/amd64", "--cmd", "/bin/sh",
          "--env", "PATH=/bin", "-t", layout.busybox_image)  # fmt: skip
    crane("mutate", layout.busybox_image, "--entrypoint", FOR_EVER, "-t", layout.pause_image)
    layer.unlink()


def crane(*arguments: str) -> str:
    """What it prints. It speaks http to private addresses by itself."""
    environ = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent"}
    done = subprocess.run(
        [str(binary("crane")), *arguments],
        capture_output=True, text=True, timeout=SECONDS, env=environ,
    )  # fmt: skip
    if done.returncode != 0:
        raise ClusterError(f"`crane {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def write_busybox_layer(target: Path) -> None:
    """/bin with all of its commands, the folders that programs expect, and two users."""
    busybox = Path(needed("busybox")).resolve()
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    with tarfile.open(target, "w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            _add(tar, folder, tarfile.DIRTYPE, mode)
        _add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, busybox.read_bytes())
        for name in sorted(set(names.split()) - {"busybox"}):
            _add(tar, f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox")
        for name, text in (("passwd", USERS), ("group", GROUPS)):
            _add(tar, f"etc/{name}", tarfile.REGTYPE, 0o644, text.encode())


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes, mode: int, content: bytes = b"", link: str = ""
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), link
    tar.addfile(entry, io.BytesIO(content))
