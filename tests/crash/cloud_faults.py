"""What happens to the sandbox DigitalOcean and its droplets."""

from typing import TYPE_CHECKING, Any

from tests.crash.calls import Missed

if TYPE_CHECKING:
    from tests.crash.run import Run


def kill_sandbox(run: "Run") -> str:
    return run.kill(run.stack.cloud)


def kill_agent(run: "Run") -> str:
    """SIGKILL every process of one running droplet; the droplet itself goes on."""
    droplets = [one for one in run.droplets() if one["pids"]]
    if not droplets:
        raise Missed
    victim = run.random.choice(droplets)
    run.put_to_cloud(f"/sandbox/droplets/{victim['id']}/kill-agent")
    return f"killed the agent of {victim['name'][-12:]}"


def outage(run: "Run") -> str:
    seconds = round(run.random.uniform(0.5, 3), 1)
    run.put_to_cloud("/sandbox/outage", {"seconds": seconds})
    return f"the cloud API answers 503 for {seconds} s"


def lies(run: "Run") -> str:
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
