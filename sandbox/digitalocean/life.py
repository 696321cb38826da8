"""What happens by itself as time goes by.

`advance` moves the records to what is true by now; every request calls it first, so an answer
never depends on how often the background loop ran. The other steps touch processes and disk.
All are level-triggered and may be killed anywhere: the next pass goes on.
"""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from sqlite3 import Row

from . import processes
from .actions import complete_action
from .sandbox import Sandbox

_LIVE = "destroyed_at IS NULL"
# On, about to stay on, and its user data has not run.
_AWAITS_AGENT = (
    f"{_LIVE} AND status = 'active' AND off_due_at IS NULL AND agent_started_at IS NULL"
    " AND no_agent = 0 AND user_data IS NOT NULL AND NOT EXISTS (SELECT 1 FROM action a"
    " WHERE a.droplet_id = droplet.id AND a.status = 'in-progress')"
)
_AGENT_DUE = f"{_AWAITS_AGENT} AND agent_due_at <= ?"
_RETRY_SECONDS = 1.0


def advance(sandbox: Sandbox) -> None:
    now = sandbox.now()
    with sandbox.store.transaction():
        due = "SELECT * FROM action WHERE status = 'in-progress' AND due_at <= ? ORDER BY due_at"
        for action in sandbox.store.read(due, now):
            _finish(sandbox, action)
        for droplet in _due(sandbox, f"{_LIVE} AND off_due_at <= ?", now):
            sandbox.store.run(
                "UPDATE droplet SET status = 'off', off_due_at = NULL, halt_pending = 1"
                " WHERE id = ?",
                droplet["id"],
            )


def _finish(sandbox: Sandbox, action: Row) -> None:
    """An action takes effect at the moment it was due, however late that is noticed."""
    effects = {"create": _boot, "power_on": _switch_on, "power_off": _switch_off, "rename": _rename}
    if effect := effects.get(action["type"]):
        effect(sandbox, action)
    complete_action(sandbox.store, action["id"], action["due_at"])


def _boot(sandbox: Sandbox, action: Row) -> None:
    sandbox.store.run(
        "UPDATE droplet SET status = 'active', active_at = ? WHERE id = ?",
        action["due_at"],
        action["droplet_id"],
    )


def _switch_on(sandbox: Sandbox, action: Row) -> None:
    """The user data runs on the first boot only; one that was cut off before that runs it now."""
    settings = sandbox.settings
    pause = settings.draw(settings.agent_seconds, f"{action['id']}:agent")
    sandbox.store.run(
        "UPDATE droplet SET status = 'active', agent_due_at = ? WHERE id = ?",
        action["due_at"] + pause,
        action["droplet_id"],
    )


def _switch_off(sandbox: Sandbox, action: Row) -> None:
    sandbox.store.run(
        "UPDATE droplet SET status = 'off', off_due_at = NULL WHERE id = ?", action["droplet_id"]
    )


def _rename(sandbox: Sandbox, action: Row) -> None:
    sandbox.store.run(
        "UPDATE droplet SET name = ? WHERE id = ?", action["new_name"], action["droplet_id"]
    )


def _due(sandbox: Sandbox, where: str, now: float) -> list[Row]:
    return sandbox.store.read(f"SELECT * FROM droplet WHERE {where} ORDER BY id", now)


class Loop:
    """The background loop: one thread that starts and ends machines and frees their disk."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._stop = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._run, name="life", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the loop; machines go on running."""
        self._stop.set()
        self.sandbox.wake.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.sandbox.wake.clear()
            failed = not all([self._attempt(step) for step in self._steps()])
            pause = _RETRY_SECONDS if failed else next_due(self.sandbox) - self.sandbox.now()
            self.sandbox.clock.wait(self.sandbox.wake, max(pause, 0.005))

    def _steps(self) -> list[Callable[[], None]]:
        sandbox = self.sandbox
        return [
            lambda: advance(sandbox),
            lambda: halt(sandbox),
            self._start_agents,
            lambda: kill_due_agents(sandbox),
            lambda: clean(sandbox),
            self._reap,
        ]

    def _attempt(self, step: Callable[[], None]) -> bool:
        """One step that fails must not keep the others from their work."""
        try:
            step()
        except (OSError, sqlite3.Error) as error:
            print(f"life: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return False
        return True

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _start_agents(self) -> None:
        now = self.sandbox.now()
        for droplet in _due(self.sandbox, _AGENT_DUE, now):
            self._start_agent(droplet["id"], now)

    def _start_agent(self, id: int, now: float) -> None:
        """Under the lock: a destroy comes before (nothing starts) or after (it is killed)."""
        sandbox = self.sandbox
        with sandbox.store.transaction():
            rows = _due(sandbox, f"id = {id:d} AND {_AGENT_DUE}", now)
            if not rows:
                return
            droplet = rows[0]
            child = sandbox.machine(id).start(droplet["user_data"], sandbox.environment(droplet))
            kill_after = droplet["kill_after"]
            sandbox.store.run(
                "UPDATE droplet SET agent_started_at = ?, kill_due_at = ? WHERE id = ?",
                now,
                None if kill_after is None else now + kill_after,
                id,
            )
        if child is not None:
            self._children.append(child)


def halt(sandbox: Sandbox) -> None:
    """End what still runs of droplets that are off."""
    for droplet in sandbox.store.read(f"SELECT id FROM droplet WHERE {_LIVE} AND halt_pending"):
        sandbox.machine(droplet["id"]).kill()
        sandbox.store.run("UPDATE droplet SET halt_pending = 0 WHERE id = ?", droplet["id"])


def kill_due_agents(sandbox: Sandbox) -> None:
    for droplet in _due(sandbox, f"{_LIVE} AND kill_due_at <= ?", sandbox.now()):
        sandbox.machine(droplet["id"]).kill()
        sandbox.store.run("UPDATE droplet SET kill_due_at = NULL WHERE id = ?", droplet["id"])


def clean(sandbox: Sandbox) -> None:
    """End what still runs of destroyed droplets and free their disk. Raises OSError."""
    where = "destroyed_at IS NOT NULL AND cleaned_at IS NULL"
    ids = [row["id"] for row in sandbox.store.read(f"SELECT id FROM droplet WHERE {where}")]
    if ids:
        processes.kill_all({sandbox.mark(id) for id in ids})
    for id in ids:
        sandbox.machine(id).remove()
        sandbox.store.run("UPDATE droplet SET cleaned_at = ? WHERE id = ?", sandbox.now(), id)


def next_due(sandbox: Sandbox) -> float:
    """When something happens next, as far as it is known."""
    row = sandbox.store.one(
        "SELECT MIN(at) AS at FROM ("
        " SELECT MIN(due_at) AS at FROM action WHERE status = 'in-progress'"
        f" UNION ALL SELECT MIN(off_due_at) FROM droplet WHERE {_LIVE}"
        f" UNION ALL SELECT MIN(kill_due_at) FROM droplet WHERE {_LIVE}"
        f" UNION ALL SELECT MIN(agent_due_at) FROM droplet WHERE {_AWAITS_AGENT})"
    )
    return sandbox.now() + 3600 if row is None or row["at"] is None else float(row["at"])
