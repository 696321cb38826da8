"""Tags. A tag keeps the capitalisation it was first given."""

from typing import Any

from .errors import not_found, unprocessable
from .store import Store
from .validation import check_tag


def ensure_tag(store: Store, name: str) -> str:
    """Make the tag unless it is there; its canonical spelling."""
    store.run("INSERT OR IGNORE INTO tag (name) VALUES (?)", check_tag(name))
    row = store.one("SELECT name FROM tag WHERE name = ?", name)
    return str(row["name"]) if row else name


def find_tag(store: Store, name: str) -> str:
    """Raises 404 for any other spelling than the canonical one."""
    row = store.one("SELECT name FROM tag WHERE name = ? COLLATE BINARY", name)
    if row is None:
        raise not_found()
    return str(row["name"])


def tag_droplet(store: Store, droplet_id: int, tag: str) -> None:
    store.run("INSERT OR IGNORE INTO droplet_tag (droplet_id, tag) VALUES (?, ?)", droplet_id, tag)


def untag_droplet(store: Store, droplet_id: int, tag: str) -> None:
    store.run("DELETE FROM droplet_tag WHERE droplet_id = ? AND tag = ?", droplet_id, tag)


def delete_tag(store: Store, tag: str) -> None:
    with store.transaction():
        store.run("DELETE FROM droplet_tag WHERE tag = ?", tag)
        store.run("DELETE FROM tag WHERE name = ?", tag)


def tagged(store: Store, tag: str) -> list[int]:
    """Ids of the living droplets with this tag."""
    rows = store.read(
        "SELECT d.id FROM droplet d JOIN droplet_tag t ON t.droplet_id = d.id"
        " WHERE t.tag = ? AND d.destroyed_at IS NULL ORDER BY d.id",
        tag,
    )
    return [int(row["id"]) for row in rows]


def tag_json(store: Store, tag: str, base_url: str) -> dict[str, Any]:
    ids = tagged(store, tag)
    droplets: dict[str, Any] = {"count": len(ids)}
    if ids:
        droplets["last_tagged_uri"] = f"{base_url}/v2/droplets/{ids[-1]}"
    others = ("images", "volumes", "volume_snapshots", "databases")
    return {
        "name": tag,
        "resources": {**droplets, "droplets": droplets} | {name: {"count": 0} for name in others},
    }


def read_resources(body: dict[str, Any]) -> list[int]:
    """The droplet ids of `{resources: [{resource_id, resource_type}]}`."""
    resources = body.get("resources")
    if not isinstance(resources, list) or not resources:
        raise unprocessable("resources must be an array of resource_id and resource_type")
    return [_resource(item) for item in resources]


def _resource(item: object) -> int:
    if not isinstance(item, dict) or item.get("resource_type") != "droplet":
        raise unprocessable("only resources of the type droplet can be tagged here")
    if not str(item.get("resource_id")).isdigit():
        raise not_found()
    return int(item["resource_id"])
