"""The programs that are in no Debian package, built from Go modules. Each is built once: its
place in the cache is named by a hash of what it is built from.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster.errors import ClusterError, tail
from tests.cluster.layout import cache
from tests.cluster.packages import needed

SOURCES = Path(__file__).parent / "go"
PROGRAMS = ("etcd", "crane", "kubernetes")
# The test double of the builder: nothing of the cluster, so it is built when a test needs one.
DOUBLE, DOUBLE_SOURCES = "executor", Path(__file__).parent / "executor"
BUILD_SECONDS = 1800
# It is compiled by what the module cache holds, so what the API server says of itself is told here.
VERSION = "1.34.4"
VERSION_PACKAGE = "k8s.io/component-base/version"


def missing() -> list[str]:
    return [name for name in PROGRAMS if not binary(name).exists()]


def build_all(say: Callable[[str], None]) -> None:
    for name in missing():
        say(f"building {name}, once{' (about five minutes)' if name == 'kubernetes' else ''}")
        build(name)


def binary(name: str) -> Path:
    digest = hashlib.sha256()
    for file in sorted(sources(name).iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update(" ".join(flags(name)).encode())
    return cache() / f"{name}-{digest.hexdigest()[:16]}"


def sources(name: str) -> Path:
    return DOUBLE_SOURCES if name == DOUBLE else SOURCES / name


def flags(name: str) -> list[str]:
    linker = ["-s", "-w"]
    if name == "kubernetes":
        major, minor, _ = VERSION.split(".")
        values = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
        linker += [f"-X {VERSION_PACKAGE}.{key}={value}" for key, value in values.items()]
    return ["-buildvcs=false", f"-ldflags={' '.join(linker)}"]


def build(name: str) -> None:
    """Into place by a rename: what is there is whole."""
    target = binary(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    log = target.parent / f"build-{name}.log"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
        made = Path(folder) / name
        command = ["nice", "-n", "10", needed("go"), "build", *flags(name), "-o", str(made), "."]
        with log.open("wb") as output:
            try:
                code = subprocess.run(
                    command,
                    cwd=sources(name),
                    env={**os.environ, "CGO_ENABLED": "0"},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=BUILD_SECONDS,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            raise ClusterError(f"{name} could not be built.\n{tail(log)}")
        made.rename(target)
