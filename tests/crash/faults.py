"""What the crash test does to a running stack. Each fault is one function of the run, and says what
it did."""

import random
import secrets
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.crash import cloud_faults, cluster_faults
from tests.crash.calls import Missed

if TYPE_CHECKING:
    from tests.crash.run import Run

# Of 100,000. Mostly both backends have work; now and then all goes to one.
WEIGHTS_SET = (50_000, 50_000, 30_000, 70_000, 0, 100_000)


def kill_web(run: "Run") -> str:
    return run.kill(run.stack.web)


def kill_controller(run: "Run") -> str:
    """One of the two, be it the one that leads or not."""
    return run.kill(run.random.choice((run.stack.controller, run.second)))


def kill_functions(run: "Run") -> str:
    return run.kill(run.stack.functions)


def pause(run: "Run") -> str:
    """A process stands still for longer or shorter than a lease lasts, and then goes on with what
    it was about to do."""
    ours = (run.stack.controller, run.second, run.stack.functions, run.stack.web)
    process = run.random.choice((*ours, run.cluster.api, run.cluster.node))
    if not process.running:
        raise Missed
    return run.pause(process, run.random.choice((3.0, 12.0)))


def set_weight(run: "Run") -> str:
    return weigh(run, run.random.choice(WEIGHTS_SET))


def weigh(run: "Run", weight: int) -> str:
    body = {"weight": weight, "reason": "The crash test goes up and down"}
    run.rails.call("POST", "/rollout/weight", body, key=secrets.token_hex(8))
    return f"the weight is {weight / 1000:g} %"


def restart_database(run: "Run") -> str:
    """In an orderly way, or as a crash of the server."""
    if run.plan.database is None:
        raise Missed
    number = run.random.choice((signal.SIGINT, signal.SIGKILL))
    run.plan.database.restart(number)
    return f"restarted the database with {number.name}"


FAULTS: dict[str, Callable[["Run"], str]] = {
    "web": kill_web,
    "controller": kill_controller,
    "functions": kill_functions,
    "pause": pause,
    "weight": set_weight,
    "database": restart_database,
    "sandbox": cloud_faults.kill_sandbox,
    "agent": cloud_faults.kill_agent,
    "outage": cloud_faults.outage,
    "lies": cloud_faults.lies,
    "cluster": cluster_faults.kill_api,
    "kubelet": cluster_faults.kill_kubelet,
    "registry": cluster_faults.kill_registry,
    "container": cluster_faults.kill_container,
    "pod-agent": cluster_faults.kill_pod_agent,
    "pod": cluster_faults.take_pod,
    "job": cluster_faults.delete_job,
    "node": cluster_faults.lose_node,
    "node-away": cluster_faults.node_away,
    "cluster-outage": cluster_faults.outage,
    "cluster-lies": cluster_faults.lies,
    "node-lies": cluster_faults.node_lies,
    "registry-lies": cluster_faults.registry_lies,
}
# What takes a Task's agent away comes less often: a Task that loses three of them rightly ends
# errored. A lost node takes them all.
WEIGHTS = {
    "web": 4,
    "controller": 6,
    "functions": 3,
    "pause": 4,
    "weight": 4,
    "sandbox": 3,
    "agent": 3,
    "outage": 2,
    "lies": 3,
    "cluster": 4,
    "kubelet": 3,
    "registry": 2,
    "container": 2,
    "pod-agent": 3,
    "pod": 2,
    "cluster-lies": 6,
    "node-lies": 2,
    "registry-lies": 2,
}


def choose(names: tuple[str, ...], source: random.Random) -> str:
    return source.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]
