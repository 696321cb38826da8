"""Brings what services print to the streams `service-NAME`: no container can see another's output,
so the control plane reads it from the cluster.

The cluster cannot be asked for a log from a byte on, only from a second on. Each line comes with
the time at which it was written, and how far we have read is kept in those terms, in the same
transaction as the lines: a restart of ours repeats and loses nothing. What is in memory at once is
bounded, whatever a service prints; one that prints faster than it is read is behind.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import transaction
from django.utils import timezone

from dispatch.backends import BackendError, Unavailable
from dispatch.models import Assignment
from dispatch.redaction import are_forgotten, redactor_for
from dispatch.reporting import TooMuch, append_log
from kube.api import Cluster
from kube.labels import assignment_of
from kube.log_lines import NewLines, whole_second
from kube.models import ServiceLog
from kube.names import BACKEND
from kube.pod import Pod

if TYPE_CHECKING:
    from kube.worker import KubernetesWorker

Json = dict[str, Any]

# Of the calls that we may make, this share at most is for logs.
SHARE = 0.2
STEP_SECONDS, CALL_SECONDS = 4.0, 3.0
PAUSE_AFTER_FAILURE = 30.0
# So many nodes that do not answer are no longer those nodes' trouble, but the cluster's.
SEVERAL = 3
NEVER = float("inf")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One run of one service's container. `ended`: it writes no more."""

    assignment_id: UUID
    task_id: UUID
    pod: str
    pod_uid: str
    container: str
    restarts: int
    ended: bool

    @property
    def stream(self) -> str:
        return f"service-{self.container}"


def follow(worker: "KubernetesWorker") -> None:
    """The loop's step."""
    _follower.step(worker)


class Follower:
    """`_due` is when each is read again. Those that waited longest come first, and so many as our
    share of the calls has grown to since the last step."""

    def __init__(self) -> None:
        self._due: dict[Source, float] = {}
        self._last_step = 0.0

    def step(self, worker: "KubernetesWorker") -> None:
        began, config = time.monotonic(), worker.config
        found = sources(worker.pods.all())
        self._due = {source: self._due.get(source, began) for source in found}
        passed = min(began - self._last_step, config.log_every)
        self._last_step = began
        most = max(1, int(SHARE * config.calls_per_second * passed))
        due = sorted(
            (key for key, at in self._due.items() if at <= began), key=self._due.__getitem__
        )
        for source in due[:most]:
            if time.monotonic() - began > STEP_SECONDS:
                break
            self._due[source] = time.monotonic() + _pause(worker, source)
        _forget_released()


def _pause(worker: "KubernetesWorker", source: Source) -> float:
    """Read once, and say in how many seconds to do so again."""
    try:
        more = read(worker.cluster, source)
    except Unavailable as error:
        logger.info("The log of a service cannot be read: %s", error)
        return PAUSE_AFTER_FAILURE
    if more:
        return 0.0
    return NEVER if source.ended else worker.config.log_every


class LastReads:
    """Those of one cluster, each before a Job is deleted, and together within a bounded time: a
    node of which one failed is not asked for a while, and where several did, none is."""

    def __init__(self) -> None:
        self._resting: dict[str, float] = {}

    def read(self, cluster: Cluster, pods: Iterable[Json]) -> None:
        """Whatever does not answer now is not read any more."""
        ends_at = time.monotonic() + STEP_SECONDS
        nodes = {pod["metadata"]["uid"]: _node(pod) for pod in pods}
        for source in sources(pods):
            node = nodes[source.pod_uid]
            if not self._rests(node) and not self._read(cluster, source, ends_at):
                self._resting[node] = time.monotonic() + PAUSE_AFTER_FAILURE

    def _read(self, cluster: Cluster, source: Source, ends_at: float) -> bool:
        """Whether all of it came in time."""
        try:
            while time.monotonic() < ends_at:
                if not read(cluster, source, last=True):
                    return True
            logger.info("The last of %s was not read in time", source.stream)
        except BackendError as error:
            logger.info("The last of %s is lost: %s", source.stream, error)
        return False

    def _rests(self, node: str) -> bool:
        now = time.monotonic()
        for name, until in list(self._resting.items()):
            if until < now:
                self._resting.pop(name, None)
        return node in self._resting or len(self._resting) >= SEVERAL


def read_to_the_end(cluster: Cluster, pods: Iterable[Json]) -> None:
    """The last read, before the Job of these pods is deleted."""
    _last_reads.setdefault(cluster, LastReads()).read(cluster, list(pods))


def _node(pod: Json) -> str:
    return str((pod.get("spec") or {}).get("nodeName", ""))


def sources(pods: Iterable[Json]) -> list[Source]:
    """The services of these pods that have printed something, as far as their Assignments are
    open."""
    of_pods = {pod["metadata"]["uid"]: pod for pod in pods}
    named = {uid: found for uid, pod in of_pods.items() if (found := assignment_of(pod))}
    rows = Assignment.objects.filter(backend=BACKEND, released_at=None)
    open_ones = rows.in_bulk(set(named.values()))
    return [
        source
        for uid, name in named.items()
        if name in open_ones and _is_pod_of(of_pods[uid], open_ones[name])
        for source in _of_pod(of_pods[uid], open_ones[name])
    ]


def _is_pod_of(pod: Json, assignment: Assignment) -> bool:
    owners = pod["metadata"].get("ownerReferences") or []
    names = [f"{owner.get('name')}/{owner.get('uid')}" for owner in owners]
    return assignment.external_id is None or assignment.external_id in names


def _of_pod(raw: Json, assignment: Assignment) -> Iterator[Source]:
    pod = Pod(raw, (), timezone.now())
    for container in pod.containers:
        if container.begun and container.is_service:
            yield Source(
                assignment_id=assignment.pk,
                task_id=assignment.task_id,
                pod=pod.metadata["name"],
                pod_uid=pod.metadata["uid"],
                container=container.name,
                restarts=container.restarts,
                ended=pod.over or container.terminated is not None,
            )


def read(cluster: Cluster, source: Source, *, last: bool = False) -> bool:
    """Store what is new, up to a bound; True where there is more at once. Raises Unavailable."""
    row = ServiceLog.of(source.assignment_id, source.container)
    if row.restarts == source.restarts:
        new = _new_lines(cluster, source, row, previous=False, last=last or source.ended)
        return _keep(row, source, new, row.restarts) and new.more
    new = _new_lines(cluster, source, row, previous=True, last=True)
    if new.more:
        return _keep(row, source, new, row.restarts)
    new.data += f"[{source.container} was started again: restart {source.restarts}]\n".encode()
    return _keep(row, source, new, source.restarts)


def _new_lines(
    cluster: Cluster, source: Source, row: ServiceLog, *, previous: bool, last: bool
) -> NewLines:
    """Nothing where the log does not exist (any more)."""
    new = NewLines(moment=row.moment, lines=row.lines)
    try:
        with cluster.log(
            source.pod,
            source.container,
            since=whole_second(row.moment),
            previous=previous,
            timeout=CALL_SECONDS,
        ) as pieces:
            new.take(pieces, last=last)
    except Unavailable:
        raise
    except BackendError as error:
        logger.debug("No log of %s: %s", source.container, error)
    return new


def _keep(row: ServiceLog, source: Source, new: NewLines, restarts: int) -> bool:
    """Store it, if there is anything, and unless another controller has, or it was released
    meanwhile and nobody knows its secrets any more. Whether it was."""
    changes = {"moment": new.moment, "lines": new.lines, "restarts": restarts}
    before = {"moment": row.moment, "lines": row.lines, "restarts": row.restarts}
    if changes == before:
        return False
    redactor = redactor_for(source.task_id)
    if are_forgotten(source.assignment_id):
        return False
    try:
        with transaction.atomic():
            if not ServiceLog.objects.filter(pk=row.pk, **before).update(**changes):
                return False
            append_log(source.assignment_id, source.stream, bytes(new.data), redactor=redactor)
    except TooMuch as problem:
        logger.info("A service's log is not kept: %s", problem)
        return False
    return True


def _forget_released() -> None:
    """How far was read need not be known any more."""
    ids = set(ServiceLog.objects.values_list("assignment_id", flat=True))
    still = Assignment.objects.filter(pk__in=ids, released_at=None)
    gone = ids - set(still.values_list("pk", flat=True))
    if gone:
        ServiceLog.objects.filter(assignment_id__in=gone).delete()


_follower = Follower()
_last_reads: WeakKeyDictionary[Cluster, LastReads] = WeakKeyDictionary()
