"""What the cluster shows of Assignments: read from the views, and before anything is concluded read
once more from the cluster itself.

What is kept in memory only makes it patient, or sparing: without it the same ends are reached.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from dispatch.backends import BackendError, Sighting, Unavailable
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.redaction import redactor_for
from kube.api import Cluster, NotThere
from kube.config import Config
from kube.labels import job_of
from kube.manifest.job import ASSIGNMENT, source_of
from kube.manifest.request import job_name
from kube.models import Image
from kube.pod import Pod
from kube.reading import RUNS, Known, Reading
from kube.seen import what_was_seen
from kube.status import had_pod, read
from kube.view import View

Json = dict[str, Any]
Pods = Mapping[str, Sequence[Json]]

# An end that a live read did not confirm is not asked for again before that.
LOOK_AGAIN_SECONDS = 5.0
# Events say why a Job has no pod; one list of them serves all Jobs, so often.
EVENTS_SECONDS = 3.0
PULLS = (
    Category.IMAGE_PULL_NOT_FOUND,
    Category.IMAGE_PULL_AUTH,
    Category.IMAGE_PULL_NETWORK,
)
DELETED = "Its Job was deleted by somebody else."


class Observing:
    """`_missing` is since when a Job's pod is missing, `_pods` the name of its last pod, `_denied`
    what the last live read said; all by the Job's UID. `_trouble` is of this pass."""

    def __init__(self, cluster: Cluster, config: Config, jobs: View, pods: View) -> None:
        self.cluster, self.config = cluster, config
        self.jobs, self.pods = jobs, pods
        self._missing: dict[str, datetime] = {}
        self._pods: dict[str, str] = {}
        self._denied: dict[str, tuple[float, Reading]] = {}
        self._refusals: Mapping[str, Sequence[Json]] = {}
        self._refusals_at = float("-inf")
        self._trouble: Unavailable | None = None

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        """Raises Unavailable."""
        self.jobs.refresh()
        self.pods.refresh()
        self._forget()
        pods = _by_job(self.pods.all())
        found = [self._try(assignment, pods) for assignment in assignments]
        trouble, self._trouble = self._trouble, None
        if trouble and not any(found):
            raise trouble
        return [sighting for sighting in found if sighting]

    def _try(self, assignment: Assignment, pods: Pods) -> Sighting | None:
        """None where the cluster did not answer about this one: that must not keep the others back,
        and nobody else is asked about in this pass."""
        try:
            return self._see(assignment, pods)
        except Unavailable as error:
            self._trouble = self._trouble or error
            return None

    def _forget(self) -> None:
        """What is kept is of the Jobs that there are."""
        uids = {job["metadata"]["uid"] for job in self.jobs.all()}
        for kept in (self._missing, self._pods, self._denied):
            for uid in kept.keys() - uids:
                kept.pop(uid, None)

    def _see(self, assignment: Assignment, pods: Pods) -> Sighting:
        name = job_name(assignment.task_id, assignment.number)
        job = self.jobs.get(name)
        if job is None or not is_job_of(job, assignment):
            return self._look_again(assignment, name)
        if not assignment.live:
            return self._sighting(assignment, job, RUNS)
        uid = job["metadata"]["uid"]
        found = list(pods.get(name, ()))
        self._note_pods(uid, found, had_pod(job) or assignment.claimed_at is not None)
        events = [] if found or uid in self._missing else self._why_no_pod(name)
        reading = self._read(assignment, job, found, events)
        until, denied = self._denied.get(uid, (0.0, RUNS))
        if reading.ended and time.monotonic() < until:
            reading = denied
        if reading.ended:
            return self._look_again(assignment, name)
        return self._sighting(assignment, job, reading)

    def _look_again(self, assignment: Assignment, name: str) -> Sighting:
        """Nothing is concluded from a list or a watch alone. Events tell more than states."""
        if self._trouble:
            raise self._trouble
        try:
            job = self.cluster.get("jobs", name)
        except NotThere:
            return self._sighting(assignment, None, RUNS)
        if not assignment.live or not is_job_of(job, assignment):
            return self._sighting(assignment, job, RUNS)
        uid = job["metadata"]["uid"]
        pods = self._live_pods(name, uid)
        self._note_pods(uid, pods, had_pod(job) or assignment.claimed_at is not None)
        events = self._events(job, pods)
        reading = self._read(assignment, job, pods, events)
        if reading.ended and _report_is_under_way(assignment, self.config.grace.reported):
            reading = Reading(pending="The agent's report is being read.")
        if not reading.ended:
            self._denied[uid] = (time.monotonic() + LOOK_AGAIN_SECONDS, reading)
            return self._sighting(assignment, job, reading)
        if reading.ended in PULLS:
            _note_lost_image(assignment, job, reading)
        clean = redactor_for(assignment.task_id).clean_text
        seen = what_was_seen(job, pods, events, clean)
        return self._sighting(assignment, job, reading, seen)

    def examine(self, assignment: Assignment) -> tuple[bool, Json]:
        """A live look at one whose agent is not heard: whether its node is cut off from the
        cluster, and what was seen. Nothing, where nothing can be seen."""
        name = job_name(assignment.task_id, assignment.number)
        try:
            job = self.cluster.get("jobs", name)
            pods = self._live_pods(name, job["metadata"]["uid"])
            events = self._events(job, pods)
        except BackendError:
            return False, {}
        clean = redactor_for(assignment.task_id).clean_text
        cut_off = any(Pod(pod, events, timezone.now()).cut_off for pod in pods)
        return cut_off, what_was_seen(job, pods, events, clean)

    def _live_pods(self, name: str, uid: str) -> list[Json]:
        """A list may leave out what there is: the pod that we knew is asked for by its name."""
        pods: list[Json] = self.cluster.list("pods", labelSelector=f"job-name={name}")["items"]
        if not pods and uid in self._pods:
            try:
                pods = [self.cluster.get("pods", self._pods[uid])]
            except NotThere:
                return []
        return [pod for pod in pods if _owner(pod) in ("", uid)]

    def _note_pods(self, uid: str, pods: Sequence[Json], had_one: bool) -> None:
        if pods:
            self._pods[uid] = pods[-1]["metadata"]["name"]
            self._missing.pop(uid, None)
        elif had_one or uid in self._pods:
            self._missing.setdefault(uid, timezone.now())

    def _read(
        self, assignment: Assignment, job: Json, pods: Sequence[Json], events: Sequence[Json]
    ) -> Reading:
        missing = self._missing.get(job["metadata"]["uid"])
        known = Known(placed_at=assignment.placed_at, pod_missing_since=missing)
        return read(job, pods, events, timezone.now(), self.config.grace, known)

    def _why_no_pod(self, name: str) -> Sequence[Json]:
        if not self._trouble and time.monotonic() - self._refusals_at > EVENTS_SECONDS:
            fields = "involvedObject.kind=Job,reason=FailedCreate"
            found = self.cluster.list("events", fieldSelector=fields)["items"]
            of_jobs: dict[str, list[Json]] = defaultdict(list)
            for event in found:
                of_jobs[event["involvedObject"].get("name", "")].append(event)
            self._refusals, self._refusals_at = of_jobs, time.monotonic()
        return self._refusals.get(name, ())

    def _events(self, job: Json, pods: Sequence[Json]) -> list[Json]:
        """About the Job and its pods."""
        found: list[Json] = []
        for item in (job, *pods):
            fields = f"involvedObject.uid={item['metadata']['uid']}"
            found += self.cluster.list("events", fieldSelector=fields)["items"]
        return found

    def _sighting(
        self, assignment: Assignment, job: Json | None, reading: Reading, seen: Json | None = None
    ) -> Sighting:
        if job is None or not is_job_of(job, assignment):
            gone = assignment.live and assignment.external_id is not None
            ended = Category.UNKNOWN if gone else None
            detail = DELETED if gone else ""
            return Sighting(assignment_id=assignment.pk, holds=False, ended=ended, detail=detail)
        return Sighting(
            assignment_id=assignment.pk,
            holds=True,
            ended=reading.ended,
            detail=_clean(assignment, reading.detail),
            pending=_clean(assignment, reading.pending),
            seen=seen or {},
        )


def is_job_of(job: Json, assignment: Assignment) -> bool:
    """By our label, and by the UID where we know it."""
    metadata = job["metadata"]
    if (metadata.get("labels") or {}).get(ASSIGNMENT) != str(assignment.pk):
        return False
    return assignment.external_id in (None, f"{metadata['name']}/{metadata['uid']}")


def _clean(assignment: Assignment, text: str) -> str:
    """Its secrets are only read where there is something to clean. What was kept before is clean,
    and most that is told is told again."""
    if text in ("", assignment.pending):
        return text
    return redactor_for(assignment.task_id).clean_text(text)


def _note_lost_image(assignment: Assignment, job: Json, reading: Reading) -> None:
    """Where it is the built image that is not in the registry (any more), the next attempt is not
    to be sent there again. Many registries say of what is not there that it is denied, so no reason
    why another one's image is not pulled is good enough to send more Jobs there."""
    source, spec = source_of(job), job["spec"]["template"]["spec"]
    if reading.ended != Category.IMAGE_PULL_NOT_FOUND and source.built_by is None:
        return
    containers = (*spec["initContainers"], *spec["containers"])
    of_it = [item["name"] for item in containers if item["image"] == source.reference]
    if any(reading.detail.startswith(f"{name}: ") for name in of_it):
        Image.lose(source.built_by or assignment.pk)


def _report_is_under_way(assignment: Assignment, patience: float) -> bool:
    """The agent's finish has come just now: it decides, and not how the pod ended after it."""
    lately = timezone.now() - timedelta(seconds=patience)
    return Assignment.objects.filter(pk=assignment.pk, finished_at__gt=lately).exists()


def _by_job(pods: Iterable[Json]) -> Pods:
    """Pods by the name of their Job."""
    found: dict[str, list[Json]] = defaultdict(list)
    for pod in pods:
        found[job_of(pod)].append(pod)
    return found


def _owner(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("kind") == "Job"), "")
