"""What the cluster takes of the machine apart from processes: a tmpfs, a bridge, a cgroup in each
hierarchy. Each is made if it is not there, and removed if it is, so that both can be repeated
after whatever interruption.
"""

import contextlib
import ipaddress
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.packages import needed

COMMAND_SECONDS = 20.0
REMOVE_SECONDS = 20.0
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


def run(*command: str) -> str:
    """Its output. Raises ClusterError with what it said."""
    done = subprocess.run(
        [needed(command[0]), *command[1:]], capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def mount_root(layout: Layout) -> None:
    if not is_mounted(layout.root):
        layout.root.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=0755,size=60%", layout.cgroup, str(layout.root))


def unmount_root(layout: Layout) -> None:
    """What an interrupted start left at the mount point goes too, when it is empty."""
    for _ in range(_depth(layout.root)):
        _until_done(lambda: run("umount", str(layout.root)))
    with contextlib.suppress(FileNotFoundError):
        layout.root.rmdir()


def is_mounted(folder: Path) -> bool:
    return _depth(folder) > 0


def _depth(folder: Path) -> int:
    return sum(point == folder for point, _ in mounts())


def mounts() -> Iterator[tuple[Path, str]]:
    """Mount point and type of file system, of all that this process sees."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        yield Path(before.split(" ")[4]), after.split(" ")[0]


def make_bridge(layout: Layout) -> None:
    if not bridge_exists(layout):
        _check_subnet_is_free(layout)
        run("ip", "link", "add", layout.bridge, "address", layout.bridge_mac, "type", "bridge")
    length = layout.subnet.partition("/")[2]
    run("ip", "address", "replace", f"{layout.address}/{length}", "dev", layout.bridge)
    run("ip", "link", "set", layout.bridge, "up")


def remove_bridge(layout: Layout) -> None:
    if bridge_exists(layout):
        run("ip", "link", "delete", layout.bridge, "type", "bridge")


def bridge_exists(layout: Layout) -> bool:
    return Path("/sys/class/net", layout.bridge).exists()


def _check_subnet_is_free(layout: Layout) -> None:
    ours = ipaddress.ip_network(layout.subnet)
    routes: list[dict[str, Any]] = json.loads(run("ip", "-json", "-4", "route", "show") or "[]")
    for route in routes:
        if route["dst"] != "default" and ipaddress.ip_network(route["dst"]).overlaps(ours):
            raise ClusterError(
                f"{layout.subnet}, which the pods would get, is in use on this machine: "
                f"{route['dst']} by {route.get('dev', 'another route')}."
            )


def make_cgroups(layout: Layout) -> None:
    """Version 1: one in each hierarchy. Version 2: one, with what limits are made of."""
    for root, kind in hierarchies():
        if kind == "cgroup2" and _only_version_2():
            _enable_controllers(root)
            (root / layout.cgroup).mkdir(exist_ok=True)
            _enable_controllers(root / layout.cgroup)
        elif kind == "cgroup":
            (root / layout.cgroup).mkdir(exist_ok=True)


def remove_cgroups(layout: Layout) -> None:
    """Only when no process is left in them. The kernel takes a moment to notice that."""
    for folder in cgroups(layout):
        _until_done(lambda folder=folder: _remove_tree(folder))  # type: ignore[misc]


def cgroups(layout: Layout) -> list[Path]:
    """Ours that are there; runc may have made one in a hierarchy where we did not."""
    folders = [root / layout.cgroup for root, _ in hierarchies()]
    return [folder for folder in folders if folder.is_dir()]


def hierarchies() -> list[tuple[Path, str]]:
    return sorted({(root, kind) for root, kind in mounts() if kind in ("cgroup", "cgroup2")})


def _only_version_2() -> bool:
    return all(kind == "cgroup2" for _, kind in hierarchies())


def _enable_controllers(folder: Path) -> None:
    known = (folder / "cgroup.controllers").read_text().split()
    wanted = [f"+{name}" for name in V2_CONTROLLERS if name in known]
    (folder / "cgroup.subtree_control").write_text(" ".join(wanted))


def _remove_tree(folder: Path) -> None:
    """Its files are the kernel's and go with it."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)


def _until_done(action: Callable[[], object]) -> None:
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            action()
            return
        except (ClusterError, OSError) as error:
            if time.monotonic() > deadline:
                raise ClusterError(f"It could not be removed: {error}") from None
        time.sleep(0.1)
