"""The image that others start from: Debian with Python, git and certificates, made by debootstrap
from wherever this machine gets its packages.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError, tail
from tests.cluster.images import crane
from tests.cluster.kept_images import Say, draft_of, kept_image, say_here, telling
from tests.cluster.layout import Layout, cache
from tests.cluster.packages import IMAGE_PACKAGES, missing_packages, program

NAME = "base"
SUITE = "bookworm"
PACKAGES = ("python3", "git", "ca-certificates")
ENVIRON = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of no use to a program: half of the size.
LEFT_OUT = (
    "dev/*", "proc/*", "run/*", "sys/*", "tmp/*", "var/cache/apt/*", "var/lib/apt/lists/*",
    "var/log/*", "usr/share/doc/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/man/*",
)  # fmt: skip
SECONDS = 900.0
TARGET = "$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(CREATED_BY)|$(REPO_URI)"


def base_image(layout: Layout, say: Say = say_here) -> str:
    """Its reference, by digest: 205 MB, 73 of them packed. Cheap when it is there already; about a
    minute when it was never made on this machine."""
    return kept_image(layout, NAME, fingerprint(), lambda to: _make(to, say), say)


def fingerprint() -> str:
    """Of what determines the image, apart from the state of Debian's archive."""
    recipe = json.dumps([_debootstrap(Path("/target"), ""), _tar(Path("/target")), ENVIRON])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def _make(reference: str, say: Say) -> None:
    _check()
    draft = draft_of(NAME)
    try:
        with telling("making the base image by debootstrap, once (about a minute)", say):
            layer = _layer(draft)
            half = f"{reference}-half"
            crane("append", "--oci-empty-base", "-f", str(layer), "-t", half)
            crane("mutate", half, "--set-platform", "linux/amd64", "--cmd", "/bin/sh",
                  "--env", ENVIRON, "-t", reference)  # fmt: skip
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check() -> None:
    missing = missing_packages(IMAGE_PACKAGES)
    if missing:
        raise ClusterError(
            "The base image cannot be made. On Debian or Ubuntu:\n"
            f"  apt-get install --no-install-recommends {' '.join(missing)}"
        )


def _layer(draft: Path) -> Path:
    root, layer, log = draft / "root", draft / "layer.tar.gz", cache() / "build-base.log"
    root.mkdir()
    with log.open("wb") as output:
        for command in (_debootstrap(root, mirror()), [*_tar(root), f"--file={layer}"]):
            if not _ended_well(command, output.fileno()):
                raise ClusterError(f"The base image could not be made.\n{tail(log)}")
    return layer


def _debootstrap(root: Path, source: str) -> list[str]:
    """In namespaces of its own: whatever it mounts or starts goes with it, also when we are
    killed. Nothing is taken that Debian has not signed."""
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    return [
        *alone, "--pid", "--fork", "--kill-child", "debootstrap", "--force-check-gpg",
        "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root),
        *([source] if source else []),
    ]  # fmt: skip


def _tar(root: Path) -> list[str]:
    left_out = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
    return ["tar", f"--directory={root}", "--sort=name", "--numeric-owner", "--mtime=@0",
            "--use-compress-program=gzip -5", *left_out, "--create", "."]  # fmt: skip


def mirror() -> str:
    """From where this machine's apt takes that release, or any of Debian; "" for debootstrap's own
    choice."""
    if not program("apt-get"):
        return ""
    command = ["apt-get", "indextargets", "--format", TARGET]
    # What it has not read yet it lists only the second time, and then it knows names alone.
    asked = (command, [*command, "--no-release-info"])
    return mirror_in("".join(_output(*words) for words in asked))


def mirror_in(listed: str) -> str:
    """Of lines as TARGET has them."""
    others = []
    for line in listed.splitlines():
        origin, codename, release, component, created_by, place = line.split("|")
        archive = component == "main" and created_by == "Packages"
        if not archive or not place.startswith(("http://", "https://")):
            continue
        if SUITE in (codename, release):
            return place
        if origin == "Debian" and release.isalpha():  # of no updates, and of no other archive
            others.append(place)
    return next(iter(others), "")


def _ended_well(command: list[str], output: int) -> bool:
    environ = {**_proxies(), **os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _proxies() -> dict[str, str]:
    """Of apt, for the program that debootstrap fetches with."""
    if not program("apt-config"):
        return {}
    names = ("http", "https")
    asked = [f"Acquire::{name}::Proxy" for name in names]
    shown = _output("apt-config", "--format", "%f %v%n", "dump", *asked)
    values = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    found = {name: values.get(f"Acquire::{name}::Proxy", "").strip() for name in names}
    return {
        f"{name}_proxy": value
        for name, value in found.items()
        if value and value.upper() != "DIRECT"
    }


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
