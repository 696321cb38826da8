"""What all Jobs of an installation have in common."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MI, GI = 1024**2, 1024**3


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a container asks for and may use at most: CPUs, and bytes of memory and of disk."""

    cpu: float
    cpu_limit: float
    memory: int
    memory_limit: int
    disk: int
    disk_limit: int

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": {
                "cpu": cpus(self.cpu),
                "memory": quantity(self.memory),
                "ephemeral-storage": quantity(self.disk),
            },
            "limits": {
                "cpu": cpus(self.cpu_limit),
                "memory": quantity(self.memory_limit),
                "ephemeral-storage": quantity(self.disk_limit),
            },
        }


@dataclass(frozen=True, kw_only=True)
class ResourceClass:
    """The size of an attempt. One that ran out of memory is made again in the next class."""

    name: str
    builder: Resources
    test: Resources


def _small(*, memory: int, memory_limit: int, disk_limit: int = GI) -> Resources:
    return Resources(
        cpu=0.05,
        cpu_limit=1,
        memory=memory,
        memory_limit=memory_limit,
        disk=64 * MI,
        disk_limit=disk_limit,
    )


def _large(*, cpu: float, memory: int, memory_limit: int) -> Resources:
    return Resources(
        cpu=cpu,
        cpu_limit=2 * cpu,
        memory=memory,
        memory_limit=memory_limit,
        disk=4 * GI,
        disk_limit=20 * GI,
    )


STANDARD = ResourceClass(
    name="standard",
    builder=_large(cpu=1, memory=2 * GI, memory_limit=4 * GI),
    test=_large(cpu=1, memory=2 * GI, memory_limit=4 * GI),
)
LARGE = ResourceClass(
    name="large",
    builder=_large(cpu=2, memory=4 * GI, memory_limit=8 * GI),
    test=_large(cpu=2, memory=4 * GI, memory_limit=8 * GI),
)


@dataclass(frozen=True, kw_only=True)
class ManifestSettings:
    """Seconds and bytes. `installation` tells the Jobs of two control planes in one cluster apart.

    `taint` is the key of the taint that keeps others from the nodes; "" for none. `host_aliases`
    are names that DNS does not know, with their addresses. `service` is what a service gets whose
    compose file says nothing; shared and other file systems in memory come on top. However short
    the time that compose gives it to get ready, it has `service_patience`.
    """

    namespace: str
    installation: str
    control_plane_url: str
    agent_image: str
    builder_image: str
    agent_uid: int = 10001
    registry_insecure: bool = False
    classes: tuple[ResourceClass, ...] = (STANDARD, LARGE)
    tools: Resources = _small(memory=32 * MI, memory_limit=128 * MI)
    agent: Resources = _small(memory=64 * MI, memory_limit=512 * MI, disk_limit=4 * GI)
    clone: Resources = _small(memory=64 * MI, memory_limit=GI, disk_limit=10 * GI)
    service: Resources = Resources(
        cpu=0.1,
        cpu_limit=2,
        memory=256 * MI,
        memory_limit=2 * GI,
        disk=256 * MI,
        disk_limit=10 * GI,
    )
    service_patience: int = 180
    queue_allowance: int = 900
    grace: int = 30
    longest_grace: int = 120
    time_to_live: int = 3600
    lost_node_toleration: int = 60
    checkout_bytes: int = 10 * GI
    volume_bytes: int = 10 * GI
    memory_volume_bytes: int = 512 * MI
    log_bytes: int = 2 * GI
    node_selector: Mapping[str, str] = field(default_factory=dict)
    taint: str = ""
    runtime_class: str = ""
    priority_class: str = ""
    pull_secrets: tuple[str, ...] = ()
    dns_policy: str = "ClusterFirst"
    host_aliases: Mapping[str, str] = field(default_factory=dict)


def cpus(number: float) -> str:
    """In thousandths, the smallest that there are."""
    thousandths = max(1, math.ceil(number * 1000 - 1e-6))
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def quantity(size: int) -> str:
    """Bytes, in the largest unit that says them exactly."""
    for unit, name in ((GI, "Gi"), (MI, "Mi")):
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)
