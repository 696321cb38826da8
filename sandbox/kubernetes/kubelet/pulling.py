"""Getting the image of a container: how long it takes, how it fails, when it is tried again."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import images
from .events import Recorder
from .faults import PULL, Faults
from .images import Image, InvalidName, PullError, Reference
from .record import ContainerRecord
from .settings import Settings
from .spec import ContainerSpec, PodSpec

# Simulated seconds between pulls that fail, as they are seen on a real node: the back-off of 10,
# 20, 40 … seconds, each up to the next time that the kubelet looks. Tries at 0, 14, 41, 93.
_GAPS = (14.0, 27.0, 52.0, 103.0, 206.0, 300.0)
# For so long after a pull the pod says ErrImagePull, then ImagePullBackOff.
_ERROR_SECONDS = 13.0
_NEVER = 3600.0
# The annotation by which the API server of the sandbox passes on its fault `image_pull`: a cause
# and a regular expression for the image.
PULL_FAILURE = "sandbox/image-pull-failure"
_CAUSES = {"not_found": "pull_not_found", "auth": "pull_denied", "network": "pull_network"}


class OnNode:
    """The images that were pulled before. May be used by any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: set[str] = set(json.loads(path.read_text())) if path.exists() else set()

    def has(self, reference: Reference) -> bool:
        return reference.full in self._known

    def add(self, reference: Reference) -> None:
        with self._lock:
            self._known.add(reference.full)
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(sorted(self._known)))
            os.replace(draft, self._path)

    def all(self) -> list[str]:
        with self._lock:
            return sorted(self._known)


@dataclass(frozen=True, kw_only=True)
class Puller:
    settings: Settings
    faults: Faults
    recorder: Recorder
    on_node: OnNode
    now: Callable[[], float] = time.time

    def obtain(
        self, pod: PodSpec, container: ContainerSpec, record: ContainerRecord
    ) -> tuple[Image | None, float]:
        """The image; or None, and the seconds after which to ask again. What the container waits
        for is in its record."""
        try:
            reference = images.parse(container.image)
        except InvalidName as error:
            record.waiting = ["InvalidImageName", str(error)]
            return None, _NEVER
        if not self._must_pull(container, reference):
            if self.on_node.has(reference):
                return self._present(pod, container, reference, record)
            record.waiting = ["ErrImageNeverPull", self._never_message(container)]
            return None, self.settings.scaled(10)
        if record.pull.due_at is None and (wait := self._back_off(pod, container, record)):
            return None, wait
        return self._pull(pod, container, reference, record)

    def _must_pull(self, container: ContainerSpec, reference: Reference) -> bool:
        if container.pull_policy == "Never":
            return False
        return container.pull_policy == "Always" or not self.on_node.has(reference)

    def _never_message(self, container: ContainerSpec) -> str:
        return f'Container image "{container.image}" is not present with pull policy of Never'

    def _present(
        self, pod: PodSpec, container: ContainerSpec, reference: Reference, record: ContainerRecord
    ) -> tuple[Image | None, float]:
        try:
            image = images.find(reference, self.settings)
        except PullError as error:  # the registry has lost what this node seemed to have
            return None, self._fail(pod, container, record, str(error))
        message = f'Container image "{container.image}" already present on machine'
        self.recorder.normal(pod, "Pulled", message, container)
        return image, 0.0

    def _back_off(self, pod: PodSpec, container: ContainerSpec, record: ContainerRecord) -> float:
        """The seconds to wait before the next try, 0 when it is time."""
        pull, now = record.pull, self.now()
        if pull.failed_at is None or now >= pull.next_at:
            return 0.0
        shown = pull.failed_at + self.settings.scaled(_ERROR_SECONDS)
        if now < shown:
            return min(shown, pull.next_at) - now
        if record.waiting[:1] != ["ImagePullBackOff"]:
            message = f'Back-off pulling image "{container.image}"'
            record.waiting = ["ImagePullBackOff", f"{message}: ErrImagePull: {pull.error}"]
            self.recorder.normal(pod, "BackOff", message, container)
            self.recorder.warning(pod, "Failed", "Error: ImagePullBackOff", container)
        return pull.next_at - now

    def _pull(
        self, pod: PodSpec, container: ContainerSpec, reference: Reference, record: ContainerRecord
    ) -> tuple[Image | None, float]:
        pull, now = record.pull, self.now()
        if pull.due_at is None or pull.began_at is None:
            self.recorder.normal(pod, "Pulling", f'Pulling image "{container.image}"', container)
            pull.began_at, pull.due_at = now, now + self._seconds(pod, container, reference)
        if now < pull.due_at:
            return None, pull.due_at - now
        pull.due_at = None
        try:
            self._strike(pod, container, reference)
            image = images.find(reference, self.settings)
        except PullError as error:
            return None, self._fail(pod, container, record, str(error))
        took = f"{now - pull.began_at:.3f}s"
        self.recorder.normal(
            pod,
            "Pulled",
            f'Successfully pulled image "{container.image}" in {took} ({took} including waiting).'
            f" Image size: {image.size} bytes.",
            container,
        )
        self.on_node.add(reference)
        record.pull = type(pull)()
        return image, 0.0

    def _seconds(self, pod: PodSpec, container: ContainerSpec, reference: Reference) -> float:
        names = {"pod": pod.name, "container": container.name, "image": container.image}
        slow = self.faults.fire("slow_pull", **names)
        extra = self.settings.scaled(slow.draw()) if slow else 0.0
        if self.on_node.has(reference):
            return extra  # only asked whether it is still the same
        what = f"{pod.uid}:{container.name}:{reference.full}"
        return extra + self.settings.draw(self.settings.pull_seconds, what)

    def _strike(self, pod: PodSpec, container: ContainerSpec, reference: Reference) -> None:
        """Raises PullError where a fault of this node or of the cluster says so."""
        names = {"pod": pod.name, "container": container.name, "image": container.image}
        rule = self.faults.fire(*PULL, **names)
        if kind := rule.kind if rule else _of_cluster(pod, container.image):
            why = {
                "pull_not_found": f"{reference.full}: not found",
                "pull_denied": images.DENIED,
                "pull_unauthorized": images.UNAUTHORIZED,
                "pull_network": images.refused(reference.host),
                "pull_no_host": images.no_such_host(reference.host),
            }[kind]
            raise PullError(images.pull_message(reference, why))

    def _fail(
        self, pod: PodSpec, container: ContainerSpec, record: ContainerRecord, message: str
    ) -> float:
        pull = record.pull
        pull.failed_at, pull.error = self.now(), message
        gap = self.settings.scaled(_GAPS[min(pull.tries, len(_GAPS) - 1)])
        pull.next_at = pull.failed_at + gap
        pull.tries += 1
        record.waiting = ["ErrImagePull", message]
        text = f'Failed to pull image "{container.image}": {message}'
        self.recorder.warning(pod, "Failed", text, container)
        self.recorder.warning(pod, "Failed", "Error: ErrImagePull", container)
        return min(gap, self.settings.scaled(_ERROR_SECONDS))


def _of_cluster(pod: PodSpec, image: str) -> str | None:
    """What the API server's own faults have in store for an image of this pod."""
    note = (pod.metadata.get("annotations") or {}).get(PULL_FAILURE, "")
    cause, _, pattern = note.partition(" ")
    if cause not in _CAUSES or not re.search(pattern, image):
        return None
    return _CAUSES[cause]
