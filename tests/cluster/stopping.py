"""Stopping the cluster, whatever state it is in, and telling whether anything of it is left."""

import shutil
from pathlib import Path

from tests.cluster import machine, processes
from tests.cluster.layout import Layout, cache


def stop(layout: Layout, *, keep_logs: bool = False) -> None:
    """All of its data goes. `keep_logs`: copies them to the cache first.

    Processes first: with the last one of the node its mounts and the network namespaces of its
    pods go, and only then are cgroups, bridge and tmpfs free to be removed.
    """
    processes.end(lambda: ours(layout))
    machine.remove_cgroups(layout)
    machine.remove_bridge(layout)
    if keep_logs and layout.logs.is_dir():
        shutil.copytree(layout.logs, kept_logs(layout), dirs_exist_ok=True)
    machine.unmount_root(layout)


def kept_logs(layout: Layout) -> Path:
    """Of the last start that failed."""
    return cache() / "logs" / layout.root.name


def ours(layout: Layout) -> set[int]:
    """The processes of the cluster, those in containers too."""
    return set(processes.marked(layout)) | processes.of_cgroups(machine.cgroups(layout))


def is_clean(layout: Layout) -> bool:
    return not leftovers(layout)


def leftovers(layout: Layout) -> list[str]:
    """What of a cluster is on the machine, one line each."""
    found = [f"process {pid}" for pid in sorted(ours(layout))]
    found += [f"cgroup {folder}" for folder in machine.cgroups(layout)]
    if machine.bridge_exists(layout):
        found.append(f"bridge {layout.bridge}")
    points = [point for point, _ in machine.mounts() if point.is_relative_to(layout.root)]
    return [*found, *(f"mount {point}" for point in points)]
