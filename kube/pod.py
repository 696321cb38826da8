"""A pod as the API shows it, read container by container. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from kube.names import AGENT, OURS, SEED, TEST

Json = dict[str, Any]

INIT, SIDECAR, MAIN = "init", "sidecar", "main"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Container:
    """One container of a pod: what was asked for, and how it is."""

    name: str
    kind: str
    image: str
    spec: Json
    status: Json

    @property
    def running(self) -> Json | None:
        return self._state("running")

    @property
    def waiting(self) -> tuple[str, str]:
        """Reason and message, both empty where it does not wait."""
        found = self._state("waiting") or {}
        return str(found.get("reason") or ""), str(found.get("message") or "")

    @property
    def terminated(self) -> Json | None:
        return self._state("terminated")

    @property
    def last(self) -> Json:
        """How its run before ended; empty where there was none."""
        return (self.status.get("lastState") or {}).get("terminated") or {}

    @property
    def ended(self) -> Json:
        """How its newest run that is over ended; empty where none is."""
        return self.terminated or self.last

    @property
    def restarts(self) -> int:
        return int(self.status.get("restartCount") or 0)

    @property
    def begun(self) -> bool:
        return bool(self.running or self.terminated or self.restarts)

    @property
    def started(self) -> bool:
        """It runs, and its startup probe has succeeded where it has one."""
        return bool(self.running and self.status.get("started", True))

    @property
    def seeds(self) -> str:
        """Whose volumes it fills; "" for any other container."""
        return self.name.removeprefix(SEED) if self.name.startswith(SEED) else ""

    @property
    def is_service(self) -> bool:
        """One of the compose file's."""
        return self.name not in OURS and not self.seeds

    @property
    def patience(self) -> float:
        """Seconds for which its startup probe may fail."""
        probe = self.spec.get("startupProbe") or {}
        period = float(probe.get("periodSeconds") or 10)
        return float(probe.get("failureThreshold") or 3) * period if probe else 0.0

    def last_words(self) -> str:
        ended = self.ended
        words = str(ended.get("message") or ended.get("reason") or "").strip()
        return f"exit code {ended.get('exitCode', 'unknown')} {words}".strip()

    def _state(self, name: str) -> Json | None:
        found: Json | None = (self.status.get("state") or {}).get(name)
        return found


class Pod:
    """`events` are those about it, and others."""

    def __init__(self, raw: Json, events: Sequence[Json], now: datetime) -> None:
        self.metadata: Json = raw.get("metadata") or {}
        self.spec: Json = raw.get("spec") or {}
        self.status: Json = raw.get("status") or {}
        self.now = now
        self._events = events

    @property
    def over(self) -> bool:
        """No container of it runs, and none will."""
        return self.status.get("phase") in ("Succeeded", "Failed")

    @property
    def grace(self) -> float:
        """Seconds from TERM to KILL, for all of it."""
        return float(self.spec.get("terminationGracePeriodSeconds") or 0)

    @cached_property
    def began(self) -> datetime:
        moments = (self.status.get("startTime"), self.metadata.get("creationTimestamp"))
        return next(filter(None, map(parse_time, moments)), self.now)

    @cached_property
    def deleted_at(self) -> datetime | None:
        """When the time that it gets to end is over, where its deletion was asked for."""
        return parse_time(self.metadata.get("deletionTimestamp"))

    def condition(self, kind: str, value: str = "True") -> Json | None:
        for condition in self.status.get("conditions") or []:
            if condition.get("type") == kind and condition.get("status") == value:
                found: Json = condition
                return found
        return None

    def since(self, kind: str, value: str = "True") -> datetime | None:
        """Since when a condition has this value."""
        return parse_time((self.condition(kind, value) or {}).get("lastTransitionTime"))

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """In starting order."""
        return tuple(self._containers())

    def _containers(self) -> Iterator[Container]:
        for field in ("initContainers", "containers"):
            specs = {item["name"]: item for item in self.spec.get(field) or []}
            statuses = self.status.get(f"{field.removesuffix('s')}Statuses") or []
            for status in statuses:
                spec = specs.get(status["name"], {})
                yield _container(field, spec, status)

    def turn_of(self, container: Container) -> datetime:
        """When it could begin at the earliest: everything before it had begun, or ended. It may lie
        too early where a probe was waited for: nothing tells when that succeeded."""
        up = self.since("PodReadyToStartContainers") or self.since("PodScheduled")
        moments = [up, self.began]
        before = self.containers[: self.containers.index(container)]
        moments += [_passed_at(item) for item in before if item.kind != MAIN]
        if container.kind == MAIN:
            moments.append(self.since("Initialized"))
        return max(filter(None, moments))

    def find(self, name: str) -> Container | None:
        return next((item for item in self.containers if item.name == name), None)

    @property
    def tests_begun(self) -> bool:
        test = self.find(TEST)
        return test is not None and test.begun

    @property
    def agent_speaks(self) -> bool:
        agent = self.find(AGENT)
        return not self.over and agent is not None and agent.running is not None

    @property
    def cut_off(self) -> bool:
        """Its node does not answer: the control plane marks the pod, and of its containers the last
        word still stands that they are well."""
        told = self.condition("Ready", "False") and self.condition("ContainersReady")
        return not self.over and bool(told)

    def went_on_after(self, container: Container) -> bool:
        """Whether one behind it has begun."""
        behind = self.containers[self.containers.index(container) + 1 :]
        return any(item.begun for item in behind)

    def image_is_ours(self, container: Container) -> bool:
        """Also where a service, or what fills its volumes, runs the image that was built."""
        test = self.find(TEST)
        built = test is not None and container.image == test.image != ""
        return built or container.name in OURS or container.seeds == TEST

    def events(self, *reasons: str, container: Container | None = None) -> list[Json]:
        """Those about the pod, or about one container of it, with these reasons; oldest first."""
        where = f"{{{container.name}}}" if container else ""
        found = [
            event
            for event in self._events
            if event.get("reason") in reasons
            and self._is_about_us(event.get("involvedObject") or {}, where)
        ]
        return sorted(found, key=lambda event: last_seen(event) or self.now)

    def _is_about_us(self, involved: Json, where: str) -> bool:
        same = involved.get("uid") in (None, self.metadata.get("uid"))
        pod = involved.get("kind") in (None, "Pod")
        return pod and same and str(involved.get("fieldPath") or "").endswith(where)


def _container(field: str, spec: Json, status: Json) -> Container:
    name = status["name"]
    kind = MAIN if field == "containers" else INIT
    if name == AGENT or spec.get("restartPolicy") == "Always":
        kind = SIDECAR
    image = str(spec.get("image") or status.get("image") or "")
    return Container(name=name, kind=kind, image=image, spec=spec, status=status)


def _passed_at(container: Container) -> datetime | None:
    """When it let the one behind it begin, as far as its status tells. A sidecar that was started
    again shows its last start only."""
    if container.kind == SIDECAR:
        running = None if container.restarts else container.running
        return parse_time((running or {}).get("startedAt"))
    return parse_time((container.terminated or {}).get("finishedAt"))


def first_seen(event: Json) -> datetime | None:
    return parse_time(event.get("firstTimestamp") or event.get("eventTime"))


def last_seen(event: Json) -> datetime | None:
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next(filter(None, map(parse_time, moments)), None)


def parse_time(text: Any) -> datetime | None:
    """RFC 3339, as Kubernetes writes it."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
