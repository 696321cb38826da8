"""Why a container has not begun, or a service does not come up, and from when on that is the end of
the attempt. Pure."""

from datetime import datetime, timedelta

from dispatch.outcomes import Category
from kube.causes import pull_end, refuses_us
from kube.names import AGENT
from kube.pod import SIDECAR, Container, Pod, first_seen, parse_time
from kube.reading import Grace, Reading, waits

PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"}
)
WRONG_CONFIG = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "CreatePodSandboxError",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "PostStartHookError",
        "RunContainerError",
    }
)
CRASH_LOOP = "CrashLoopBackOff"
TOLD_TO_GO, BAD_SETTINGS = 0, 2
KILLED = (137, 143)
# The first probe comes at once, and times are whole seconds.
INACCURATE = 2.0
USUAL = timedelta(seconds=3)


def container_waits(pod: Pod, grace: Grace) -> Reading | None:
    for container in pod.containers:
        reason, message = container.waiting
        if reason in PULLING:
            return _pulling(pod, container, message, grace)
        if reason in WRONG_CONFIG:
            return _wrong_config(pod, container, grace)
        if container.name == AGENT and _crash_loops(container, grace):
            if container.ended.get("exitCode") == TOLD_TO_GO:
                continue
            wrong = container.ended.get("exitCode") == BAD_SETTINGS
            category = Category.CONFIG_ERROR if wrong else Category.AGENT_LOST
            detail = f"The agent keeps crashing: {container.last_words()}"
            return Reading(ended=category, detail=detail)
    return None


def _pulling(pod: Pod, container: Container, message: str, grace: Grace) -> Reading:
    """A pull that failed says why; while the next try is waited for, older nodes do not."""
    if "Back-off" in message and "ErrImagePull" not in message:
        failures = pod.events("Failed", container=container)
        told = [str(event.get("message") or "") for event in failures]
        message = next((text for text in reversed(told) if "ailed to pull" in text), message)
    category = pull_end(message)
    detail = f"{container.name}: {message}"
    if not pod.image_is_ours(container) and refuses_us(message):
        category = Category.SERVICE_FAILED
        name = container.seeds or container.name
        detail = f"The image of the service {name} is not found: {message}"
    late = pod.now - _began_to_pull(pod, container) > timedelta(seconds=grace.pull)
    return waits(late, category, detail)


def _began_to_pull(pod: Pod, container: Container) -> datetime:
    turn = pod.turn_of(container)
    pulls = (first_seen(event) for event in pod.events("Pulling", container=container))
    return max(turn, min(filter(None, pulls), default=turn))


def _wrong_config(pod: Pod, container: Container, grace: Grace) -> Reading:
    reason, message = container.waiting
    detail = f"{container.name}: {reason} {message}".strip()
    late = pod.now - pod.turn_of(container) > timedelta(seconds=grace.config)
    customers = reason == "InvalidImageName" and not pod.image_is_ours(container)
    return waits(late, Category.SERVICE_FAILED if customers else Category.CONFIG_ERROR, detail)


def service_fails(pod: Pod, grace: Grace) -> Reading | None:
    """A service is started again for ever, so nothing ends by itself. Once the tests run their
    verdict counts, as it would on a machine of their own; until then a service that keeps crashing,
    or never gets ready, is the end."""
    if pod.over or pod.tests_begun:
        return None
    services = [item for item in pod.containers if item.is_service and item.kind == SIDECAR]
    for container in services:
        if _never_ready(pod, container):
            text = f"The service {container.name} never gets ready: its healthcheck failed for"
            detail = f"{text} {container.patience:g} s. {_unhealthy(pod, container)}".strip()
            return Reading(ended=Category.SERVICE_FAILED, detail=detail)
        if _crash_loops(container, grace) and _matters(pod, container):
            detail = f"The service {container.name} keeps crashing: {container.last_words()}"
            return Reading(ended=Category.SERVICE_FAILED, detail=detail)
    for container in services:
        if container.begun and not container.started and _for_long(pod, container):
            return Reading(pending=f"The service {container.name} is not ready yet.")
    return None


def _for_long(pod: Pod, container: Container) -> bool:
    """Longer than it usually takes: a moment is not worth a word."""
    began = parse_time((container.running or {}).get("startedAt"))
    return began is None or pod.now - began > USUAL


def _crash_loops(container: Container, grace: Grace) -> bool:
    """Between two runs. In a pod whose restart policy is Never a node shows the end of the last one
    for so long, in others that it waits."""
    between = container.waiting[0] == CRASH_LOOP or container.terminated is not None
    return between and container.restarts >= grace.crashes


def _matters(pod: Pod, container: Container) -> bool:
    """One that does its work and ends well is no failure, unless what is behind it waits for it."""
    return container.ended.get("exitCode") != 0 or not pod.went_on_after(container)


def _never_ready(pod: Pod, container: Container) -> bool:
    """The kubelet ended it because its probe failed for as long as it may; the status does not say
    so, but how long it ran and what ended it do. The event says it, as long as it is kept."""
    if not container.patience or not container.restarts or container.started:
        return False
    if any(
        "startup probe" in str(e.get("message")) for e in pod.events("Killing", container=container)
    ):
        return True
    ended = container.ended
    began, end = parse_time(ended.get("startedAt")), parse_time(ended.get("finishedAt"))
    probe = container.spec["startupProbe"]
    least = container.patience - float(probe.get("periodSeconds") or 10) - INACCURATE
    whole = bool(began and end and (end - began).total_seconds() >= max(least, 1.0))
    killed = ended.get("exitCode") in KILLED and ended.get("reason") != "OOMKilled"
    return whole or killed


def _unhealthy(pod: Pod, container: Container) -> str:
    """What the healthcheck said last, or else the service."""
    told = pod.events("Unhealthy", container=container)
    return str(told[-1].get("message")) if told else f"It ended with {container.last_words()}"
