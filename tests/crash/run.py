"""One crash run: send Tasks, break things, mend them, and wait for the end."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.demo.rails import Rails
from sandbox.samples import create_samples
from sandbox.stack import Options, Process, Stack
from sandbox.stack.cluster import SandboxCluster
from tests.crash import faults, journal
from tests.crash.calls import call
from tests.crash.cluster_view import ClusterView
from tests.crash.pace import CLOUD_SPEED, CLUSTER_SPEED, FALLBACKS, SETTINGS
from tests.crash.receiver import Receiver
from tests.postgres import PostgresServer

ENDED = {"passed", "failed", "errored", "cancelled"}
# Each runs on both backends and demands the same verdict there.
SAMPLES = ("passing", "failing", "passing", "unbuildable", "service", "unprepared")
HALF = "50000"


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
        assert self.stack.cluster
        self.cluster: SandboxCluster = self.stack.cluster
        self.view = ClusterView(self.cluster)
        self._down_until: dict[str, float] = {}

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

    @property
    def journal(self) -> Path:
        return self.stack.state / "journal"

    def execute(self) -> Rails:
        """Everything up to the end of the last Task; the stack still runs after it."""
        self.stack.prepare()
        webhook = ("--webhook-url", self.receiver.url, "--webhook-secret-generate")
        key = self.stack.create_api_key(*webhook)
        self.stack.manage("weight", "--set", HALF, "--actor", "crash", "--reason", "The run begins")
        samples = create_samples(self.plan.state / "repositories")
        fields = {"command": journal.command(self.journal)}
        self.rails = Rails(self.stack.url, key, samples, fields)
        self.stack.start()
        self._break_things()
        self._mend()
        self.wait("every Task has ended", self._all_ended, self.plan.patience)
        return self.rails

    def _break_things(self) -> None:
        until = time.monotonic() + self.plan.duration
        while time.monotonic() < until and not self._done():
            self._send_some()
            name = faults.choose(self.plan.faults, self.random)
            self._strike(name)
            time.sleep(self.random.uniform(0.3, 1.5))
            self._revive()
        while len(self.rails.expected) < self.plan.tasks:
            self._revive()
            self._send_some()

    def _done(self) -> bool:
        return len(self.rails.expected) >= self.plan.tasks and self._all_ended()

    def _send_some(self) -> None:
        """A few suite runs at a time, so that Tasks arrive all through the run."""
        self._revive()
        for _ in range(self.random.randint(1, max(2, self.plan.tasks // 15))):
            shards = min(self.random.randint(1, 3), self.plan.tasks - len(self.rails.expected))
            if shards > 0:
                sample = self.rails.samples[self.random.choice(SAMPLES)]
                self.rails.send_suite_run(sample, shards)

    def _strike(self, name: str) -> None:
        try:
            said = faults.FAULTS[name](self)
        except OSError as error:
            said = f"could not ({error})"
        self.struck[name] += 1
        self.log(f"  {len(self.rails.expected):4} sent  {name:14} {said}")

    def kill(self, process: Process) -> str:
        process.kill()
        return f"killed {process.name}"

    def keep_down(self, process: Process, seconds: float) -> None:
        self._down_until[process.name] = time.monotonic() + seconds

    def _revive(self) -> None:
        for process in self.stack.processes:
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

    def _all_ended(self) -> bool:
        states = Counter(task["state"] for task in self.rails.states().values())
        return sum(states[state] for state in ENDED) == len(self.rails.expected)

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
