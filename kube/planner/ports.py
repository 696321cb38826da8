"""The ports that a service listens on: only to find two services that want the same one, since
the containers of a pod share one network."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kube.planner.problems import Findings, quote
from kube.planner.reader import Reader

RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
PROTOCOLS = ("tcp", "udp", "sctp")
HIGHEST = 65535
# Of one service: each is compared with all others.
MOST = 100
# The last part of an image's name → what it listens on where nobody says otherwise.
USUAL = {
    "elasticsearch": (9200, 9300),
    "httpd": (80,),
    "mailcatcher": (1025, 1080),
    "mailhog": (1025, 8025),
    "mailpit": (1025, 8025),
    "mariadb": (3306,),
    "memcached": (11211,),
    "minio": (9000,),
    "mongo": (27017,),
    "mysql": (3306,),
    "nginx": (80,),
    "opensearch": (9200,),
    "pgvector": (5432,),
    "postgis": (5432,),
    "postgres": (5432,),
    "rabbitmq": (5672,),
    "redis": (6379,),
    "standalone-chrome": (4444,),
    "standalone-chromium": (4444,),
    "standalone-firefox": (4444,),
    "valkey": (6379,),
}


class Ports(NamedTuple):
    """From `first` to `last`, both of them."""

    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{span}/{self.protocol}"


def read_ports(reader: Reader) -> list[Ports]:
    """What `ports` and `expose` say of the container's side."""
    found = [_published(reader, item) for item in reader.items("ports")]
    found += [_read(reader, "expose", text) for text in reader.texts("expose")]
    if len(found) > MOST:
        message = f"has {len(found)} entries with `expose`"
        reader.problem("ports", message, f"use at most {MOST}, some of them ranges")
        return []
    return [ports for ports in found if ports]


def _published(reader: Reader, item: Any) -> Ports | None:
    if isinstance(item, dict):
        entry = reader.entry("ports", item)
        target = entry.text("target")
        if not target:
            entry.problem("target", "is missing", "give the port inside the container")
            return None
        return _read(reader, "ports", f"{target}/{entry.text('protocol') or 'tcp'}")
    text = reader.scalar("ports", item, "ports, as in 8080:80")
    if text is None:
        return None
    return _read(reader, "ports", text.rpartition(":")[2])


def _read(reader: Reader, key: str, text: str) -> Ports | None:
    span, _, protocol = text.partition("/")
    found = RANGE.fullmatch(span)
    if not found or (protocol or "tcp").lower() not in PROTOCOLS:
        reader.problem(key, f"{quote(text)} is no port", "give a number, as in 8080:80")
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= HIGHEST:
        reader.problem(key, f"{quote(text)} is out of range", f"use ports from 1 to {HIGHEST}")
        return None
    return Ports((protocol or "tcp").lower(), first, last)


def usual_ports(image: str, told_otherwise: bool) -> list[Ports]:
    """What a well-known image listens on. `told_otherwise`: its command or environment speak of a
    port, so nothing is known."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return [] if told_otherwise else [Ports("tcp", port, port) for port in USUAL.get(name, ())]


def find_clashes(findings: Findings, listening: Mapping[str, Iterable[Ports]]) -> None:
    """Tells of every service that wants a port of a service before it."""
    held: list[tuple[Ports, str]] = []
    for service, wanted in listening.items():
        for ports in sorted(set(wanted)):
            for other in _holders(held, ports):
                message = f"the services {other} and {service} both listen on {ports}"
                remedy = "let one listen on another port: they share one network"
                findings.problem(service, "ports", message, remedy)
        held += [(ports, service) for ports in set(wanted)]


def _holders(held: list[tuple[Ports, str]], ports: Ports) -> Iterator[str]:
    for other, service in held:
        apart = other.last < ports.first or ports.last < other.first
        if other.protocol == ports.protocol and not apart:
            yield service
            return
