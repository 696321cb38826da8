"""What can be asked of a living droplet: the actions of POST /v2/droplets/{id}/actions."""

from sqlite3 import Row
from typing import Any

from .actions import find_action, record_action
from .droplets import check_no_pending, find_droplet
from .errors import invalid, unprocessable
from .life import halt
from .sandbox import Sandbox
from .validation import check_name

_CUTS_POWER = ("power_off", "power_cycle", "reboot")
_TYPES = (*_CUTS_POWER, "power_on", "shutdown", "rename")


def request_action(sandbox: Sandbox, droplet_id: int, body: dict[str, Any]) -> Row:
    """Start an action; it is in progress when this returns. Raises 404, 422."""
    kind = body.get("type")
    if kind not in _TYPES:
        raise unprocessable(f"type is invalid: this sandbox knows {', '.join(_TYPES)}")
    for field in sorted(body.keys() - {"type", "name"}):
        raise invalid(field, "is unknown")
    with sandbox.store.transaction():
        droplet = find_droplet(sandbox, droplet_id)
        check_no_pending(sandbox, droplet_id)
        _check_state(droplet, str(kind))
        action = _begin(sandbox, droplet, str(kind), body)
    _touch_machine(sandbox, droplet, str(kind))
    sandbox.wake.set()
    return action


def _check_state(droplet: Row, kind: str) -> None:
    if kind == "power_on" and droplet["status"] == "active":
        raise unprocessable("Droplet is already powered on.")
    if kind not in ("power_on", "rename") and droplet["status"] == "off":
        raise unprocessable("Droplet is already powered off.")


def _begin(sandbox: Sandbox, droplet: Row, kind: str, body: dict[str, Any]) -> Row:
    settings, now = sandbox.settings, sandbox.now()
    name = check_name(body.get("name")) if kind == "rename" else None
    due = now + settings.draw(settings.action_seconds, f"{droplet['id']}:{kind}:{now}")
    action = record_action(sandbox.store, droplet, kind, now=now, due_at=due, new_name=name)
    if kind in _CUTS_POWER:
        sandbox.store.run(
            "UPDATE droplet SET halt_pending = 1, off_due_at = NULL WHERE id = ?", droplet["id"]
        )
    if kind == "shutdown" and not droplet["ignores_shutdown"]:
        # The action is done once the wish was passed on; the droplet goes off when it gets there.
        off = due + settings.draw(settings.shutdown_seconds, f"{action}:off")
        sandbox.store.run("UPDATE droplet SET off_due_at = ? WHERE id = ?", off, droplet["id"])
    return find_action(sandbox.store, action)


def _touch_machine(sandbox: Sandbox, droplet: Row, kind: str) -> None:
    if kind in _CUTS_POWER:
        halt(sandbox)
    elif kind == "shutdown" and not droplet["ignores_shutdown"]:
        sandbox.machine(droplet["id"]).terminate()
