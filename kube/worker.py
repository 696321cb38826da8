"""KubernetesWorker: the Kubernetes backend behind the core's interface. One Job per Assignment.

A Job is made suspended, gets its Secrets, and is released only after the Assignment was read once
more: a paused starter cannot bring a closed one to life. What an Assignment is called here is
`<Job name>/<UID>`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dispatch import wake
from dispatch.backends import (
    Capacity,
    Eligibility,
    Finding,
    NoCapacity,
    Placement,
    Rejected,
    Sighting,
    TaskSpec,
)
from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube import checking
from kube.api import AlreadyThere, Cluster, NotThere
from kube.config import Config
from kube.eligibility import eligible
from kube.manifest.job import ASSIGNMENT, Manifests, selector
from kube.manifest.request import job_name
from kube.requesting import manifests_of, with_rows
from kube.status import RUNS, Reading, read
from kube.view import View

Json = dict[str, Any]

NAME = "kubernetes"
# What a Job says of itself when nothing of it runs any more.
OVER = ("Complete", "Failed")
# For a pod whose agent has finished, beyond its grace.
SECONDS_TO_LEAVE = 15


class KubernetesWorker:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.cluster = Cluster(
            config.kubeconfig,
            config.manifest.namespace,
            timeout=config.timeout,
            per_second=config.calls_per_second,
            threads=16,
        )
        self.jobs = self._view("jobs")
        self.pods = self._view("pods")

    def _view(self, kind: str) -> View:
        return View(
            self.cluster,
            kind,
            selector(self.config.manifest),
            relist=self.config.relist,
            silence=self.config.watch_silence,
            changed=lambda: wake.send(f"seen {NAME}"),
        )

    # Starting ---------------------------------------------------------------------------------

    def eligible(self, spec: TaskSpec) -> Eligibility:
        return eligible(spec)

    def start(self, assignment: Assignment) -> Placement:
        assignment = with_rows(assignment.pk)
        self._check_startable(assignment)
        wanted = manifests_of(assignment, self.config)
        job = self._make_job(assignment, wanted)
        uid = job["metadata"]["uid"]
        if job["spec"].get("suspend"):
            self._make_dependents(wanted, job)
            self._release(assignment, job)
        return Placement(external_id=f"{job['metadata']['name']}/{uid}")

    def _check_startable(self, assignment: Assignment) -> None:
        """A start that was never recorded and is older than a Job's time to live may have run
        and be gone: it is lost, never made again."""
        if not assignment.live:
            raise NoCapacity("the Assignment is closed")
        tried = assignment.external_id is None and assignment.start_tried_at
        limit = timedelta(seconds=self.config.manifest.time_to_live)
        if tried and timezone.now() - tried > limit:
            assignment.close(Category.UNKNOWN, "Its start was never confirmed.")
            raise NoCapacity("its start was never confirmed")

    def _make_job(self, assignment: Assignment, wanted: Manifests) -> Json:
        assignment.note_start()
        try:
            answer = self.cluster.create("jobs", wanted.job)
        except AlreadyThere:
            return self._existing_job(assignment)
        if answer.warnings:
            self.cluster.delete("jobs", *_name_and_uid(answer.body))
            raise Rejected(f"the cluster would refuse the pod: {'; '.join(answer.warnings)}")
        return answer.body

    def _existing_job(self, assignment: Assignment) -> Json:
        name = job_name(assignment.task_id, assignment.number)
        job = self.cluster.get("jobs", name)
        owner = job["metadata"].get("labels", {}).get(ASSIGNMENT)
        if owner != str(assignment.pk):
            raise Rejected(f"a Job named {name} is there and not ours: remove it")
        return job

    def _make_dependents(self, wanted: Manifests, job: Json) -> None:
        for body in wanted.dependents(job["metadata"]["uid"]):
            kind = "secrets" if body["kind"] == "Secret" else "configmaps"
            try:
                self.cluster.create(kind, body)
            except AlreadyThere:
                continue

    def _release(self, assignment: Assignment, job: Json) -> None:
        """Let it run, unless the Assignment was closed meanwhile."""
        name, uid = _name_and_uid(job)
        if not Assignment.objects.filter(pk=assignment.pk, closed_at=None).exists():
            self.cluster.delete("jobs", name, uid)
            raise NoCapacity("the Assignment was closed while its Job was made")
        self.cluster.patch("jobs", name, {"metadata": {"uid": uid}, "spec": {"suspend": False}})

    # Stopping and seeing ----------------------------------------------------------------------

    def stop(self, assignment: Assignment) -> None:
        """Delete the Job, after a live read: only one of this name, with our label and the UID
        that we know (any UID, where a crash kept us from writing it down). One whose agent has
        finished ends by itself and is not hurried: it is deleted when it has, or after a while."""
        name = job_name(assignment.task_id, assignment.number)
        try:
            job = self.cluster.get("jobs", name)
        except NotThere:
            return
        if not _is_job_of(job, assignment) or _ends_by_itself(assignment, job):
            return
        self.cluster.delete("jobs", *_name_and_uid(job))

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        self.jobs.refresh()
        self.pods.refresh()
        pods = _by_job(self.pods.all())
        return [self._see(assignment, pods) for assignment in assignments]

    def _see(self, assignment: Assignment, pods: Mapping[str, Sequence[Json]]) -> Sighting:
        job = self.jobs.get(job_name(assignment.task_id, assignment.number))
        reading = RUNS
        if job is not None and assignment.live:
            reading = self._read(job, pods.get(job["metadata"]["name"], ()))
        if job is None or reading.ended:
            job, reading = self._look_again(assignment)
        return _sighting(assignment, job, reading)

    def _look_again(self, assignment: Assignment) -> tuple[Json | None, Reading]:
        """Nothing is concluded from a list or a watch alone."""
        name = job_name(assignment.task_id, assignment.number)
        try:
            job = self.cluster.get("jobs", name)
        except NotThere:
            return None, RUNS
        if not assignment.live:
            return job, RUNS
        pods = self.cluster.list("pods", labelSelector=f"job-name={name}")["items"]
        return job, self._read(job, pods)

    def _read(self, job: Json, pods: Sequence[Json]) -> Reading:
        events = [] if pods else self._events(job["metadata"]["name"])
        return read(job, pods, events, timezone.now(), self.config.grace)

    def _events(self, name: str) -> list[Json]:
        """Only a Job without a pod is asked about: its events say what keeps it from one."""
        fields = f"involvedObject.kind=Job,involvedObject.name={name}"
        found: list[Json] = self.cluster.list("events", fieldSelector=fields)["items"]
        return found

    def capacity(self) -> Capacity:
        rows = Assignment.objects.filter(backend=NAME, released_at=None)
        in_use = rows.filter(external_id__isnull=False).count()
        limit = self.config.limit
        return Capacity(free=max(0, limit - in_use), in_use=in_use, limit=limit)

    def check(self) -> Iterable[Finding]:
        return checking.findings(self.cluster, self.config)


def _sighting(assignment: Assignment, job: Json | None, reading: Reading) -> Sighting:
    if job is None or not _is_job_of(job, assignment):
        gone = assignment.live and assignment.external_id is not None
        ended = Category.UNKNOWN if gone else None
        detail = "Its Job was deleted by somebody else." if gone else ""
        return Sighting(assignment_id=assignment.pk, holds=False, ended=ended, detail=detail)
    return Sighting(
        assignment_id=assignment.pk,
        holds=True,
        ended=reading.ended,
        detail=reading.detail,
        pending=reading.pending,
    )


def _is_job_of(job: Json, assignment: Assignment) -> bool:
    metadata = job["metadata"]
    if metadata.get("labels", {}).get(ASSIGNMENT) != str(assignment.pk):
        return False
    return assignment.external_id in (None, f"{metadata['name']}/{metadata['uid']}")


def _ends_by_itself(assignment: Assignment, job: Json) -> bool:
    """Whether to wait: its agent has reported, and its pod is given its own grace and a little."""
    conditions = job.get("status", {}).get("conditions") or []
    over = any(one["type"] in OVER and one["status"] == "True" for one in conditions)
    finished = assignment.finished_at is not None and assignment.category != Category.CANCELLED
    if over or not finished or assignment.closed_at is None:
        return False
    grace = job["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") or 0
    limit = timedelta(seconds=grace + SECONDS_TO_LEAVE)
    return timezone.now() - assignment.closed_at < limit


def _by_job(pods: Iterable[Json]) -> dict[str, list[Json]]:
    """Pods by the name of their Job."""
    found: dict[str, list[Json]] = defaultdict(list)
    for pod in pods:
        found[pod["metadata"].get("labels", {}).get("job-name", "")].append(pod)
    return found


def _name_and_uid(job: Json) -> tuple[str, str]:
    return job["metadata"]["name"], job["metadata"]["uid"]
