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
from tests.crash import faults
from tests.crash.receiver import Receiver
from tests.postgres import PostgresServer

ENDED = {"passed", "failed", "errored", "cancelled"}
SAMPLES = ("passing", "failing", "passing", "unbuildable", "passing", "unprepared")
QUICK = {
    "SWITCHYARD_WORKER_SILENCE_SECONDS": "8",
    "SWITCHYARD_REPORT_WAIT_SECONDS": "8",
    "SWITCHYARD_TRAILER_WAIT_SECONDS": "4",
    "SWITCHYARD_DROPLET_BOOT_TIMEOUT_SECONDS": "30",
    "SWITCHYARD_WEBHOOK_FIRST_RETRY_SECONDS": "0.2",
    "SWITCHYARD_WEBHOOK_MAX_ATTEMPTS": "40",
    "SWITCHYARD_FUNCTIONS_SILENCE_SECONDS": "20",
}


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
        limit = ("--droplet-limit", "30", "--minute-limit", "0", "--hour-limit", "0")
        self.stack = Stack(
            Options(
                state=self.plan.state,
                database_url=self.plan.database_url,
                idle=6,
                limit=14,
                speed=40,
                settings=QUICK,
                sandbox=(*limit, "--seed", str(self.plan.seed)),
            )
        )

    def execute(self) -> Rails:
        """Everything up to the end of the last Task; the stack still runs after it."""
        self.stack.prepare()
        webhook = ("--webhook-url", self.receiver.url, "--webhook-secret-generate")
        key = self.stack.create_api_key(*webhook)
        samples = create_samples(self.plan.state / "repositories")
        self.rails = Rails(self.stack.url, key, samples)
        self.stack.start()
        self._break_things()
        self._mend()
        self._wait("every Task has ended", self._all_ended, self.plan.patience)
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
        self.log(f"  {len(self.rails.expected):4} sent  {name:10} {said}")

    def kill(self, process: Process) -> str:
        process.kill()
        return f"killed {process.name}"

    def _revive(self) -> None:
        for process in self.stack.processes:
            if not process.running:
                process.start()

    def _mend(self) -> None:
        self._revive()
        self._wait("the sandbox answers", self._cloud_answers, 60)
        self.put_to_cloud("/sandbox/faults", [])
        self.put_to_cloud("/sandbox/outage", {"seconds": 0})

    def _cloud_answers(self) -> bool:
        try:
            self.droplets()
        except OSError:
            return False
        return True

    def _all_ended(self) -> bool:
        states = Counter(task["state"] for task in self.rails.states().values())
        return sum(states[state] for state in ENDED) == len(self.rails.expected)

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        began = time.monotonic()
        deadline = began + seconds
        while not condition():
            self._revive()
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds:g} s it is not true that {what}")
            time.sleep(0.3)
        self.log(f"  {what}, after {time.monotonic() - began:.0f} s")

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        self._wait(what, condition, seconds)

    def droplets(self) -> list[dict[str, Any]]:
        """Those that were not destroyed."""
        state = faults.call(self._cloud_url("/sandbox/state"), "GET")
        return [one for one in state["droplets"] if one["status"] != "destroyed"]

    def put_to_cloud(self, path: str, body: Any = None) -> Any:
        return faults.call(self._cloud_url(path), "PUT", body)

    def _cloud_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.stack.cloud_port}{path}"
