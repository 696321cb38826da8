"""The Job controller: pods for Jobs, and what became of them in the Jobs' status.

It goes by the stages of Kubernetes 1.34: a Job that is to end first has SuccessCriteriaMet or
FailureTarget, and Complete or Failed once no pod of it is left that still runs or terminates. Each
pod has a finalizer until it has been counted.
"""

from dataclasses import dataclass

from ..clock import parse_time
from ..cluster import Cluster
from ..errors import ApiError
from ..objects import DeleteOptions, create, delete
from ..objects.updating import store_update
from ..resources import JOBS, PODS
from ..store import Change, Key, Object, Version
from . import job_status
from .index import Index, controller_uid
from .job_status import Ending
from .queue import Queue
from .recorder import Recorder

TRACKING = "batch.kubernetes.io/job-tracking"
_FIRST_BACKOFF, _LAST_BACKOFF = 10.0, 600.0  # seconds after a failed pod


@dataclass
class _Pods:
    """Of one Job. `active` neither ended nor are being deleted; `terminating` are."""

    all: list[Version]
    active: list[Version]
    terminating: int
    ready: int

    @classmethod
    def of(cls, pods: list[Version]) -> "_Pods":
        open_pods = [pod for pod in pods if not job_status.has_ended(pod)]
        active = [pod for pod in open_pods if not pod.meta.get("deletionTimestamp")]
        ready = sum(job_status.is_ready(pod) for pod in active)
        return cls(pods, active, len(open_pods) - len(active), ready)


class JobController:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._recorder = Recorder(cluster, "job-controller")
        self._pods = Index(self._store, "pods", controller_uid)
        self._queue: Queue[Key] = Queue(cluster, self.reconcile)
        self._store.listen("jobs", lambda change: self._queue.add(change.new.key))
        self._store.listen("pods", self._pod_changed)

    def start(self) -> None:
        for job in self._store.versions("jobs"):
            self._queue.add(job.key)
        for pod in self._store.versions("pods"):
            self._drop_orphan(pod)
        self._queue.start()

    def _pod_changed(self, change: Change) -> None:
        for owner in change.new.meta.get("ownerReferences") or ():
            if owner.get("controller") and owner["kind"] == "Job":
                self._queue.add((change.new.namespace, owner["name"]))

    def reconcile(self, key: Key) -> None:
        job = self._store.get("jobs", *key)
        if job is None:
            self._drop_orphans_of(key)
        elif not job_status.is_finished(job.obj["status"]):
            self._sync(job)

    def _drop_orphans_of(self, key: Key) -> None:
        namespace, name = key
        for pod in self._store.versions("pods", namespace):
            if TRACKING in (pod.meta.get("finalizers") or ()):
                owners = pod.meta.get("ownerReferences") or ()
                if not owners or any(owner["name"] == name for owner in owners):
                    self._drop_orphan(pod)

    def _drop_orphan(self, pod: Version) -> None:
        """Nobody counts the pods of a Job that is gone."""
        if TRACKING not in (pod.meta.get("finalizers") or ()):
            return
        jobs = (self._store.get("jobs", pod.namespace, o["name"]) for o in _owners(pod))
        if not any(job and job.uid in controller_uid(pod) for job in jobs):
            self._remove_finalizer(pod)

    def _sync(self, job: Version) -> None:
        """One pass. Whatever it changes brings the Job back here."""
        pods, obj = _Pods.of(self._pods.find(job.uid)), job.copy()
        status, spec = obj["status"], obj["spec"]
        suspended = bool(spec.get("suspend"))
        if "startTime" not in status and not suspended:
            status["startTime"] = self._cluster.timestamp()
        ending = job_status.ending_of(status) or self._failure(job, obj, pods.all)
        trouble = None
        if ending:
            self._delete(job, pods, pods.active)
        elif not obj["metadata"].get("deletionTimestamp"):
            trouble = self._manage(job, obj, pods)
            succeeded = job_status.finished_count(status, pods.all, succeeded=True)
            if succeeded >= (spec.get("completions") or 1) and not pods.active:
                ending = job_status.COMPLETE
            else:
                self._note_suspension(job, obj, suspended)
        self._track(job, obj, pods, ending)
        if trouble:
            raise trouble

    def _failure(self, job: Version, obj: Object, pods: list[Version]) -> Ending | None:
        status, spec = obj["status"], obj["spec"]
        failed = job_status.finished_count(status, pods, succeeded=False)
        if failed > spec["backoffLimit"]:
            return job_status.BACKOFF_LIMIT
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is None or spec.get("suspend"):
            return None
        due = parse_time(status["startTime"]) + deadline
        if self._cluster.now() >= due:
            return job_status.DEADLINE
        self._queue.add_at(due, job.key)
        return None

    def _manage(self, job: Version, obj: Object, pods: _Pods) -> ApiError | None:
        """Make or delete pods; the error that kept it from making one."""
        spec = obj["spec"]
        if spec.get("suspend"):
            self._delete(job, pods, pods.active, counted=False)
            return None
        succeeded = job_status.finished_count(obj["status"], pods.all, succeeded=True)
        wanted = _wanted(spec, succeeded, len(pods.active))
        surplus = len(pods.active) - wanted
        if surplus > 0:
            self._delete(job, pods, pods.active[-surplus:], counted=False)
            return None
        waits = pods.terminating if spec["podReplacementPolicy"] == "Failed" else 0
        missing = wanted - len(pods.active) - waits
        if missing > 0 and not self._backs_off(job, obj, pods.all):
            return self._create(job, obj, pods, missing)
        return None

    def _backs_off(self, job: Version, obj: Object, pods: list[Version]) -> bool:
        failed = job_status.finished_count(obj["status"], pods, succeeded=False)
        if not failed:
            return False
        pause = min(_FIRST_BACKOFF * 2 ** (failed - 1), _LAST_BACKOFF)
        ended = [job_status.ended_at(pod, self._cluster.now()) for pod in pods]
        due = max(ended, default=self._cluster.now()) + self._cluster.settings.scaled(pause)
        if due > self._cluster.now():
            self._queue.add_at(due, job.key)
            return True
        return False

    def _create(self, job: Version, obj: Object, pods: _Pods, missing: int) -> ApiError | None:
        for _ in range(missing):
            try:
                made = create(self._cluster, PODS, job.namespace, _pod_of(job, obj)).version
            except ApiError as error:
                self._recorder.warning(
                    JOBS, job, "FailedCreate", f"Error creating: {error.message}"
                )
                return error
            message = f"Created pod: {made.name}"
            self._recorder.normal(JOBS, job, "SuccessfulCreate", message)
            pods.active.append(made)
            pods.all.append(made)
        return None

    def _delete(
        self, job: Version, pods: _Pods, chosen: list[Version], *, counted: bool = True
    ) -> None:
        chosen = list(chosen)
        for pod in chosen:
            current = pod if counted else self._remove_finalizer(pod)
            options = DeleteOptions(uid=pod.uid)
            if current is not None:
                delete(self._cluster, PODS, pod.namespace, pod.name, options)
            self._recorder.normal(JOBS, job, "SuccessfulDelete", f"Deleted pod: {pod.name}")
            pods.active.remove(pod)
            pods.ready -= job_status.is_ready(pod)
        if chosen:
            pods.all[:] = self._pods.find(job.uid)
            pods.terminating = _Pods.of(pods.all).terminating

    def _note_suspension(self, job: Version, obj: Object, suspended: bool) -> None:
        """Of a Job that was ever suspended: since when it is, or is no more."""
        status, now = obj["status"], self._cluster.timestamp()
        if not job_status.set_suspended(status, suspended, now):
            return
        reason = "Suspended" if suspended else "Resumed"
        self._recorder.normal(JOBS, job, reason, f"Job {reason.lower()}")
        if not suspended:
            # The deadline counts from here.
            status["startTime"] = now
            self._queue.add(job.key)

    def _track(self, job: Version, obj: Object, pods: _Pods, ending: Ending | None) -> None:
        status, now = obj["status"], self._cluster.timestamp()
        status["ready"], status["terminating"] = pods.ready, pods.terminating
        if pods.active:
            status["active"] = len(pods.active)
        else:
            status.pop("active", None)
        stays = ending is None and not obj["metadata"].get("deletionTimestamp")
        counted = [pod for pod in pods.all if TRACKING in (pod.meta.get("finalizers") or ())]
        if stays:
            counted = [pod for pod in counted if job_status.is_counted(pod)]
        job_status.add_uncounted(status, counted, failing=bool(ending and ending.failed))
        if ending:
            job_status.add_condition(status, ending.interim, ending, now)
        current = self._write(job, obj)
        for pod in counted:
            self._remove_finalizer(pod)
        job_status.count_uncounted(status)
        finished = ending is not None and not pods.terminating and not pods.active
        if ending is not None and finished:
            job_status.add_condition(status, ending.final, ending, now)
            if not ending.failed:
                status["completionTime"] = now
        self._write(current, obj)
        if ending is not None and finished:
            record = self._recorder.warning if ending.failed else self._recorder.normal
            record(JOBS, job, *ending.event)

    def _write(self, job: Version, obj: Object) -> Version:
        """Raises nothing when the Job is gone by now: its pods are dropped as orphans."""
        current = self._store.get("jobs", *job.key)
        if current is None or current.uid != job.uid or current.obj["status"] == obj["status"]:
            return current or job
        fresh = current.copy()
        fresh["status"] = obj["status"]
        return self._store.write("jobs", job_status.copied(fresh))

    def _remove_finalizer(self, pod: Version) -> Version | None:
        """The pod as it is then; None when that was all that held it."""
        current = self._store.get("pods", *pod.key)
        if current is None or TRACKING not in (current.meta.get("finalizers") or ()):
            return current
        obj = current.copy()
        left = [item for item in obj["metadata"]["finalizers"] if item != TRACKING]
        obj["metadata"]["finalizers"] = left
        if not left:
            del obj["metadata"]["finalizers"]
        store_update(self._cluster, PODS, obj, current)
        return self._store.get("pods", *pod.key)


def _owners(pod: Version) -> list[Object]:
    owners: list[Object] = pod.meta.get("ownerReferences") or []
    return owners


def _wanted(spec: Object, succeeded: int, active: int) -> int:
    """How many pods are to be active. Without completions: until the first one succeeds."""
    if "completions" not in spec:
        return active if succeeded else int(spec["parallelism"])
    return max(min(int(spec["completions"]) - succeeded, int(spec["parallelism"])), 0)


def _pod_of(job: Version, obj: Object) -> Object:
    template = job.copy()["spec"]["template"]
    given = template.get("metadata") or {}
    meta: Object = {
        "generateName": f"{job.name}-",
        "labels": given.get("labels") or {},
        "ownerReferences": [
            {
                "apiVersion": JOBS.api_version,
                "kind": JOBS.kind,
                "name": job.name,
                "uid": job.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "finalizers": [*(given.get("finalizers") or ()), TRACKING],
    }
    if given.get("annotations"):
        meta["annotations"] = given["annotations"]
    return {"metadata": meta, "spec": template["spec"]}
