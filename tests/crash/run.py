"""One crash run: send Tasks, break things, mend them, and wait for the end."""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import DatabaseError, close_old_connections
from django.db.models import Count

from dispatch.models import Assignment, Task
from dispatch.outcomes import TERMINAL
from sandbox.demo.rails import Rails
from sandbox.samples import create_samples
from sandbox.stack import Options, Process, Stack
from sandbox.stack.cluster import SandboxCluster
from sandbox.stack.stack import ROOT
from tests.crash import faults, journal
from tests.crash.calls import Missed, call
from tests.crash.cluster_view import ClusterView
from tests.crash.pace import CLOUD_SPEED, CLUSTER_SPEED, FALLBACKS, SETTINGS, SUITE_SECONDS
from tests.crash.receiver import Receiver
from tests.postgres import PostgresServer

# Each runs on both backends and demands the same verdict there.
SAMPLES = (*3 * ("passing",), *2 * ("failing", "service"), "unbuildable", "unprepared")
MOST_SHARDS = 3
# Of the time in which things are broken.
SHARE_OF_SENDING, EXTRA_TIME = 0.5, 0.5
# Until a fault finds something to strike.
TRIES = 8
# The weight, of 100,000.
EVERYTHING, HALF = (0, 100_000), 50_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`duration` is how long things are broken, at most, in seconds; `patience` how long the
    rest may take after that. `database` is the server, where it may be restarted."""

    state: Path
    database_url: str
    tasks: int = 30
    duration: float = 45.0
    patience: float = 240.0
    seed: int = 0
    faults: tuple[str, ...] = tuple(faults.FAULTS)
    database: PostgresServer | None = None


@dataclass
class Run:
    plan: Plan
    receiver: Receiver
    log: Callable[[str], None] = print
    struck: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.plan.seed)
        self.stack = Stack(self._options())
        assert isinstance(self.stack.cluster, SandboxCluster)
        self.cluster: SandboxCluster = self.stack.cluster
        self.view = ClusterView(self.cluster)
        self.second = self._second_controller()
        self.processes = [*self.stack.processes, self.second]
        self._down_until: dict[str, float] = {}
        self._ends: dict[str, str] = {}

    def _options(self) -> Options:
        limit = ("--droplet-limit", "30", "--minute-limit", "0", "--hour-limit", "0")
        seed = ("--seed", str(self.plan.seed))
        return Options(
            state=self.plan.state,
            database_url=self.plan.database_url,
            idle=4,
            limit=10,
            jobs=8,
            speed=CLUSTER_SPEED,
            settings={**SETTINGS, "SWITCHYARD_FALLBACKS_PER_HOUR": str(FALLBACKS)},
            sandbox=(*limit, *seed, "--speed", str(CLOUD_SPEED)),
            node=seed,
        )

    def _second_controller(self) -> Process:
        """Waits for the lease of the first one, and takes over where that is dead or paused."""
        name, argv = "controller-2", [sys.executable, "manage.py", "controller"]
        return Process(name, argv, self.stack.env, ROOT, self.stack.state / "log" / f"{name}.log")

    @property
    def journal(self) -> Path:
        return self.stack.state / "journal"

    def execute(self) -> Rails:
        """Everything up to the end of the last Task; the stack still runs after it."""
        self.stack.prepare()
        webhook = ("--webhook-url", self.receiver.url, "--webhook-secret-generate")
        key = self.stack.create_api_key(*webhook)
        samples = create_samples(self.plan.state / "repositories")
        fields = {"command": journal.command(self.journal, SUITE_SECONDS)}
        self.rails = Rails(self.stack.url, key, samples, fields)
        self.stack.start()
        self.second.start()
        self._send_to_each()
        self._break_things()
        self._mend()
        self.wait("every Task has ended", self._rails_sees_the_end, self.plan.patience)
        return self.rails

    def stop(self) -> None:
        self.second.stop()
        self.stack.stop()

    def _send_to_each(self) -> None:
        """What passes, to each backend: from then on the weight decides."""
        for weight in (*EVERYTHING, HALF):
            faults.weigh(self, weight)
            if weight != HALF:
                self.rails.send_suite_run(self.rails.samples["passing"], 1)

    def _break_things(self) -> None:
        until = time.monotonic() + self.plan.duration
        sender = threading.Thread(target=self._send_all, name="Rails", daemon=True)
        sender.start()
        while self._goes_on(until, not sender.is_alive()):
            any(self._strike() for _ in range(TRIES))
            self._look()
            time.sleep(self.random.uniform(0.2, 1.2))
            self._revive()
        self.wait("every Task is sent", lambda: not sender.is_alive(), self.plan.patience)
        assert len(self.rails.expected) == self.plan.tasks, "Rails gave up: see above"

    def _goes_on(self, until: float, sent: bool) -> bool:
        """Where all is slow, Tasks that are not sent yet get their share of what is broken."""
        until += 0.0 if sent else EXTRA_TIME * self.plan.duration
        return time.monotonic() < until and not self._everything_ended()

    def _send_all(self) -> None:
        """Tasks arrive all through the run, whatever is broken meanwhile."""
        source = random.Random(f"{self.plan.seed} Rails")
        pause = 2 * SHARE_OF_SENDING * self.plan.duration / self.plan.tasks
        while (left := self.plan.tasks - len(self.rails.expected)) > 0:
            shards = min(source.randint(1, MOST_SHARDS), left)
            self.rails.send_suite_run(self.rails.samples[source.choice(SAMPLES)], shards)
            time.sleep(source.uniform(0, shards * pause))

    def _strike(self) -> bool:
        """False where there was nothing to strike, or nobody to ask."""
        name = faults.choose(self.plan.faults, self.random)
        try:
            said = faults.FAULTS[name](self)
        except (Missed, OSError):
            return False
        self.struck[name] += 1
        self.log(f"  {len(self.rails.expected):4} sent  {name:14} {said}")
        return True

    def _look(self) -> None:
        """What must be true at every moment: no Task has two live Assignments, and one that has
        ended stays as it was."""
        live = Assignment.objects.filter(closed_at=None).values("task", "purpose")
        ended = Task.objects.filter(state__in=TERMINAL)
        with suppress(DatabaseError):
            close_old_connections()
            twice = list(live.annotate(n=Count("id")).filter(n__gt=1))
            assert not twice, f"two live Assignments: {twice}"
            for key, category in ended.values_list("pk", "category"):
                first = self._ends.setdefault(str(key), category)
                assert first == category, f"{key} was {first}, is {category}"

    def kill(self, process: Process) -> str:
        process.kill()
        return f"killed {process.name}"

    def pause(self, process: Process, seconds: float) -> str:
        """It stands still, and goes on as if no time had passed, whatever we do meanwhile."""
        os.killpg(process.pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, go_on, (process.pid,))
        timer.daemon = True
        timer.start()
        return f"paused {process.name} for {seconds:.0f} s"

    def keep_down(self, process: Process, seconds: float) -> None:
        self._down_until[process.name] = time.monotonic() + seconds

    def _revive(self) -> None:
        for process in self.processes:
            down = time.monotonic() < self._down_until.get(process.name, 0.0)
            if not process.running and not down:
                process.start()

    def _mend(self) -> None:
        self._down_until.clear()
        self._revive()
        self.wait("both sandboxes answer", self._clouds_answer)
        self.put_to_cloud("/sandbox/faults", [])
        self.put_to_cloud("/sandbox/outage", {"seconds": 0})
        self.view.mend()

    def _clouds_answer(self) -> bool:
        try:
            self.droplets()
        except OSError:
            return False
        return self.view.answers()

    def _everything_ended(self) -> bool:
        """As the rows said when they were looked at last."""
        return len(self._ends) == self.plan.tasks

    def _rails_sees_the_end(self) -> bool:
        self._look()
        return all(task["state"] in TERMINAL for task in self.rails.states().values())

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        began = time.monotonic()
        deadline = began + seconds
        while not condition():
            self._revive()
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds:g} s it is not true that {what}")
            time.sleep(0.3)
        self.log(f"  {what}, after {time.monotonic() - began:.0f} s")

    def droplets(self) -> list[dict[str, Any]]:
        """Those that were not destroyed."""
        state = call(self._cloud_url("/sandbox/state"), "GET")
        return [one for one in state["droplets"] if one["status"] != "destroyed"]

    def put_to_cloud(self, path: str, body: Any = None) -> Any:
        return call(self._cloud_url(path), "PUT", body)

    def _cloud_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.stack.cloud_port}{path}"


def go_on(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)
