"""What a pod makes of its probes: which are on, and what follows from their results."""

import time
from typing import TYPE_CHECKING

from .instance import Command, Instance
from .launching import places_of
from .node import HOST_IP
from .probes import KINDS, Prober, Target, Verdict
from .record import Run
from .spec import ContainerSpec

if TYPE_CHECKING:
    from .pod import Pod

_LEAST_GRACE_SECONDS = 2.0


def take_verdict(pod: "Pod", verdict: Verdict) -> None:
    """What follows from a probe's new result."""
    run = pod.record.of(verdict.container).run
    container = next((c for c in pod.spec.containers if c.name == verdict.container), None)
    if run is None or container is None or run.number != verdict.run or run.over:
        return
    if verdict.kind == "readiness":
        run.ready = verdict.good and run.started
    elif verdict.kind == "startup" and verdict.good:
        set_started(pod, container, run)
    elif not verdict.good and run.term_at is None and not pod.record.ending:
        _kill_unhealthy(pod, container, run, verdict.kind)


def set_started(pod: "Pod", container: ContainerSpec, run: Run) -> None:
    run.started = True
    run.ready = "readinessProbe" not in container.raw
    # The other probes begin only now.
    pod.stop_probing(container.name)


def probe(pod: "Pod", container: ContainerSpec, run: Run, instance: Instance) -> None:
    """The startup probe alone until it has succeeded, then the other two."""
    wanted = [kind for kind in KINDS if f"{kind}Probe" in container.raw]
    kinds = [kind for kind in wanted if (kind == "startup") != run.started]
    pod.probers[container.name] = [_prober(pod, kind, container, run, instance) for kind in kinds]


def _prober(
    pod: "Pod", kind: str, container: ContainerSpec, run: Run, instance: Instance
) -> Prober:
    root = pod.shelf.root(container.name)
    started_at = run.started_at or time.time()
    target = Target(
        container=container,
        run=run.number,
        command=instance.environment() or Command(argv=(), env={}, cwd=root),
        places=places_of(container, tuple(run.places), root),
        mark=instance.mark,
        host=pod.record.ip if not pod.spec.spec.get("hostNetwork") else HOST_IP,
        started_at=started_at,
        well_at=None if run.well_after is None else started_at + run.well_after,
        never=run.never_ready,
    )

    def complain(kind: str, seen: str) -> None:
        text = f"{kind.capitalize()} probe failed: {seen}"
        pod.node.recorder.warning(pod.spec, "Unhealthy", text, container)

    return Prober(kind, target, scaled=pod.node.settings.scaled, tell=pod.hear, complain=complain)


def _kill_unhealthy(pod: "Pod", container: ContainerSpec, run: Run, kind: str) -> None:
    instance = pod.instance(container.name)
    if instance is None:
        return
    text = f"Container {container.name} failed {kind} probe, will be restarted"
    pod.node.recorder.normal(pod.spec, "Killing", text, container)
    probe = container.raw[f"{kind}Probe"]
    grace = float(probe.get("terminationGracePeriodSeconds") or pod.spec.grace)
    pod.stop_probing(container.name)
    pod.probers[container.name] = []
    pod.terminate(run, instance, time.time() + max(grace, _LEAST_GRACE_SECONDS))
