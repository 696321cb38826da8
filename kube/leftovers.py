"""Finds Jobs that nobody stops any more, and takes away those of which we know.

A list only raises a suspicion (promise 7). A Job goes when its Assignment's row says that it was
closed and released, and a live read of that one Job shows the same UID; the delete names that UID.

A Job whose Assignment has no row is another matter: after a restored backup our database knows
less than is true, so its silence says nothing. Such a Job is shown and left alone. Once released it
ends by its own deadline and is removed by the cluster after its time to live, and its agent gets no
claim from us. One that is suspended would stay for ever: when it is older than a Job's time to
live its start counts as lost whoever began it (promise 13), nothing of it ever ran, and it goes.

Secrets and ConfigMaps have the Job's UID as their owner, so the cluster removes them with it, also
those that were made after the Job had gone; we may not list them. None is in the way of a new Job,
whose Secrets have names of their own.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from dispatch.models import Assignment
from kube.api import NotThere
from kube.labels import assignment_of
from kube.manifest.job import selector
from kube.models import StrayJob
from kube.pod import parse_time
from kube.worker import NAME, KubernetesWorker

Json = dict[str, Any]

logger = logging.getLogger(__name__)


def sweep(worker: KubernetesWorker) -> None:
    """The loop's step. Raises Unavailable."""
    jobs = worker.cluster.list("jobs", labelSelector=selector(worker.config.manifest))["items"]
    rows = _rows(jobs)
    strays = [job for job in jobs if assignment_of(job) not in rows]
    for job in jobs:
        if rows.get(assignment_of(job)):
            _remove(worker, job, _is_over, "its Assignment is released")
    for job in strays:
        if _never_ran(job, worker):
            _remove(worker, job, lambda live: _never_ran(live, worker), "it was never released")
    StrayJob.keep_only({job["metadata"]["uid"]: job["metadata"]["name"] for job in strays})


def _rows(jobs: Iterable[Json]) -> dict[UUID | None, bool]:
    """Of the Assignments that these Jobs name, those that have a row, and whether it is over."""
    named = {found for job in jobs if (found := assignment_of(job))}
    rows = Assignment.objects.filter(pk__in=named).values_list("pk", "released_at")
    return {key: released is not None for key, released in rows}


def _is_over(job: Json) -> bool:
    """Our own row says so."""
    assignment_id = assignment_of(job)
    if assignment_id is None:
        return False
    rows = Assignment.objects.filter(pk=assignment_id, backend=NAME, closed_at__isnull=False)
    return rows.filter(released_at__isnull=False).exists()


def _never_ran(job: Json, worker: KubernetesWorker) -> bool:
    made = parse_time(job["metadata"].get("creationTimestamp"))
    limit = timedelta(seconds=worker.config.manifest.time_to_live)
    suspended = bool(job["spec"].get("suspend")) and not job.get("status", {}).get("startTime")
    return suspended and made is not None and timezone.now() - made > limit


def _remove(worker: KubernetesWorker, job: Json, agrees: Callable[[Json], bool], why: str) -> None:
    """After a live read of this one, which has to say the same."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    try:
        live = worker.cluster.get("jobs", name)
    except NotThere:
        return
    if live["metadata"]["uid"] != uid or not agrees(live):
        return
    logger.warning("A Job is left over and is removed: %s", why, extra={"job": name, "uid": uid})
    worker.cluster.delete("jobs", name, uid, live["metadata"]["resourceVersion"])
