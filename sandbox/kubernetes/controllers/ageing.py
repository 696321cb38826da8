"""What goes by its age: finished Jobs with a time to live, events, the history of changes."""

from ..clock import parse_time
from ..cluster import Cluster
from ..objects import DeleteOptions, delete
from ..resources import JOBS
from ..store import Change, Key, Version
from .queue import Queue

_LOOKS = 10  # at events and history, in the time that they are kept


class Ageing:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._settings = cluster.settings
        self._jobs: Queue[Key] = Queue(cluster, self._look_at_job)
        self._store.listen("jobs", self._job_changed)

    def start(self) -> None:
        for job in self._store.versions("jobs"):
            self._jobs.add(job.key)
        self._jobs.start()
        self._forget_events()
        self._compact()

    def _job_changed(self, change: Change) -> None:
        if not change.deleted and "ttlSecondsAfterFinished" in change.new.obj["spec"]:
            self._jobs.add(change.new.key)

    def _look_at_job(self, key: Key) -> None:
        job = self._store.get("jobs", *key)
        if job is None or job.meta.get("deletionTimestamp"):
            return
        ttl, finished = job.obj["spec"].get("ttlSecondsAfterFinished"), _finished_at(job)
        if ttl is None or finished is None:
            return
        due = finished + self._settings.scaled(ttl)
        if due > self._cluster.now():
            self._jobs.add_at(due, key)
            return
        options = DeleteOptions(policy="Foreground", uid=job.uid)
        delete(self._cluster, JOBS, *key, options)

    def _forget_events(self) -> None:
        ttl = self._settings.scaled(self._settings.event_ttl)
        oldest = self._cluster.now() - ttl
        for event in self._store.versions("events"):
            if _told_at(event) <= oldest:
                self._store.remove("events", event.copy())
        self._cluster.timers.after(ttl / _LOOKS, self._forget_events)

    def _compact(self) -> None:
        age = self._settings.scaled(self._settings.history)
        self._store.compact(self._store.revision_at(self._cluster.now() - age))
        self._cluster.timers.after(age, self._compact)


def _finished_at(job: Version) -> float | None:
    for condition in job.obj["status"].get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return parse_time(condition["lastTransitionTime"])
    return None


def _told_at(event: Version) -> float:
    series = event.obj.get("series") or {}
    times = (
        event.obj.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.obj.get("eventTime"),
    )
    return parse_time(next((t for t in times if t), event.meta["creationTimestamp"]))
