"""Takes over droplets that run already, with the worker ids and tokens that their agents know."""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from dispatch.backends import BackendError
from dispatch.models import DropletLife
from droplets.cloud import Cloud, Droplet
from droplets.models import Worker

COLUMNS = ("worker_id", "access_token", "droplet_id")


class ImportRefused(Exception):
    """Nothing was imported; the message has one line for each thing that is wrong."""


@dataclass(frozen=True, kw_only=True)
class Line:
    number: int
    worker_id: UUID
    access_token: str
    droplet_id: str


def read(lines: Iterable[str]) -> list[Line]:
    """CSV with the header worker_id,access_token,droplet_id. Raises ImportRefused."""
    rows = csv.DictReader(lines)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise ImportRefused(f"line 1: the header must be {','.join(COLUMNS)}")
    found: list[Line] = []
    wrong: list[str] = []
    for number, row in enumerate(rows, start=2):
        try:
            found.append(_line(number, row))
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    wrong += _repeated(found)
    if wrong:
        raise ImportRefused("\n".join(wrong))
    return found


def _line(number: int, row: dict[str, str | None]) -> Line:
    worker_id, token, droplet_id = ((row.get(column) or "").strip() for column in COLUMNS)
    try:
        uuid = UUID(worker_id)
    except ValueError:
        raise ValueError(f"worker_id {worker_id!r} is no UUID") from None
    if not token:
        raise ValueError("access_token is empty: the agent on the droplet has it as its password")
    if not droplet_id.isdigit():
        raise ValueError(f"droplet_id {droplet_id!r} is no number")
    return Line(number=number, worker_id=uuid, access_token=token, droplet_id=droplet_id)


def _repeated(lines: list[Line]) -> Iterator[str]:
    for column in ("worker_id", "droplet_id"):
        seen: set[object] = set()
        for line in lines:
            value = getattr(line, column)
            if value in seen:
                yield f"line {line.number}: {column} {value} stands there twice"
            seen.add(value)


def take_over(lines: list[Line], cloud: Cloud) -> list[Worker]:
    """Import all of them or none; those that were imported before are left as they are.

    Each droplet is read live first. A Worker is idle from its agent's first call on, whether
    that is the ready signal or a poll; until then nothing gives it up. Raises ImportRefused.
    """
    known = set(Worker.objects.values_list("pk", flat=True))
    wrong: list[str] = []
    found: list[tuple[Line, Droplet]] = []
    for line in (line for line in lines if line.worker_id not in known):
        try:
            found.append((line, _droplet(line, cloud)))
        except (BackendError, ValueError) as error:
            wrong.append(f"line {line.number}: {error}")
    if wrong:
        raise ImportRefused("\n".join(wrong))
    with transaction.atomic():
        return [_import(line, droplet) for line, droplet in found]


def _droplet(line: Line, cloud: Cloud) -> Droplet:
    droplet = cloud.droplet(line.droplet_id)
    if droplet is None:
        raise ValueError(f"there is no droplet {line.droplet_id}")
    if droplet.status != "active":
        raise ValueError(f"droplet {line.droplet_id} is {droplet.status}, not active")
    holder = Worker.objects.filter(provider_id=droplet.provider_id).first()
    if holder or Worker.objects.filter(name=droplet.name).exists():
        raise ValueError(f"droplet {line.droplet_id} ({droplet.name}) is a Worker already")
    return droplet


def _import(line: Line, droplet: Droplet) -> Worker:
    now = timezone.now()
    worker = Worker.objects.create(
        id=line.worker_id,
        name=droplet.name,
        provider_id=droplet.provider_id,
        region=droplet.region,
        size=droplet.size,
        ip_address=droplet.ip_address,
        imported=True,
        token_digest=hashlib.sha256(line.access_token.encode()).hexdigest(),
        create_tried_at=now,
        active_at=now,
    )
    worker.note("worker.imported", provider_id=droplet.provider_id)
    DropletLife.objects.create(
        worker_id=worker.pk,
        name=droplet.name,
        provider_id=droplet.provider_id,
        region=droplet.region,
        size=droplet.size,
        hourly_price=droplet.hourly_price,
        created_at=droplet.created_at,
    )
    return worker
