"""One Assignment as the manifest builder needs to know it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from kube.manifest.settings import ManifestSettings
from kube.planner.plan import Plan

# What is left for the agent when a service uses up its time to stop.
AGENT_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Login:
    """Name and password for the registry of an image."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where a Job has its image from, and its full reference. `built_by` is another Assignment, of
    which it is there already; None: the Job builds it, in the resource class `size` at least."""

    reference: str
    built_by: UUID | None = None
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """`source` is the image to build and to run, or to run alone; `cache_repository` where layers
    are kept ("" for nowhere), `size` an index into the settings' resource classes. `variables` are
    the Task's own, secrets all of them.

    `suffix` tells what belongs to this Job from what belonged to another one of its name.

    A login is for the registry of `image`: to push and pull for the builder, to pull for agent and
    kubelet; None where the registry asks nobody.
    """

    task_id: UUID
    assignment_id: UUID
    attempt: int
    account: str
    repository: str
    commit: str
    clone_url: str
    timeout_seconds: int
    source: ImageSource
    cache_repository: str = ""
    size: int = 0
    suffix: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    token: str = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    push_login: Login | None = None
    pull_login: Login | None = None

    @property
    def name(self) -> str:
        return job_name(self.task_id, self.attempt)

    @property
    def dependents(self) -> str:
        """The name, or the beginning of it, of all that belongs to the Job."""
        return f"{self.name}-{self.suffix}" if self.suffix else self.name

    @property
    def variables_secret(self) -> str:
        return f"{self.dependents}-env"

    @property
    def pull_secret(self) -> str:
        return f"{self.dependents}-pull"

    @property
    def image(self) -> str:
        return self.source.reference

    @property
    def builds(self) -> bool:
        return self.source.built_by is None

    @property
    def registry(self) -> str:
        return self.image.partition("/")[0]


def job_name(task_id: UUID, attempt: int) -> str:
    return f"task-{task_id}-a{attempt}"


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds: from TERM to KILL for the whole pod, and from the Job's release to its deadline."""

    grace: int
    deadline: int


def times_of(plan: Plan, request: JobRequest, settings: ManifestSettings) -> Times:
    """The grace is one budget: services end within it, and the agent after them."""
    wanted = plan.stop_seconds + AGENT_SECONDS if plan.stop_seconds else 0
    grace = max(settings.grace, min(settings.longest_grace, wanted))
    deadline = settings.queue_allowance + request.timeout_seconds + grace
    return Times(grace=grace, deadline=deadline)
