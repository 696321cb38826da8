"""Droplets: ordering, finding, showing, and ending them."""

import json
import math
from collections.abc import Iterable
from sqlite3 import Row
from typing import Any

from . import processes
from .actions import complete_action, end_actions, has_pending, record_action
from .catalog import disk_json, image_json, lost_image
from .clock import iso
from .errors import not_found, unprocessable
from .sandbox import Sandbox
from .tags import ensure_tag, tag_droplet
from .validation import DropletOrder

_CREATE = "POST"
_CREATE_PATH = "/v2/droplets"


def create_droplets(sandbox: Sandbox, order: DropletOrder) -> list[tuple[int, int]]:
    """All of them or none (422 over the limit), each with its create action: (droplet, action)."""
    store = sandbox.store
    with store.transaction():
        living = store.one("SELECT COUNT(*) AS n FROM droplet WHERE destroyed_at IS NULL")
        if living and living["n"] + len(order.names) > sandbox.droplet_limit:
            raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
        tags = [ensure_tag(store, tag) for tag in order.tags]
        made = [_create(sandbox, order, name, tags) for name in order.names]
    sandbox.wake.set()
    return made


def _create(sandbox: Sandbox, order: DropletOrder, name: str, tags: list[str]) -> tuple[int, int]:
    now = sandbox.now()
    id = sandbox.store.run(
        "INSERT INTO droplet (name, region, size, image, price_hourly, vpc_uuid, features,"
        " user_data, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        name,
        order.region,
        order.size,
        order.image,
        str(sandbox.catalog.prices[order.size]),
        order.vpc_uuid,
        json.dumps(order.features),
        order.user_data,
        now,
    )
    for tag in tags:
        tag_droplet(sandbox.store, id, tag)
    boot_due_at = _plan_life(sandbox, id, name, now)
    action = record_action(
        sandbox.store, find_droplet(sandbox, id), "create", now=now, due_at=boot_due_at
    )
    return id, action


def _plan_life(sandbox: Sandbox, id: int, name: str, now: float) -> float | None:
    """Decide when it boots and starts its agent, and which faults it was born with."""
    settings = sandbox.settings
    faults = {
        strike.kind: strike
        for strike in sandbox.faults.fire(
            _CREATE, _CREATE_PATH, lambda rule: rule.strikes_droplet(name)
        )
    }
    boot = now + settings.draw(settings.boot_seconds, f"{id}:boot")
    killer = faults.get("kill_agent")
    sandbox.store.run(
        "UPDATE droplet SET boot_due_at = ?, agent_due_at = ?, no_agent = ?, kill_after = ?,"
        " ignores_shutdown = ? WHERE id = ?",
        None if "never_active" in faults else boot,
        boot + settings.draw(settings.agent_seconds, f"{id}:agent"),
        "no_agent" in faults,
        killer.seconds if killer else None,
        "ignore_shutdown" in faults,
        id,
    )
    return None if "never_active" in faults else boot


def find_droplet(sandbox: Sandbox, id: int) -> Row:
    """A living droplet. Raises 404."""
    row = sandbox.store.one("SELECT * FROM droplet WHERE id = ? AND destroyed_at IS NULL", id)
    if row is None:
        raise not_found()
    return row


def living_droplets(sandbox: Sandbox, *, tag: str | None, name: str | None) -> list[Row]:
    """By id, only those with the tag, or of that name in any case, if given."""
    return droplets_at(sandbox, math.inf, tag=tag, name=name)


def droplets_at(sandbox: Sandbox, moment: float, *, tag: str | None, name: str | None) -> list[Row]:
    """The droplets that lived at a moment."""
    return sandbox.store.read(
        "SELECT * FROM droplet d WHERE created_at <= ?1"
        " AND (destroyed_at IS NULL OR destroyed_at > ?1)"
        " AND (?2 IS NULL OR name = ?2 COLLATE NOCASE)"
        " AND (?3 IS NULL OR EXISTS (SELECT 1 FROM droplet_tag t"
        " WHERE t.droplet_id = d.id AND t.tag = ?3)) ORDER BY id",
        moment,
        name,
        tag,
    )


def destroy_droplets(sandbox: Sandbox, ids: Iterable[int]) -> int:
    """End them for good: recorded first, then their processes end, before this returns.

    The background loop frees their disk. Returns how many this call destroyed.
    """
    now = sandbox.now()
    destroyed = []
    with sandbox.store.transaction():
        for id in ids:
            droplet = find_droplet(sandbox, id)
            end_actions(sandbox.store, id, now)
            action = record_action(sandbox.store, droplet, "destroy", now=now, due_at=now)
            complete_action(sandbox.store, action, now)
            # The user data holds credentials that nobody needs any more.
            sandbox.store.run(
                "UPDATE droplet SET destroyed_at = ?, user_data = NULL, agent_exit_code = ?"
                " WHERE id = ?",
                now,
                sandbox.machine(id).exit_code(),
                id,
            )
            destroyed.append(id)
    processes.kill_all({sandbox.mark(id) for id in destroyed})
    sandbox.wake.set()
    return len(destroyed)


def destroy_all(sandbox: Sandbox) -> int:
    rows = sandbox.store.read("SELECT id FROM droplet WHERE destroyed_at IS NULL")
    return destroy_droplets(sandbox, [int(row["id"]) for row in rows])


def check_no_pending(sandbox: Sandbox, id: int) -> None:
    if has_pending(sandbox.store, id):
        raise unprocessable("Droplet already has a pending event.")


def droplet_json(sandbox: Sandbox, row: Row, *, at: float | None = None) -> dict[str, Any]:
    """As /v2/droplets shows it; `at` a moment in the past, as far as that is remembered."""
    catalog = sandbox.catalog
    size = catalog.sizes[row["size"]]
    status = row["status"]
    if at is not None and (row["active_at"] is None or row["active_at"] > at):
        status = "new"
    return {
        "id": row["id"],
        "name": row["name"],
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": size.disk,
        "disk_info": disk_json(size),
        "locked": False,
        "status": status,
        "kernel": None,
        "created_at": iso(row["created_at"]),
        "features": json.loads(row["features"]),
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": image_json(catalog.image(row["image"]) or lost_image(row["image"])),
        "volume_ids": [],
        "size": catalog.size_json(row["size"]),
        "size_slug": row["size"],
        "networks": {"v4": [] if status == "new" else _addresses(row["id"]), "v6": []},
        "region": catalog.region_json(row["region"]),
        "tags": _tags(sandbox, row["id"]),
        "vpc_uuid": row["vpc_uuid"],
    }


def _addresses(id: int) -> list[dict[str, str]]:
    """Addresses that lead nowhere: the range for benchmarks (RFC 2544), and a private one."""
    high, low = id // 254 % 256, id % 254 + 1
    return [
        {
            "ip_address": f"10.108.{high}.{low}",
            "netmask": "255.255.240.0",
            "gateway": "nil",
            "type": "private",
        },
        {
            "ip_address": f"198.18.{high}.{low}",
            "netmask": "255.255.240.0",
            "gateway": "198.18.0.1",
            "type": "public",
        },
    ]


def _tags(sandbox: Sandbox, id: int) -> list[str]:
    rows = sandbox.store.read("SELECT tag FROM droplet_tag WHERE droplet_id = ? ORDER BY rowid", id)
    return [row["tag"] for row in rows]
