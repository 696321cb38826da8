"""Actions: what was asked of a droplet, and how far it came."""

from sqlite3 import Row
from typing import Any

from .catalog import Catalog
from .clock import iso
from .errors import not_found
from .store import Store


def record_action(
    store: Store,
    droplet: Row,
    kind: str,
    *,
    now: float,
    due_at: float | None,
    new_name: str | None = None,
) -> int:
    """An action in progress, done at `due_at`; None: it never will be."""
    return store.run(
        "INSERT INTO action (droplet_id, type, region, started_at, due_at, new_name)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        droplet["id"],
        kind,
        droplet["region"],
        now,
        due_at,
        new_name,
    )


def complete_action(store: Store, action_id: int, at: float) -> None:
    store.run(
        "UPDATE action SET status = 'completed', completed_at = ?"
        " WHERE id = ? AND status = 'in-progress'",
        at,
        action_id,
    )


def end_actions(store: Store, droplet_id: int, at: float) -> None:
    """What was still in progress on a droplet that is being destroyed ends with an error."""
    store.run(
        "UPDATE action SET status = 'errored', completed_at = ?"
        " WHERE droplet_id = ? AND status = 'in-progress'",
        at,
        droplet_id,
    )


def has_pending(store: Store, droplet_id: int) -> bool:
    return bool(
        store.one(
            "SELECT 1 FROM action WHERE droplet_id = ? AND status = 'in-progress'", droplet_id
        )
    )


def actions_of(store: Store, droplet_id: int) -> list[Row]:
    """Newest first, as DigitalOcean lists them."""
    return store.read("SELECT * FROM action WHERE droplet_id = ? ORDER BY id DESC", droplet_id)


def find_action(store: Store, action_id: int, droplet_id: int | None = None) -> Row:
    row = store.one("SELECT * FROM action WHERE id = ?", action_id)
    if row is None or droplet_id not in (None, row["droplet_id"]):
        raise not_found()
    return row


def action_json(action: Row, catalog: Catalog) -> dict[str, Any]:
    return {
        "id": action["id"],
        "status": action["status"],
        "type": action["type"],
        "started_at": iso(action["started_at"]),
        "completed_at": iso(action["completed_at"]),
        "resource_id": action["droplet_id"],
        "resource_type": "droplet",
        "region": catalog.region_json(action["region"]),
        "region_slug": action["region"],
    }
