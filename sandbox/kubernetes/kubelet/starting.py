"""How a pod comes up: volumes, init containers and sidecars in their order, main containers."""

import time
from typing import TYPE_CHECKING

from . import health, images, launching, volumes
from .images import Image
from .instance import Exit, Instance
from .node import LookupFailed
from .record import ContainerRecord, Run
from .spec import ContainerSpec
from .variables import ConfigError

if TYPE_CHECKING:
    from .pod import Pod

# Simulated seconds.
_MOUNT_AGAIN = 2.0
_CONFIG_AGAIN = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 10.0, 300.0
_FORGET_AFTER = 600.0
_KILL_AGAIN = 0.2  # real seconds
_IDLE = float("inf")
_OOM_EXIT_CODE = 137


def advance(pod: "Pod") -> float:
    """One step further. The seconds until there is something to do if nothing happens."""
    record = pod.record
    if record.started_at is None:
        record.started_at = time.time()
        _draw_eviction(pod)
    if not record.mounted and not _mount(pod):
        return pod.node.settings.scaled(_MOUNT_AGAIN)
    pauses = [_until(record.evict_at), _until_deadline(pod)]
    for container in pod.spec.init:
        found = record.of(container.name)
        if found.passed and container.kind == "init":
            continue
        pauses.append(_keep(pod, container, found))
        found.passed = found.passed or _has_passed(container, found)
        if not found.passed:
            return min(pauses)
    record.initialized_at = record.initialized_at or time.time()
    pauses += [_keep(pod, container, record.of(container.name)) for container in pod.spec.main]
    return min(pauses)


def _draw_eviction(pod: "Pod") -> None:
    if rule := pod.node.faults.fire("evict", pod=pod.spec.name):
        pod.record.evict_at = time.time() + pod.node.settings.scaled(rule.draw())
        pod.record.evict_message = rule.message


def _mount(pod: "Pod") -> bool:
    def look_up(kind: str, name: str) -> "volumes.Json | None":
        return pod.node.look_up(pod.spec.namespace, kind, name)

    try:
        volumes.set_up(pod.spec, pod.shelf.volumes, look_up)
    except (volumes.MountError, LookupFailed, OSError) as error:
        pod.node.recorder.warning(pod.spec, "FailedMount", str(error))
        return False
    pod.record.mounted = True
    return True


def _until(moment: float | None) -> float:
    return _IDLE if moment is None else max(moment - time.time(), 0.0)


def _until_deadline(pod: "Pod") -> float:
    seconds = pod.spec.spec.get("activeDeadlineSeconds")
    return _IDLE if seconds is None else _until((pod.record.started_at or 0) + seconds)


def _has_passed(container: ContainerSpec, found: ContainerRecord) -> bool:
    if found.run is None:
        return False
    if container.kind == "sidecar":
        return found.running and found.run.started
    return found.run.exit_code == 0


def _keep(pod: "Pod", container: ContainerSpec, found: ContainerRecord) -> float:
    """Let it run: start it, again where it has to be, and enforce what its probes demand."""
    run = found.run
    if run and run.started_at is None and not run.over:
        return _launch(pod, container, found, run)
    if run and not run.over:
        return _attend(pod, container, run)
    if run and run.exit_code is not None:
        if not container.again_after(run.exit_code):
            return _IDLE
        _plan_restart(pod, container, found, run)
    if (wait := found.again_at - time.time()) > 0:
        return wait
    return _begin(pod, container, found)


def _attend(pod: "Pod", container: ContainerSpec, run: Run) -> float:
    instance = pod.instance(container.name)
    assert instance
    if container.name not in pod.probers:
        pod.watch(instance)
        health.probe(pod, container, run, instance)
    pod.hit(container, run, instance)
    doom = _IDLE if run.doomed else _until(run.doom_at)
    return min(doom, _until(run.kill_at) or _KILL_AGAIN)


def _plan_restart(pod: "Pod", container: ContainerSpec, found: ContainerRecord, run: Run) -> None:
    """At once the first time, then after 10 simulated seconds, twice as long each time, up to 5
    minutes; anew after 10 minutes that went well."""
    scaled = pod.node.settings.scaled
    if (run.finished_at or 0) - (run.started_at or 0) > scaled(_FORGET_AFTER):
        found.delay = 0.0
    wait, found.delay = found.delay, min(found.delay * 2 or _FIRST_DELAY, _LONGEST_DELAY)
    found.last, found.run = run, None
    found.again_at = (run.finished_at or time.time()) + scaled(wait)
    if wait:
        where = f"container={container.name} pod={pod.spec.full_name}"
        message = f"back-off {_duration(wait)} restarting failed {where}"
        found.waiting = ["CrashLoopBackOff", message]
        text = f"Back-off restarting failed container {container.name} in pod {pod.spec.full_name}"
        pod.node.recorder.warning(pod.spec, "BackOff", text, container)


def _duration(seconds: float) -> str:
    """As Go writes it: 10s, 2m40s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _begin(pod: "Pod", container: ContainerSpec, found: ContainerRecord) -> float:
    image, wait = pod.node.puller.obtain(pod.spec, container, found)
    if image is None:
        return wait
    run = Run(number=found.runs, id=launching.new_id(), image=container.image)
    run.image_id, run.kind, run.stop_signal = image.image_id, image.kind, image.stop_signal
    _draw_fate(pod, container, run)
    found.run, found.runs = run, found.runs + 1
    pod.save()
    return _launch(pod, container, found, run, image)


def _draw_fate(pod: "Pod", container: ContainerSpec, run: Run) -> None:
    names = {"pod": pod.spec.name, "container": container.name, "image": container.image}
    fire, scaled, now = pod.node.faults.fire, pod.node.settings.scaled, time.time()
    if slow := fire("slow_start", **names):
        run.not_before = now + scaled(slow.draw())
    if rule := fire("oom", "oom_child", "crash", **names):
        run.doom = rule.kind
        run.doom_at = (run.not_before or now) + scaled(rule.draw())
        default = 1 if rule.kind == "crash" else _OOM_EXIT_CODE
        run.doom_code = default if rule.exit_code is None else rule.exit_code
    run.never_ready = fire("never_ready", **names) is not None
    run.ignores_term = fire("ignore_term", **names) is not None
    if run.kind == "service":
        settings = pod.node.settings
        seconds = settings.draw(settings.service_seconds, f"{pod.spec.uid}:{container.name}")
        slower = fire("slow_service", **names)
        run.well_after = seconds + (scaled(slower.draw()) if slower else 0)


def _launch(
    pod: "Pod",
    container: ContainerSpec,
    found: ContainerRecord,
    run: Run,
    image: Image | None = None,
) -> float:
    """`image` is None where the run was begun earlier."""
    if (wait := _until(run.not_before)) > 0 and run.not_before is not None:
        return wait
    instance = pod.instance(container.name)
    assert instance
    if instance.shim_pid is None:
        try:
            image = image or images.find(images.parse(container.image), pod.node.settings)
            command = launching.Making(
                pod=pod.spec,
                container=container,
                image=image,
                run=run,
                instance=instance,
                shelf=pod.shelf,
                node=pod.node,
                pod_ip=pod.record.ip,
            ).prepare()
        except (ConfigError, images.PullError) as error:
            return _cannot(pod, container, found, "CreateContainerConfigError", str(error))
        except (volumes.MountError, OSError) as error:
            return _cannot(pod, container, found, "CreateContainerError", str(error))
        text = f"Created container: {container.name}"
        pod.node.recorder.normal(pod.spec, "Created", text, container)
        pod.save()
        pod.node.adopt(instance.start(command))
    return _see_started(pod, container, found, run, instance)


def _cannot(
    pod: "Pod", container: ContainerSpec, found: ContainerRecord, reason: str, message: str
) -> float:
    found.waiting = [reason, message]
    found.run, found.runs = None, found.runs - 1
    found.again_at = time.time() + pod.node.settings.scaled(_CONFIG_AGAIN)
    pod.node.recorder.warning(pod.spec, "Failed", f"Error: {message}", container)
    return pod.node.settings.scaled(_CONFIG_AGAIN)


def _see_started(
    pod: "Pod", container: ContainerSpec, found: ContainerRecord, run: Run, instance: Instance
) -> float:
    ended = instance.ended()
    if instance.started_at is None and ended is None:
        return 0.01
    found.restarts = found.runs - 1
    found.waiting = []
    if ended and ended.error:
        _refuse(pod, container, run, instance, ended)
        return 0.0
    run.started_at = instance.started_at or time.time()
    pod.node.recorder.normal(pod.spec, "Started", f"Started container {container.name}", container)
    if "startupProbe" not in container.raw:
        health.set_started(pod, container, run)
    pod.save()
    return _attend(pod, container, run)


def _refuse(
    pod: "Pod", container: ContainerSpec, run: Run, instance: Instance, ended: Exit
) -> None:
    message = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
        " runc create failed: unable to start container process: error during container init:"
        f" {ended.error}"
    )
    told = Exit(code=ended.code, at=None, error=message)
    pod.node.recorder.warning(pod.spec, "Failed", f"Error: {message}", container)
    pod.close(container, run, instance, told)
