"""The names by which services find each other: all of them are this pod."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from kube.names import HOSTNAME
from kube.planner.keys import ATTACHMENT, check
from kube.planner.problems import quote
from kube.planner.reader import Reader

NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
POD = "127.0.0.1"
# What stands for the machine under the containers; its published ports are this pod's.
GATEWAY = "host-gateway"
LOCAL = ("localhost", "ip6-localhost", "ip6-loopback", HOSTNAME)


@dataclass(kw_only=True)
class Hosts:
    addresses: dict[str, str] = field(default_factory=dict)

    def add_service(self, reader: Reader) -> None:
        """Every name that other services have for it."""
        self._add(reader, "service", reader.service, POD)
        for key in ("hostname", "container_name"):
            if name := reader.text(key):
                self._add(reader, key, name, POD)
        for name in _aliases(reader):
            self._add(reader, "networks", name, POD)
        for name, _, alias in (text.partition(":") for text in reader.texts("links")):
            self._add(reader, "links", alias or name, POD)

    def add_extra(self, reader: Reader) -> None:
        """The names that a service gives to addresses."""
        for name, address in _extra(reader):
            if address == GATEWAY:
                reader.note("extra_hosts", f"{quote(name)} is this pod: there is no other host")
                self._add(reader, "extra_hosts", name, POD)
            elif found := _address(reader, address):
                self._add(reader, "extra_hosts", name, found)

    def _add(self, reader: Reader, key: str, name: str, address: str) -> None:
        if not NAME.fullmatch(name):
            remedy = "use letters, digits and _ . -"
            reader.problem(key, f"{quote(name)} is no name of a host", remedy)
        elif name in LOCAL:
            if address != POD:
                reader.problem(key, f"{quote(name)} is this pod", "use another name")
        elif self.addresses.setdefault(name, address) != address:
            message = f"{quote(name)} would be both {self.addresses[name]} and {address}"
            reader.problem(key, message, "give each its own name: all services share one list")


def _aliases(reader: Reader) -> Iterator[str]:
    networks = reader.content.get("networks")
    if not isinstance(networks, dict):
        reader.texts("networks")
        return
    attached = reader.below("networks")
    for name in networks:
        attachment = attached.below(name)
        check(attachment, ATTACHMENT)
        yield from attachment.texts("aliases")


def _extra(reader: Reader) -> Iterator[tuple[str, str]]:
    value = reader.content.get("extra_hosts")
    if isinstance(value, dict):
        yield from _extra_mapping(reader, value)
        return
    for text in reader.texts("extra_hosts"):
        separator = "=" if "=" in text else ":"
        name, _, address = text.partition(separator)
        yield name.strip(), address.strip()


def _extra_mapping(reader: Reader, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, addresses in value.items():
        for address in addresses if isinstance(addresses, list) else [addresses]:
            text = reader.scalar("extra_hosts", address, "an address")
            if text is not None:
                yield name, text


def _address(reader: Reader, text: str) -> str:
    try:
        found = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        remedy = "give an IP address, as in 10.0.0.5"
        reader.problem("extra_hosts", f"{quote(text)} is no address", remedy)
        return ""
    return str(found)
