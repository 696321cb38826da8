"""The API for whoever runs the sandbox: /sandbox/…, without a token, never at fault or limited."""

from sqlite3 import Row
from typing import Any

from . import processes
from .billing import bill
from .clock import iso
from .droplets import destroy_all, find_droplet
from .errors import invalid, not_found
from .sandbox import Sandbox
from .wire import Request, Response

_ACCOUNT_STATUSES = ("active", "warning", "locked")


def get_state(sandbox: Sandbox, request: Request) -> Response:
    """All droplets, destroyed ones too; no user data. Calls are counted by method and path."""
    rows = sandbox.store.read("SELECT * FROM droplet ORDER BY id")
    running = processes.census({sandbox.mark(row["id"]) for row in rows})
    body = {
        "now": iso(sandbox.now()),
        "speed": sandbox.settings.speed,
        "seed": sandbox.settings.seed,
        "droplet_limit": sandbox.droplet_limit,
        "account_status": sandbox.account_status,
        "outage_until": iso(sandbox.outage_until or None),
        "droplets": [
            _droplet(sandbox, row, [p.pid for p in running[sandbox.mark(row["id"])]])
            for row in rows
        ],
        "calls": _calls(sandbox),
    }
    return Response(body=body)


def _droplet(sandbox: Sandbox, row: Row, pids: list[int]) -> dict[str, Any]:
    times = ("created_at", "boot_due_at", "active_at", "agent_due_at", "agent_started_at")
    machine = sandbox.machine(row["id"])
    exit_code = row["agent_exit_code"] if row["destroyed_at"] else machine.exit_code()
    return {
        "id": row["id"],
        "name": row["name"],
        "size": row["size"],
        "status": "destroyed" if row["destroyed_at"] else row["status"],
        "agent": _agent(row, pids, exit_code),
        "exit_code": exit_code,
        "pids": pids,
        "directory": None if row["cleaned_at"] else str(machine.directory),
        **{name: iso(row[name]) for name in (*times, "destroyed_at")},
    }


def _agent(row: Row, pids: list[int], exit_code: int | None) -> str:
    if row["agent_started_at"] is None:
        return "not started"
    if pids:
        return "running"
    return "killed" if exit_code is None else "exited"


def _calls(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    calls: dict[str, dict[str, Any]] = {}
    for row in sandbox.store.read("SELECT * FROM call ORDER BY template, method, outcome"):
        entry = calls.setdefault(f"{row['method']} {row['template']}", {"total": 0, "outcomes": {}})
        entry["total"] += row["count"]
        entry["outcomes"][row["outcome"]] = row["count"]
    return calls


def get_bill(sandbox: Sandbox, request: Request) -> Response:
    return Response(body=bill(sandbox.store, sandbox.now()))


def get_faults(sandbox: Sandbox, request: Request) -> Response:
    return Response(body=sandbox.faults.describe())


def put_faults(sandbox: Sandbox, request: Request) -> Response:
    sandbox.faults.replace(request.json_value())
    return get_faults(sandbox, request)


def put_outage(sandbox: Sandbox, request: Request) -> Response:
    """{"seconds": N}: everything under /v2/ answers 503 for so long. 0 ends it."""
    seconds = _number(request.json(), "seconds")
    until = sandbox.now() + seconds
    sandbox.store.set_meta("outage_until", str(until if seconds else 0))
    return Response(body={"outage_until": iso(until) if seconds else None})


def put_account(sandbox: Sandbox, request: Request) -> Response:
    """{"droplet_limit": N, "status": "active" | "warning" | "locked"}, either or both."""
    body = request.json()
    for field in sorted(body.keys() - {"droplet_limit", "status"}):
        raise invalid(field, "is unknown")
    if body.get("status", "active") not in _ACCOUNT_STATUSES:
        raise invalid("status", f"must be one of {', '.join(_ACCOUNT_STATUSES)}")
    limit = int(_number(body, "droplet_limit")) if "droplet_limit" in body else None
    with sandbox.store.transaction():
        if limit is not None:
            sandbox.store.set_meta("droplet_limit", str(limit))
        if "status" in body:
            sandbox.store.set_meta("account_status", body["status"])
    shown = {"droplet_limit": sandbox.droplet_limit, "status": sandbox.account_status}
    return Response(body=shown)


def put_kill_agent(sandbox: Sandbox, request: Request, id: int) -> Response:
    """End every process of a droplet, which itself goes on living."""
    with sandbox.store.transaction():
        find_droplet(sandbox, id)
        # Should this be cut short, the background loop ends what is left.
        sandbox.store.run("UPDATE droplet SET halt_pending = 1 WHERE id = ?", id)
    killed = sandbox.machine(id).kill()
    sandbox.store.run("UPDATE droplet SET halt_pending = 0 WHERE id = ?", id)
    return Response(body={"killed": killed})


def get_syslog(sandbox: Sandbox, request: Request, id: int) -> Response:
    find_droplet(sandbox, id)
    try:
        return Response(body=sandbox.machine(id).syslog.read_text(errors="replace"))
    except FileNotFoundError:
        raise not_found() from None


def put_destroy_all(sandbox: Sandbox, request: Request) -> Response:
    return Response(body={"destroyed": destroy_all(sandbox)})


def _number(body: dict[str, Any], field: str) -> float:
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise invalid(field, "must be a number from 0")
    return value
