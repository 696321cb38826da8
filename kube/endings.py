"""What the end of a container means, where it is the end of the attempt. Pure."""

from typing import Any

from dispatch.outcomes import Category
from kube.causes import builder_end, disk_is_full
from kube.names import BUILDER, CLONE, TEST, TOOLS
from kube.pod import SIDECAR, Container, Pod

Json = dict[str, Any]
End = tuple[Category, str]

OUT_OF_MEMORY = "OOMKilled"
NOT_BEGUN = ("StartError", "ContainerCannotRun")
# What a node says of a container that it finds no more after it was away.
LOST = "ContainerStatusUnknown"


def end_of(pod: Pod, container: Container) -> End | None:
    """The category, and a detail; None where the pod goes on. A sidecar that ended is started
    again, so only init containers and the tests' count here."""
    ended = container.terminated
    if ended is None or container.kind == SIDECAR:
        return None
    if ended.get("reason") == OUT_OF_MEMORY:
        return None if pod.went_on_after(container) else _out_of_memory(container)
    if not ended.get("exitCode"):
        return None
    if ended.get("reason") == LOST:
        return Category.NODE_LOST, _told(container, ended)
    if ended.get("reason") in NOT_BEGUN and not container.is_service:
        return Category.CONFIG_ERROR, _told(container, ended)
    return _failed(container, ended)


def _out_of_memory(container: Container) -> End:
    detail = f"{container.name} was killed for using too much memory."
    if container.name in (BUILDER, TEST):
        return Category.BUILD_OOM if container.name == BUILDER else Category.TEST_OOM, detail
    if container.is_service:
        return Category.SERVICE_FAILED, f"The service {detail}"
    return Category.CONFIG_ERROR, detail


def _failed(container: Container, ended: Json) -> End:
    """The agent tells the same of these, should it be quicker."""
    if container.name == BUILDER:
        return builder_end(str(ended.get("message") or ""))
    if container.name == TOOLS:
        return Category.CONFIG_ERROR, _told(container, ended)
    if container.seeds:
        return _seeding_failed(container, ended)
    if container.is_service:
        text = f"The service {container.name} failed: {container.last_words()}"
        return Category.SERVICE_FAILED, text
    assert container.name in (CLONE, TEST)
    return Category.NO_VERDICT, _told(container, ended)


def _seeding_failed(container: Container, ended: Json) -> End:
    """We copy what the image has: room is all that can be missing."""
    message = str(ended.get("message") or "")
    category = Category.DISK_FULL if disk_is_full(message) else Category.CONFIG_ERROR
    text = f"The volumes of {container.seeds} could not be filled: {container.last_words()}"
    return category, text


def _told(container: Container, ended: Json) -> str:
    message = str(ended.get("message") or "").strip()
    return f"{container.name}: {message or container.last_words()}"
