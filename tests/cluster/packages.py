"""What the machine must have, and how to get it."""

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.errors import ClusterError

# By Debian package, what shows that it is there: a program, or a file.
IMAGE_PACKAGES = {
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "debootstrap": "debootstrap",
    "gpgv": "gpgv",
}
PACKAGES = {
    **IMAGE_PACKAGES,
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "docker-registry": "docker-registry",
    "busybox-static": "busybox",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "iproute2": "ip",
    "iptables": "iptables",
    "mount": "mount",
    "util-linux": "nsenter",
}
GO_REMEDY = "install Go 1.26 or later (https://go.dev/doc/install) and put `go` on the PATH"


def missing_packages(packages: Mapping[str, str] | None = None) -> list[str]:
    wanted = PACKAGES if packages is None else packages
    return [name for name, sign in wanted.items() if not is_there(sign)]


def is_there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else program(sign) is not None


def program(name: str) -> str | None:
    """Its path. Also where root's PATH lacks the folders of the system's programs."""
    places = [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"]
    return shutil.which(name, path=os.pathsep.join(places))


def needed(name: str) -> str:
    """The path of a program that check_machine has seen."""
    path = program(name)
    if path is None:
        raise ClusterError(f"{name} is not installed any more.")
    return path


def check_machine(*, builds: bool) -> None:
    """Raises ClusterError with all that is missing, not with the first of it alone.

    `builds`: something is to be built.
    """
    faults = []
    if platform.system() != "Linux":
        faults.append("This runs on Linux only: set KUBECONFIG to use another cluster.")
    elif os.geteuid() != 0:
        faults.append("Mounts, cgroups and a bridge need root: run it with sudo.")
    if packages := missing_packages():
        faults.append(f"Missing: {', '.join(packages)}. On Debian or Ubuntu:")
        faults.append(f"  apt-get install --no-install-recommends {' '.join(packages)}")
    if builds and program("go") is None:
        faults.append(f"Go is missing: {GO_REMEDY}.")
    if faults:
        raise ClusterError("\n".join(faults))
