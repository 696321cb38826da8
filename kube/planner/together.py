"""What holds for all services of a plan together: they share one pod, and so one network."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kube.planner.hosts import Hosts
from kube.planner.keys import NETWORK, check
from kube.planner.order import Order
from kube.planner.plan import Service
from kube.planner.ports import find_clashes
from kube.planner.problems import Findings, quote
from kube.planner.reader import Reader
from kube.planner.service import listens_on

Readers = Mapping[str, Reader]


def check_ports(findings: Findings, readers: Readers, found: Mapping[str, Service]) -> None:
    listening = {name: listens_on(reader, found[name]) for name, reader in readers.items()}
    find_clashes(findings, listening)


def check_health(order: Order, found: Mapping[str, Service]) -> None:
    """A service that others want healthy must say how to tell."""
    for reader, name in order.healthy:
        service = found.get(name)
        if service and not service.probe:
            message = f"{quote(name)} has no healthcheck in this file"
            reader.problem("depends_on", message, f"give {quote(name)} a `healthcheck`")


def check_networks(top: Reader, readers: Readers) -> None:
    networks = top.below("networks")
    wanted = {name: reader for reader in readers.values() for name in _attached(reader)}
    for name, reader in wanted.items():
        network = replace(networks, service=reader.service).below(name)
        check(network, NETWORK)
        if network.says("external"):
            message = "an external network is not there"
            network.problem("external", message, "take it out: services reach each other as it is")


def _attached(reader: Reader) -> Iterator[str]:
    value = reader.content.get("networks")
    names = list(value) if isinstance(value, dict) else reader.texts("networks")
    yield from names or ["default"]


def hosts_of(readers: Readers) -> dict[str, str]:
    """Name → address, services' own names first."""
    hosts = Hosts()
    for reader in readers.values():
        hosts.add_service(reader)
    for reader in readers.values():
        hosts.add_extra(reader)
    return hosts.addresses


def stop_seconds(readers: Readers) -> int:
    """The longest time that a service wants to end in."""
    return max(math.ceil(reader.seconds("stop_grace_period") or 0) for reader in readers.values())


def note_others(services: Reader, order: Order) -> None:
    main = order.sequence[-1]
    for name in services.content:
        if name not in order.sequence and not name.startswith("x-"):
            services.findings.note(name, "services", f"is not started: {main} does not need it")
