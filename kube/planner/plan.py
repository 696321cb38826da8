"""What the planner makes of a repository's compose file and Dockerfile."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube.planner.problems import Note, Problem
from kube.planner.template import Template


@dataclass(frozen=True, kw_only=True)
class Command:
    """Words to run. `line` is what they were split from; it is split anew where a Task's variable
    changes it. None where compose gave a list, or nothing in it can change."""

    words: tuple[Template, ...]
    line: Template | None = None


@dataclass(frozen=True, kw_only=True)
class Mount:
    """`volume` names one of the plan's volumes; "" is the checkout. `path` is below its root.
    `copies` says that an empty volume first gets what the image has there."""

    volume: str
    target: str
    path: str = ""
    read_only: bool = False
    copies: bool = False


@dataclass(frozen=True, kw_only=True)
class Volume:
    """`memory_bytes` makes it a file system in memory of that size; 0: of the usual size."""

    name: str
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`words` is run as it is; `shell` by /bin/sh. One of them is empty. The service has
    `patience` seconds to get ready."""

    words: tuple[str, ...] = ()
    shell: Template = Template()
    period: int
    timeout: int
    patience: int


@dataclass(frozen=True, kw_only=True)
class EnvFile:
    """A path in the checkout. `task_variables`: it stands for the Task's variables."""

    path: str
    required: bool = True
    format: str = "compose"
    task_variables: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of the compose file. `image` is "" where it runs the image that is built.

    None means: as the image says. An environment value of None is the Task's variable of that
    name. `completes`: others wait until it has ended well. Bytes; CPUs; user and group ids.
    """

    name: str
    container: str
    image: str
    completes: bool = False
    entrypoint: Command | None = None
    command: Command | None = None
    environment: Mapping[str, Template | None] = field(default_factory=dict)
    env_files: tuple[EnvFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    shm_bytes: int = 0
    probe: Probe | None = None
    user: int | None = None
    group: int | None = None
    working_dir: str = ""
    memory_bytes: int = 0
    memory_request_bytes: int = 0
    cpus: float = 0
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Build:
    """How the image is built. Paths are in the checkout, `context` is "" for all of it. An
    argument of None has the value of the Task's variable of that name."""

    context: str
    dockerfile: str
    target: str = ""
    args: Mapping[str, Template | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A place where a variable that was taken to be unset decides about the shape of the pod: a
    Task that sets it cannot have this plan."""

    service: str
    key: str
    variable: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`services` are those that the main one needs, in starting order, without it. `hosts` maps
    each name to an address."""

    main: Service
    services: tuple[Service, ...]
    build: Build
    volumes: tuple[Volume, ...]
    hosts: Mapping[str, str]
    stop_seconds: int = 0
    uses: tuple[Use, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanRefused:
    """This repository cannot run on Kubernetes as it is."""

    problems: tuple[Problem, ...]
