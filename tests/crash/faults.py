"""What the crash test does to a running stack. Each fault is one function of the run."""

import json
import random
import signal
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.crash.run import Run


def kill_web(run: "Run") -> str:
    return run.kill(run.stack.web)


def kill_controller(run: "Run") -> str:
    return run.kill(run.stack.controller)


def kill_functions(run: "Run") -> str:
    return run.kill(run.stack.functions)


def kill_sandbox(run: "Run") -> str:
    return run.kill(run.stack.cloud)


def kill_agent(run: "Run") -> str:
    """SIGKILL every process of one running droplet; the droplet itself goes on."""
    droplets = [one for one in run.droplets() if one["pids"]]
    if not droplets:
        return "no agent to kill"
    victim = run.random.choice(droplets)
    run.put_to_cloud(f"/sandbox/droplets/{victim['id']}/kill-agent")
    return f"killed the agent of {victim['name'][-12:]}"


def cloud_outage(run: "Run") -> str:
    seconds = round(run.random.uniform(0.5, 3), 1)
    run.put_to_cloud("/sandbox/outage", {"seconds": seconds})
    return f"the cloud API answers 503 for {seconds} s"


def cloud_lies(run: "Run") -> str:
    """A handful of calls go wrong after they worked, or before, or show half the truth."""
    kinds: list[dict[str, Any]] = [
        {"kind": "drop_answer", "method": "POST", "count": 2},
        {"kind": "drop_answer", "method": "DELETE", "count": 2},
        {"kind": "omit", "droplets": 2, "count": 3},
        {"kind": "500", "probability": 0.3, "count": 5},
        {"kind": "429", "count": 2, "retry_after": 1},
        {"kind": "reset", "probability": 0.3, "count": 5},
    ]
    chosen = run.random.sample(kinds, 2)
    run.put_to_cloud("/sandbox/faults", chosen)
    return f"the cloud API goes wrong: {', '.join(rule['kind'] for rule in chosen)}"


def restart_database(run: "Run") -> str:
    """In an orderly way, or as a crash of the server."""
    if run.plan.database is None:
        return "there is no database server of our own"
    number = run.random.choice((signal.SIGINT, signal.SIGKILL))
    run.plan.database.restart(number)
    return f"restarted the database with {number.name}"


FAULTS: dict[str, Callable[["Run"], str]] = {
    "web": kill_web,
    "controller": kill_controller,
    "functions": kill_functions,
    "sandbox": kill_sandbox,
    "agent": kill_agent,
    "outage": cloud_outage,
    "lies": cloud_lies,
    "database": restart_database,
}
# Agents are killed less often: a Task that loses three of them rightly ends errored.
WEIGHTS = {"web": 3, "controller": 3, "functions": 2, "sandbox": 2, "agent": 2}


def choose(names: tuple[str, ...], source: random.Random) -> str:
    return source.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]


def call(url: str, method: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")
