"""Which image a reference stands for. There is nothing to download: a table says what runs.

| Kind | What runs |
|---|---|
| `agent` | our image: this checkout's worker_image with the Python of the sandbox |
| `busybox` | the command, with a busybox that passes on to the tools of this machine |
| `kaniko` | a stand-in executor, with a busybox beside it as in the -debug images |
| `pushed` | the command, in a copy of the tree that the executor pushed to the registry stand-in |
| `service` | a stand-in that obeys probes and TERM, and opens no port |
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.kubernetes.registry.client import Registry, RegistryError

from .settings import Settings

# The first expression found in the repository (host and path, no tag) decides.
TABLE = (
    (r"(^|/)(switchyard-agent|switchyard-worker|worker-image|worker_image|agent)$", "agent"),
    (r"(^|/)(kaniko|kaniko-project/executor)$|/kaniko(/|$)", "kaniko"),
    (r"(^|/)(busybox|switchyard-tools|tools)$", "busybox"),
)
# What is pulled from anywhere else is a service; a host that is not known does not exist.
KNOWN_HOSTS = frozenset(
    ("docker.io", "ghcr.io", "quay.io", "gcr.io", "registry.k8s.io", "public.ecr.aws")
    + ("mcr.microsoft.com", "registry.gitlab.com", "docker.elastic.co", "registry-1.docker.io")
)
LOOPBACK = re.compile(r"(127(\.\d+){3}|localhost)(:\d+)?")
_REFERENCE = re.compile(
    r"(?P<name>(?:(?P<host>(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|[A-Za-z0-9-]+:\d+"
    r"|localhost))/)?(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*))"
    r"(?::(?P<tag>[A-Za-z0-9_][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class InvalidName(Exception):
    """InvalidImageName; the message is the kubelet's."""


class PullError(Exception):
    """ErrImagePull; the message is the one of containerd."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    text: str
    host: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def full(self) -> str:
        """As containerd names it in messages."""
        official = self.host == "docker.io" and "/" not in self.path
        path = f"library/{self.path}" if official else self.path
        return f"{self.host}/{path}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


@dataclass(frozen=True, kw_only=True)
class Image:
    """`places` are paths of the image itself that a command may name; `tree` holds its files."""

    kind: str
    image_id: str
    size: int = 0
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    stop_signal: str = "SIGTERM"
    places: tuple[str, ...] = ()
    tree: Path | None = None


BUILT_IN = {
    "agent": Image(
        kind="agent",
        image_id="",
        size=61_000_000,
        entrypoint=("python3", "-m", "switchyard_agent"),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/opt/switchyard"},
        user="10001",
        places=("/opt/switchyard", "/usr/local/bin", "/home/agent"),
    ),
    "busybox": Image(
        kind="busybox",
        image_id="",
        size=2_200_000,
        cmd=("sh",),
        env={"PATH": "/bin"},
        places=("/bin",),
    ),
    "kaniko": Image(
        kind="kaniko",
        image_id="",
        size=38_000_000,
        entrypoint=("/kaniko/executor",),
        env={
            "PATH": "/usr/local/bin:/kaniko:/busybox",
            "HOME": "/root",
            "USER": "root",
            "DOCKER_CONFIG": "/kaniko/.docker/",
        },
        workdir="/workspace",
        places=("/kaniko", "/busybox", "/workspace"),
    ),
    "service": Image(kind="service", image_id="", size=120_000_000),
}


def parse(text: str) -> Reference:
    """Raises InvalidName."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise InvalidName(
            f'Failed to apply default image tag "{text}": couldn\'t parse image name "{text}":'
            " invalid reference format"
        )
    return Reference(
        text=text,
        host=found["host"] or "docker.io",
        path=found["path"],
        tag=found["tag"] or ("" if found["digest"] else "latest"),
        digest=found["digest"] or "",
    )


def find(reference: Reference, settings: Settings) -> Image:
    """Raises PullError."""
    for expression, kind in (*settings.images, *TABLE):
        if re.search(expression, reference.repository):
            return _built_in(kind, reference)
    if url := registry_url(reference.host, settings.registries):
        return _pushed(reference, Registry(url))
    if reference.host not in KNOWN_HOSTS:
        raise PullError(pull_message(reference, no_such_host(reference.host)))
    return _built_in("service", reference)


def registry_url(host: str, registries: Mapping[str, str]) -> str | None:
    """Where the registry of this host answers; None where this node knows none."""
    if host in registries:
        return registries[host]
    return f"http://{host}" if LOOPBACK.fullmatch(host) else None


def _built_in(kind: str, reference: Reference) -> Image:
    about = BUILT_IN[kind]
    digest = reference.digest or f"sha256:{hashlib.sha256(reference.full.encode()).hexdigest()}"
    repository = reference.full.partition("@")[0].rpartition(f":{reference.tag}")[0]
    return Image(
        **{**about.__dict__, "image_id": f"{repository or reference.repository}@{digest}"},
    )


def _pushed(reference: Reference, registry: Registry) -> Image:
    try:
        pulled = registry.pull(reference.path, reference.digest or reference.tag)
    except RegistryError as error:
        raise PullError(pull_message(reference, _why(error, reference))) from error
    config = pulled.config
    return Image(
        kind="pushed",
        image_id=f"{reference.repository}@{pulled.digest}",
        size=pulled.size,
        entrypoint=tuple(config.get("Entrypoint") or ()),
        cmd=tuple(config.get("Cmd") or ()),
        env=dict(entry.split("=", 1) for entry in config.get("Env") or []),
        workdir=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
        stop_signal=config.get("StopSignal") or "SIGTERM",
        places=pulled.places,
        tree=pulled.tree,
    )


def _why(error: RegistryError, reference: Reference) -> str:
    if error.status == 404:
        return f"{reference.full}: not found"
    if error.status == 401:
        return UNAUTHORIZED
    if error.status == 403:
        return DENIED
    if error.status:
        return f"unexpected status from HEAD request: {error.status}"
    return f'failed to do request: Head "http://{reference.host}/v2/": dial tcp: {error}'


UNAUTHORIZED = (
    "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"
)
DENIED = (
    "pull access denied, repository does not exist or may require authorization: server message:"
    " insufficient_scope: authorization failed"
)


def no_such_host(host: str) -> str:
    name = host.partition(":")[0]
    return f'failed to do request: Head "https://{host}/v2/": dial tcp: lookup {name}: no such host'


def refused(host: str) -> str:
    return (
        f'failed to do request: Head "https://{host}/v2/": dial tcp 192.0.2.1:443:'
        " connect: connection refused"
    )


def pull_message(reference: Reference, why: str) -> str:
    """As the kubelet shows an error of containerd."""
    code = "NotFound" if why.endswith(": not found") else "Unknown"
    return (
        f'rpc error: code = {code} desc = failed to pull and unpack image "{reference.full}":'
        f' failed to resolve reference "{reference.full}": {why}'
    )
