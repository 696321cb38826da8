"""The image of the builder, in the cluster's registry. What builds is chosen from outside:

    KANIKO_IMAGE=REFERENCE   a Kaniko image with a shell (-debug), which the node can pull
    KANIKO_EXECUTOR=PATH     Kaniko's executor as a static program, which is packed into an image
    neither                  the test double of `executor/`, packed in the same way

Nothing that a test shows with the double is said of Kaniko.
"""

import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.binaries import DOUBLE, binary, build
from tests.cluster.errors import ClusterError
from tests.cluster.images import crane
from tests.cluster.layout import Layout
from tests.cluster.packages import needed

IMAGE, EXECUTOR = "KANIKO_IMAGE", "KANIKO_EXECUTOR"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NAME_SERVICES = "passwd: files\ngroup: files\nhosts: files dns\n"
# As Kaniko's own image with a shell has it. The volume is what saves the shell: the executor keeps
# what is mounted when it empties the file system for the next stage.
CONFIG = {
    "Env": [
        "PATH=/usr/local/bin:/kaniko:/busybox",
        "HOME=/root",
        "USER=root",
        "DOCKER_CONFIG=/kaniko/.docker/",
        "SSL_CERT_DIR=/kaniko/ssl/certs",
    ],
    "Entrypoint": ["/kaniko/executor"],
    "Volumes": {"/busybox": {}},
    "WorkingDir": "/workspace",
}
LOADER = 3  # PT_INTERP of elf(5): the program needs one, so it is not static


def builder_image(layout: Layout) -> str:
    """Its reference. Cheap when it is there already: the tag is a hash of what is in it."""
    if reference := os.environ.get(IMAGE):
        return reference
    program = _executor()
    reference = f"{layout.registry}/builder:{_fingerprint(program)}"
    if not _is_there(reference):
        _push(program, reference)
    return reference


def builder_kind() -> str:
    if os.environ.get(IMAGE):
        return "Kaniko image"
    return "Kaniko executor" if os.environ.get(EXECUTOR) else "test double"


def _executor() -> Path:
    text = os.environ.get(EXECUTOR)
    if not text:
        return _double()
    program = Path(text)
    try:
        static = _is_static(program)
    except OSError as error:
        raise ClusterError(f"{EXECUTOR}={text}: {error.strerror}.") from None
    if not static:
        remedy = "build it with CGO_ENABLED=0"
        raise ClusterError(f"{EXECUTOR}={text} is not a static program of 64 bits: {remedy}.")
    return program


def _double() -> Path:
    program = binary(DOUBLE)
    if not program.exists():
        build(DOUBLE)
    return program


def _is_static(program: Path) -> bool:
    """By its program headers, as elf(5) has them."""
    with program.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return False
        start, size, count = (
            *struct.unpack_from("<Q", head, 32),
            *struct.unpack_from("<HH", head, 54),
        )
        kinds = []
        for number in range(count):
            file.seek(start + number * size)
            kinds.append(struct.unpack("<I", file.read(4))[0])
    return LOADER not in kinds


def _fingerprint(program: Path) -> str:
    digest = hashlib.sha256()
    for path in (program, _busybox(), CERTIFICATES, Path(__file__)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _is_there(reference: str) -> bool:
    try:
        crane("digest", reference)
    except ClusterError:
        return False
    return True


def _push(program: Path, reference: str) -> None:
    with tempfile.TemporaryDirectory(prefix="builder-image-") as folder:
        layer, image = Path(folder, "layer.tar"), Path(folder, "image.tar")
        _write_layer(program, layer)
        with layer.open("rb") as file:
            diff = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": [layer.name]}]
        with tarfile.open(image, "w") as tar:
            _add_text(tar, "config.json", json.dumps(config))
            _add_text(tar, "manifest.json", json.dumps(manifest))
            tar.add(layer, layer.name)
        crane("push", str(image), reference)


def _write_layer(program: Path, target: Path) -> None:
    with tarfile.open(target, "w") as tar:
        for folder in ("bin", "busybox", "etc", "kaniko", "kaniko/.docker", "workspace"):
            _add_folder(tar, folder)
        _add_program(tar, "kaniko/executor", program)
        _add_text(tar, "kaniko/ssl/certs/ca-certificates.crt", CERTIFICATES.read_text())
        _add_text(tar, "etc/nsswitch.conf", NAME_SERVICES)
        _add_program(tar, "busybox/busybox", _busybox())
        for name in _applets():
            _add_link(tar, f"busybox/{name}", "busybox")
        _add_link(tar, "bin/sh", "/busybox/sh")


def _busybox() -> Path:
    return Path(needed("busybox")).resolve()


def _applets() -> Iterator[str]:
    listed = subprocess.run([_busybox(), "--list"], capture_output=True, text=True, check=True)
    yield from sorted(set(listed.stdout.split()) - {"busybox"})


def _add_program(tar: tarfile.TarFile, name: str, program: Path) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o755, program.stat().st_size
    with program.open("rb") as file:
        tar.addfile(entry, file)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(entry)


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
