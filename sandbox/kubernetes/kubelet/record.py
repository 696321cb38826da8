"""What the kubelet remembers of a pod, on disk, so that another kubelet can go on.

DIR/pods/<uid>/
- `pod.json`: the pod as the API server had it last
- `record.json`: this
- `volumes/<name>/`
- `containers/<name>/root/`: the root of the run that is on; `containers/<name>/<n>/`: the n-th run
"""

import json
import os
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .disk import remove
from .spec import Json


@dataclass(kw_only=True)
class Run:
    """One run of a container. Times are seconds since the epoch. `doom` (oom, crash) is how a fault
    ends it at `doom_at`, `doom_code` what it seems to have ended with then; `doomed`: it was so.
    `well_after`: the seconds that a stand-in takes to start up, None for a real program."""

    number: int
    id: str = ""
    image: str = ""
    image_id: str = ""
    kind: str = ""
    user: str = ""
    stop_signal: str = "SIGTERM"
    places: list[str] = field(default_factory=list)
    root_bytes: int = 0
    started_at: float | None = None
    started: bool = False
    ready: bool = False
    term_at: float | None = None
    kill_at: float | None = None
    killed: bool = False
    finished_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    doom: str = ""
    doom_at: float | None = None
    doom_code: int = 137
    doomed: bool = False
    well_after: float | None = None
    not_before: float | None = None
    never_ready: bool = False
    ignores_term: bool = False

    @property
    def over(self) -> bool:
        return self.exit_code is not None


@dataclass(kw_only=True)
class Pull:
    """`due_at`: when the pull that is on ends. `error` is what the last one failed with."""

    tries: int = 0
    due_at: float | None = None
    began_at: float | None = None
    failed_at: float | None = None
    next_at: float = 0.0
    error: str = ""


@dataclass(kw_only=True)
class ContainerRecord:
    """`passed`: the containers after it may start. `waiting` is (reason, message). `last` is the
    run before; `delay` the back-off in simulated seconds that it began, until `again_at`."""

    runs: int = 0
    restarts: int = 0
    passed: bool = False
    run: Run | None = None
    last: Run | None = None
    pull: Pull = field(default_factory=Pull)
    waiting: list[str] = field(default_factory=list)
    delay: float = 0.0
    again_at: float = 0.0

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.started_at is not None and not self.run.over


@dataclass(kw_only=True)
class Ending:
    """The pod has to end: at `at`, with `grace` seconds for all of it. `reason` and `message` go
    into the pod's status."""

    why: str
    at: float
    grace: float
    reason: str = ""
    message: str = ""


@dataclass(kw_only=True)
class PodRecord:
    """`over`: nothing of it runs any more, and nothing will."""

    ip: str
    started_at: float | None = None
    mounted: bool = False
    initialized_at: float | None = None
    evict_at: float | None = None
    evict_message: str = ""
    ending: Ending | None = None
    over: bool = False
    containers: dict[str, ContainerRecord] = field(default_factory=dict)

    def of(self, name: str) -> ContainerRecord:
        return self.containers.setdefault(name, ContainerRecord())


class Shelf:
    """One pod's place on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volumes = folder / "volumes"

    def container(self, name: str) -> Path:
        return self.folder / "containers" / name

    def root(self, name: str) -> Path:
        return self.container(name) / "root"

    def run(self, name: str, number: int) -> Path:
        return self.container(name) / str(number)

    def save_pod(self, pod: Json) -> None:
        self._write("pod.json", pod)

    def save(self, record: PodRecord) -> None:
        self._write("record.json", asdict(record))

    def load(self) -> tuple[Json, PodRecord] | None:
        """None where the pod was never begun."""
        try:
            pod = json.loads((self.folder / "pod.json").read_text())
            content = json.loads((self.folder / "record.json").read_text())
        except FileNotFoundError:
            return None
        return pod, _parse(content)

    def free(self) -> None:
        """All but the logs and what they belong to: nothing runs any more."""
        remove(self.volumes)
        for folder in (self.folder / "containers").glob("*/root"):
            remove(folder)

    def remove(self) -> None:
        """It vanishes at once, even if this is cut short."""
        if self.folder.exists():
            grave = self.folder.with_name(f".gone-{uuid.uuid4().hex}")
            os.replace(self.folder, grave)
            remove(grave)

    def _write(self, name: str, content: Json) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / f".{name}"
        draft.write_text(json.dumps(content))
        os.replace(draft, self.folder / name)


def _parse(content: Json) -> PodRecord:
    containers = {
        name: ContainerRecord(
            **{
                **raw,
                "run": Run(**raw["run"]) if raw["run"] else None,
                "last": Run(**raw["last"]) if raw["last"] else None,
                "pull": Pull(**raw["pull"]),
            }
        )
        for name, raw in content["containers"].items()
    }
    ending = Ending(**content["ending"]) if content["ending"] else None
    return PodRecord(**{**content, "containers": containers, "ending": ending})
