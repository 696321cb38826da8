"""The Backend interface: a way to execute Tasks, with its promises at each signature.

Backends are found by dotted path in the ordered `settings.BACKENDS`; each path names a
`BackendEntry`. The core never imports a backend, and loops call backends: backends inherit
no loop.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from dispatch.models import Assignment


class BackendError(Exception):
    """One class per reaction of the caller. Anything else that a backend raises is a bug."""


class NoCapacity(BackendError):
    """Stay queued; nothing is wrong."""


class Waits(NoCapacity):
    """Stay queued, and untried: it waits for `what` (64 characters at most), which another
    Assignment makes, and keeps nobody else back. The message says so to people. The backend calls
    `waiting.let_go_on` when there is nothing to wait for any more."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


class Unavailable(BackendError):
    """Back off and try again; counts against the backend's health.

    `retry_after` is the number of seconds that the backend asked for, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(BackendError):
    """This backend can never run it; the message names what to change."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What a backend needs to know to say whether it could run a Task."""

    account: str
    repository: str
    commit: str
    clone_url: str = ""
    project_name: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    compose_text: str | None = None
    dockerfile_text: str | None = None
    command: str | None = None
    test_files: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Eligibility:
    """Why a Task cannot run on a backend; no reasons = it can."""

    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an Assignment went. `image_from`: the Assignment whose image it runs, where another
    one built it. `recorded`: the backend has written it down by itself, in its own guarded
    statement, and the caller need not."""

    external_id: str
    image_from: UUID | None = None
    recorded: bool = False


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a backend sees of one open Assignment now.

    `holds`: it still holds something for it. `ended`: an outcome category when the backend
    knows that this attempt is over without a verdict, and `seen` what it saw then: JSON of a
    bounded size, free of secrets, kept in the Task's story. `pending`: why it does not run yet.
    """

    assignment_id: UUID
    holds: bool
    ended: str | None = None
    detail: str = ""
    pending: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How many Assignments `start` would take now, and how many the backend runs at most."""

    free: int
    in_use: int = 0
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a preflight. level: ok, warning or error."""

    level: str
    text: str
    remedy: str = ""


class Backend(Protocol):
    def eligible(self, spec: TaskSpec) -> Eligibility:
        """Pure: no network, no database. The same spec always gets the same answer."""

    def start(self, assignment: "Assignment") -> Placement:
        """Bring the Assignment to life. Idempotent by its id: already started, and verified to
        be ours, is success. Never brings a closed one to life.
        Raises NoCapacity (or Waits), Unavailable or Rejected."""

    def stop(self, assignment: "Assignment") -> None:
        """Free whatever is held for it; already gone is success. Returns before it is gone:
        `observe` tells when nothing is held any more. Raises Unavailable."""

    def observe(self, assignments: Sequence["Assignment"]) -> list[Sighting]:
        """What is there of these now. Writes nothing into the core's tables.
        One that is not mentioned was not seen either way. Raises Unavailable."""

    def capacity(self) -> Capacity:
        """Cheap: asked before every placing. Raises Unavailable."""

    def check(self) -> Iterable[Finding]:
        """Preflight findings: is everything there that this backend needs?"""


@runtime_checkable
class BatchBackend(Backend, Protocol):
    """A backend to which starting many costs little more than starting one."""

    def start_all(self, assignments: Sequence["Assignment"]) -> dict[UUID, Placement]:
        """`start` for each of them, by id; those that are left out stay queued.
        Raises Unavailable."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop of the controller: `step` runs every `every` seconds, and at once when one of the
    topics in `wakes` arrives, but never sooner than `rest` seconds after the last one: what comes
    in crowds is dealt with together. A step that raises is logged, shown, and run again later."""

    name: str
    step: Callable[[], None]
    every: float
    wakes: frozenset[str] = frozenset()
    rest: float = 0.005


@dataclass(frozen=True, kw_only=True)
class NavigationEntry:
    title: str
    url_name: str


@dataclass(frozen=True, kw_only=True)
class BackendEntry:
    """What one backend brings. Everything but the backend itself is optional.

    `agent_urls` is a URLconf mounted at the root, `console_urls` one mounted under the console
    for logged-in staff; `holder_url` names the page there about one external id. `facts` are
    a few (label, value) pairs about its state for the overview, from the database alone.
    `metrics` yields Prometheus metric families, `checks` Django's system check messages.
    """

    title: str
    backend: Callable[[], Backend]
    loops: tuple[Loop, ...] = ()
    agent_urls: str = ""
    console_urls: str = ""
    navigation: tuple[NavigationEntry, ...] = ()
    holder_url: str = ""
    facts: Callable[[], Iterable[tuple[str, str]]] = tuple
    metrics: Callable[[], Iterable[Any]] = tuple
    checks: Callable[[], Iterable[CheckMessage]] = tuple


@cache
def load(path: str) -> BackendEntry:
    """The entry at a dotted path. Raises ImportError or TypeError where there is none."""
    entry = import_string(path)
    if not isinstance(entry, BackendEntry):
        raise TypeError(f"{path} is no BackendEntry")
    return entry


@cache
def _make(path: str) -> Backend:
    return load(path).backend()


# All loops ask for it when they begin, and a cache alone would make one for each.
_making = RLock()


def entries() -> dict[str, BackendEntry]:
    """The configured backends by name, in order."""
    return {name: load(path) for name, path in settings.BACKENDS.items()}


def get(name: str) -> Backend:
    """The one instance of a configured backend in this process. KeyError where it is not."""
    with _making:
        return _make(settings.BACKENDS[name])


def forget() -> None:
    """Drop the instances of this process, so that the next `get` reads the settings anew."""
    load.cache_clear()
    _make.cache_clear()
