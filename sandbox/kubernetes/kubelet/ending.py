"""How a pod ends: why, in which order its containers are asked to, and when they are killed.

Source: `killContainersWithSyncResult` and `newTerminationOrdering` of Kubernetes 1.34. The grace is
one budget for the whole pod. Main containers are asked first, then the sidecars, the last listed
first, each when those before it have ended; once the budget is used up all of them are asked, and
killed 2 s later.
"""

import time
from typing import TYPE_CHECKING

from . import processes
from .spec import ContainerSpec
from .status import LAST_PHASES

if TYPE_CHECKING:
    from .pod import Pod

_LEAST_GRACE_SECONDS = 2.0
_EVICTION_GRACE_SECONDS = 1.0
_KILL_AGAIN_SECONDS = 0.2


def look_for_end(pod: "Pod", *, vanished: bool) -> None:
    record, spec, now = pod.record, pod.spec, time.time()
    if spec.deletion is not None:
        _hurry(pod, spec.deletion[1])
    if record.ending:
        return
    deadline = spec.spec.get("activeDeadlineSeconds")
    if vanished:
        pod.end("removed", spec.grace)
    elif (spec.raw.get("status") or {}).get("phase") in LAST_PHASES:
        pod.end("told", spec.grace)  # somebody else has given it up
    elif record.evict_at is not None and now >= record.evict_at:
        message = record.evict_message or "The node was low on resource: ephemeral-storage. "
        pod.node.recorder.warning(spec, "Evicted", message)
        pod.end("evicted", _EVICTION_GRACE_SECONDS, "Evicted", message)
    elif deadline is not None and record.started_at and now >= record.started_at + deadline:
        message = "Pod was active on the node longer than the specified deadline"
        pod.node.recorder.normal(spec, "DeadlineExceeded", message)
        pod.end("deadline", spec.grace, "DeadlineExceeded", message)
    elif _has_ended(pod):
        pod.end("finished", spec.grace)


def _hurry(pod: "Pod", grace: float) -> None:
    """Its deletion was asked for. One that ends already may get less time by it, never more."""
    ending = pod.record.ending
    if ending is None:
        pod.end("deleted", grace)
    elif ending.why != "deleted":
        left = ending.at + ending.grace - time.time()
        ending.why = "deleted" if not ending.reason else ending.why
        if grace < left:
            ending.grace = time.time() + grace - ending.at
            for _, run, _ in pod.running():
                run.kill_at = _kill_at(pod, run.term_at) if run.term_at else None


def _has_ended(pod: "Pod") -> bool:
    """An init container has failed for good, or every main container has ended for good."""
    return any(_is_over(pod, c, failed=True) for c in pod.spec.init) or (
        bool(pod.spec.main) and all(_is_over(pod, c) for c in pod.spec.main)
    )


def _is_over(pod: "Pod", container: ContainerSpec, failed: bool = False) -> bool:
    run = pod.record.of(container.name).run
    if run is None or run.exit_code is None or container.again_after(run.exit_code):
        return False
    return run.exit_code != 0 or not failed


def drive(pod: "Pod") -> float:
    """One step further. The seconds until there is something to do if nothing happens."""
    assert pod.record.ending
    ending, now = pod.record.ending, time.time()
    running = {container.name for container, _, _ in pod.running()}
    pauses = [ending.at + ending.grace - now]
    for container, run, instance in list(pod.running()):
        late = now >= ending.at + ending.grace
        if run.term_at is None and (late or _turn(pod, container, running)):
            text = f"Stopping container {container.name}"
            pod.node.recorder.normal(pod.spec, "Killing", text, container)
            pod.stop_probing(container.name)
            pod.terminate(run, instance, _kill_at(pod, now))
        elif run.term_at is not None and run.kill_at is not None:
            run.kill_at = min(run.kill_at, _kill_at(pod, run.term_at))
        pod.hit(container, run, instance)
        if run.kill_at is not None:
            pauses.append(_KILL_AGAIN_SECONDS if run.killed else run.kill_at - now)
    if not running:
        _finish(pod)
    return min((pause for pause in pauses if pause > 0), default=_KILL_AGAIN_SECONDS)


def _kill_at(pod: "Pod", term_at: float) -> float:
    assert pod.record.ending
    over = pod.record.ending.at + pod.record.ending.grace
    return max(over, term_at + _LEAST_GRACE_SECONDS)


def _turn(pod: "Pod", container: ContainerSpec, running: set[str]) -> bool:
    if container.kind != "sidecar":
        return True
    names = [c.name for c in pod.spec.init if c.kind == "sidecar"]
    later = names[names.index(container.name) + 1 :]
    return not running & {*later, *(c.name for c in pod.spec.main)}


def _finish(pod: "Pod") -> None:
    """Nothing of it runs any more: also nothing that a probe may have left."""
    processes.kill_all(pod.node.mark(pod.spec.uid))
    pod.record.over = True
    pod.save()
    pod.shelf.free()
