"""KubernetesWorker: the Kubernetes backend behind the core's interface. One Job per Assignment.

A Job is made suspended, gets its Secrets, and is released only after the Assignment was read once
more: a paused starter cannot bring a closed one to life. The names of its Secrets are that Job's
alone, so a start that was cut short is gone on with, by whomever, and nothing stands in the way of
the next Job of that name. What an Assignment is called here is `<Job name>/<UID>`.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dispatch import prepared, wake
from dispatch.backends import (
    Capacity,
    Eligibility,
    Finding,
    NoCapacity,
    Placement,
    Rejected,
    Sighting,
    TaskSpec,
    Unavailable,
)
from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube import checking, images, service_logs
from kube.api import AlreadyThere, Cluster, Conflict, NotThere, Untouched
from kube.config import Config
from kube.eligibility import eligible
from kube.labels import job_of
from kube.manifest.job import Manifests, selector, source_of, suffix_of
from kube.manifest.request import job_name
from kube.names import BACKEND
from kube.observing import Observing, is_job_of
from kube.registry import Registry
from kube.requesting import made, manifests_of, plan_of, request_of, with_rows
from kube.status import condition_of
from kube.view import View

Json = dict[str, Any]

NAME = BACKEND
IN_USE = """
SELECT count(*) FROM dispatch_assignment
WHERE backend = %s AND released_at IS NULL AND external_id IS NOT NULL
"""
DEPENDENTS = {"Secret": "secrets", "ConfigMap": "configmaps"}
# What a Job says of itself when nothing of it runs any more.
OVER = ("Complete", "Failed")
# In the warnings that PodSecurity gives; others (of a deprecation, of a proxy) keep nothing back.
WOULD_REFUSE = "would violate PodSecurity"
# For a pod whose agent has finished, beyond its grace.
SECONDS_TO_LEAVE = 15

logger = logging.getLogger(__name__)


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
        self.registry = _registry(config)
        self._observing = Observing(self.cluster, config, self.jobs, self.pods)
        self._read_out: set[str] = set()

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
        """A conflict, as of many creates with one quota, is tried again by the caller, a second
        later."""
        assignment = with_rows(assignment.pk)
        self._check_startable(assignment)
        try:
            return self._start(assignment)
        except (Conflict, NotThere) as error:
            raise NoCapacity(str(error)) from None

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

    def _start(self, assignment: Assignment) -> Placement:
        """A Job that is there keeps the image that it was made for."""
        wanted, job = None, self._find(assignment)
        if job is None:
            wanted = self._wanted(assignment)
            job = self._make_job(assignment, wanted)
        if job["spec"].get("suspend"):
            if wanted is None or suffix_of(job) != suffix_of(wanted.job):
                wanted = manifests_of(assignment, self.config, suffix_of(job), source_of(job))
            self._make_dependents(wanted, job)
            self._release(assignment, job)
        external_id = "/".join(_name_and_uid(job))
        return Placement(external_id=external_id, image_from=source_of(job).built_by)

    def _find(self, assignment: Assignment) -> Json | None:
        """The Job of an earlier start. Whose agent has claimed has one, although we could not write
        that down: none is made a second time."""
        if assignment.claimed_at is None and assignment.start_tried_at is None:
            return None
        try:
            return self._existing_job(assignment)
        except NotThere:
            if assignment.claimed_at is None:
                return None
            assignment.close(Category.UNKNOWN, "Its Job was deleted by somebody else.")
            raise NoCapacity("its Job is gone") from None

    def _wanted(self, assignment: Assignment) -> Manifests:
        """Raises Waits where another Assignment builds its image."""
        plan = plan_of(assignment)
        request = request_of(assignment, self.config, secrets.token_hex(4))
        source = images.source_for(assignment, plan, request, self.config)
        return made(plan, replace(request, source=source), self.config)

    def _make_job(self, assignment: Assignment, wanted: Manifests) -> Json:
        first = assignment.note_start()
        try:
            answer = self.cluster.create("jobs", wanted.job)
        except AlreadyThere:
            return self._existing_job(assignment)
        except (NoCapacity, Untouched):
            # A full quota, or nobody there: however long that lasts, it is no start that was lost.
            if first:
                assignment.forget_start()
            raise
        except NotThere as error:
            raise Unavailable(f"The namespace does not exist: {error}") from None
        refusals = [text for text in answer.warnings if WOULD_REFUSE in text]
        if refusals:
            self.cluster.delete("jobs", *_name_and_uid(answer.body))
            raise Rejected(f"the cluster would refuse the pod: {'; '.join(refusals)}")
        if answer.warnings:
            logger.info("The cluster warns: %s", "; ".join(answer.warnings))
        return answer.body

    def _existing_job(self, assignment: Assignment) -> Json:
        """Raises NotThere."""
        name = job_name(assignment.task_id, assignment.number)
        job = self.cluster.get("jobs", name)
        if not is_job_of(job, assignment):
            raise Rejected(f"a Job named {name} is there and not ours: remove it")
        if job["metadata"].get("deletionTimestamp"):
            raise NoCapacity("its Job is being deleted")
        return job

    def _make_dependents(self, wanted: Manifests, job: Json) -> None:
        """What has such a name belongs to this Job, made by a start that was cut short."""
        for body in wanted.dependents(job["metadata"]["uid"]):
            with suppress(AlreadyThere):
                self.cluster.create(DEPENDENTS[body["kind"]], body)

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
        if not is_job_of(job, assignment) or _ends_by_itself(assignment, job):
            return
        self._read_logs_out(job)
        self.cluster.delete("jobs", *_name_and_uid(job))
        self._read_out.discard(job["metadata"]["uid"])

    def _read_logs_out(self, job: Json) -> None:
        """What services said last goes with their pod. Tried once for each Job."""
        name, uid = _name_and_uid(job)
        if uid not in self._read_out:
            self._read_out.add(uid)
            pods = [pod for pod in self.pods.all() if job_of(pod) == name]
            service_logs.read_to_the_end(self.cluster, pods)

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        return self._observing.observe(assignments)

    def examine(self, assignment: Assignment) -> tuple[bool, Json]:
        """Of one that has fallen silent: whether its node is cut off from the cluster, and what
        there is to see. Raises nothing: what cannot be seen is not."""
        return self._observing.examine(assignment)

    def capacity(self) -> Capacity:
        ((in_use,),) = prepared.run(IN_USE, [NAME])
        limit = self.config.limit
        return Capacity(free=max(0, limit - in_use), in_use=in_use, limit=limit)

    def check(self) -> Iterable[Finding]:
        return checking.findings(self.cluster, self.registry, self.config)


def _registry(config: Config) -> Registry:
    host = config.registry.partition("/")[0]
    scheme = "http" if config.manifest.registry_insecure else "https"
    return Registry(
        host=host,
        url=config.registry_url or f"{scheme}://{host}",
        username=config.registry_username,
        password=config.registry_password,
        ca_file=config.registry_ca_file,
        timeout=config.timeout,
    )


def _ends_by_itself(assignment: Assignment, job: Json) -> bool:
    """Whether to wait: its agent has reported, and its pod is given its own grace and a little."""
    finished = assignment.finished_at is not None and assignment.category != Category.CANCELLED
    if condition_of(job, *OVER) or not finished or assignment.closed_at is None:
        return False
    grace = job["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") or 0
    limit = timedelta(seconds=grace + SECONDS_TO_LEAVE)
    return timezone.now() - assignment.closed_at < limit


def _name_and_uid(job: Json) -> tuple[str, str]:
    return job["metadata"]["name"], job["metadata"]["uid"]
