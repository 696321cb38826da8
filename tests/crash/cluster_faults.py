"""What happens to the sandbox cluster, its node, its registry and its pods."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.kubernetes.kubelet.instance import Instance
from sandbox.stack.cluster import NAMESPACE
from tests.crash.calls import Missed
from tests.crash.cluster_lies import CALLS, NODE, REGISTRY, WATCHES
from tests.crash.cluster_view import Json

if TYPE_CHECKING:
    from tests.crash.run import Run

# Until its pods are given up: 50 s without a word and 60 s of toleration, in the cluster's time.
NODE_IS_GONE_SECONDS = 120.0


def kill_api(run: "Run") -> str:
    return run.kill(run.cluster.api)


def kill_kubelet(run: "Run") -> str:
    """Its containers go on; the next kubelet finds them."""
    return run.kill(run.cluster.node)


def kill_registry(run: "Run") -> str:
    return run.kill(run.cluster.registry)


def kill_container(run: "Run") -> str:
    """SIGKILL for any container that runs, and all that it has started."""
    return _kill_one(run, "")


def kill_pod_agent(run: "Run") -> str:
    """The kubelet starts it again in the same pod."""
    return _kill_one(run, "agent")


def _kill_one(run: "Run", name: str) -> str:
    running = [
        (pod["name"], container, folder)
        for pod in run.view.pods()
        for container, folder in _running(pod)
        if name in ("", container)
    ]
    if not running:
        raise Missed
    pod, container, folder = run.random.choice(running)
    Instance(folder, "").kill()
    return f"killed {container} of {pod}"


def _running(pod: Json) -> list[tuple[str, Path]]:
    """Each container that runs, with the folder of its last run."""
    found = []
    for container in pod["containers"]:
        folder = Path(pod["directory"]) / "containers" / container["name"]
        runs = [one for one in folder.glob("[0-9]*") if (one / "main.json").exists()]
        last = max(runs, key=lambda one: int(one.name), default=None)
        if last and not (last / "exit.json").exists():
            found.append((container["name"], last))
    return found


def take_pod(run: "Run") -> str:
    """Somebody deletes a pod, it vanishes without a word, or its node throws it out."""
    names = sorted(pod["name"] for pod in run.view.pods())
    if not names:
        raise Missed
    name = run.random.choice(names)
    how = run.random.choice(("deleted", "vanished", "evicted"))
    if how == "deleted":
        run.cluster.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")
    elif how == "vanished":
        run.view.put(f"/sandbox/pods/{NAMESPACE}/{name}/lose")
    else:
        run.view.put_to_node("/sandbox/evict", {"namespace": NAMESPACE, "pod": name})
    return f"{how} the pod {name}"


def delete_job(run: "Run") -> str:
    names = sorted(job["metadata"]["name"] for job in run.cluster.items("jobs"))
    if not names:
        raise Missed
    name = run.random.choice(names)
    query = "?propagationPolicy=Background"
    run.cluster.call("DELETE", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{name}{query}")
    return f"somebody deleted the Job {name}"


def lose_node(run: "Run") -> str:
    """All its containers and the kubelet are gone at once, for longer than the cluster waits or
    for less."""
    seconds = run.random.choice((0.2, 1.5)) * NODE_IS_GONE_SECONDS / run.stack.options.speed
    run.view.put_to_node("/sandbox/lose-node")
    run.keep_down(run.cluster.node, seconds)
    return f"lost the node for {seconds:.0f} s"


def node_away(run: "Run") -> str:
    """It is cut off, while its containers run on and report."""
    seconds = run.random.choice((0.2, 1.5)) * NODE_IS_GONE_SECONDS / run.stack.options.speed
    run.view.put_to_node("/sandbox/away", {"seconds": seconds})
    return f"the node is cut off for {seconds:.0f} s"


def outage(run: "Run") -> str:
    """Mostly short; at times for so long that Tasks go to the other backend."""
    seconds = round(run.random.choice((1.0, 3.0, 15.0)), 1)
    run.view.put("/sandbox/outage", {"seconds": seconds})
    return f"the cluster's API answers 503 for {seconds:g} s"


def lies(run: "Run") -> str:
    """Some calls fail before or after they worked, lists and watches do not tell the truth."""
    if run.random.random() < 0.3:
        run.view.put("/sandbox/compact")
        return "the cluster has forgotten its history"
    chosen = [*run.random.sample(CALLS, 2), run.random.choice(WATCHES)]
    run.view.put("/sandbox/faults", chosen)
    return f"the cluster's API goes wrong: {', '.join(map(_about, chosen))}"


def node_lies(run: "Run") -> str:
    chosen = run.random.sample(NODE, 2)
    run.cluster.node_faults(*chosen)
    return f"the node goes wrong: {', '.join(map(_about, chosen))}"


def registry_lies(run: "Run") -> str:
    chosen = run.random.choice(REGISTRY)
    run.view.put_to_registry("/sandbox/faults", [chosen])
    return f"the registry goes wrong: {_about(chosen)}"


def _about(rule: dict[str, Any]) -> str:
    words = (rule.get("kind") or rule.get("status"), rule.get("method"), rule.get("worked"))
    return " ".join("worked" if word is True else str(word) for word in words if word)
