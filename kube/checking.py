"""Preflight: is everything there that this backend needs?"""

from collections.abc import Iterator

from dispatch.backends import BackendError, Finding
from kube.api import Cluster
from kube.config import Config
from kube.models import StrayJob
from kube.registry import Registry, Unseen

NEEDED = (
    ("batch", "jobs", ("get", "create", "list", "watch", "patch", "delete")),
    ("", "pods", ("get", "list", "watch")),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create",)),
    ("", "configmaps", ("create",)),
    ("", "events", ("list",)),
)
OLDEST = (1, 33)
MOST_NAMED = 10


def findings(cluster: Cluster, registry: Registry, config: Config) -> Iterator[Finding]:
    yield from _of_the_cluster(cluster, config)
    if config.build_once:
        yield _of_the_registry(registry)
    yield from _of_what_is_pushed(registry, config)


def _of_the_registry(registry: Registry) -> Finding:
    """The controller has to see what was built, or nothing is shared."""
    try:
        registry.check()
    except Unseen as trouble:
        remedy = (
            "Let the controller reach it: see SWITCHYARD_KUBE_REGISTRY and what begins so. Until "
            "then each Task builds an image of its own."
        )
        return Finding(level="error", text=f"The registry: {trouble}", remedy=remedy)
    return Finding(level="ok", text="The registry answers the controller.")


def _of_what_is_pushed(registry: Registry, config: Config) -> Iterator[Finding]:
    try:
        path = f"{config.registry.partition('/')[2]}/preflight".lstrip("/")
        if config.build_once:
            registry.check_below(path)
    except Unseen as trouble:
        remedy = (
            "Let it answer 404 for what is not there: what it cannot be asked is not shared, and "
            "each Task builds its own. See SWITCHYARD_KUBE_REGISTRY and ..._URL."
        )
        yield Finding(level="warning", text=f"Built images: {trouble}", remedy=remedy)
    remedy = (
        "Let nobody but the worker namespace reach it to push, and keep there what is built and "
        "nothing else: docs/operations.md, Images in the registry."
    )
    text = "Jobs push to the registry without a login: whatever runs in a pod may push, too."
    yield Finding(level="warning", text=text, remedy=remedy)


def _of_the_cluster(cluster: Cluster, config: Config) -> Iterator[Finding]:
    try:
        version = cluster.version()
        missing = list(_missing_rights(cluster))
    except BackendError as error:
        remedy = "Check SWITCHYARD_KUBECONFIG and that the API server is up."
        yield Finding(level="error", text=str(error), remedy=remedy)
        return
    yield Finding(level="ok", text=f"The cluster answers; it runs Kubernetes {version}.")
    if _number(version) < OLDEST:
        remedy = "Upgrade: before 1.33 a sidecar with a startupProbe can hang a pod for ever."
        yield Finding(level="warning", text=f"Kubernetes {version} is old.", remedy=remedy)
    if missing:
        remedy = f"Grant them to our ServiceAccount in {config.manifest.namespace}."
        yield Finding(level="error", text=f"We may not: {', '.join(missing)}.", remedy=remedy)
    strays = list(StrayJob.objects.values_list("name", flat=True)[:MOST_NAMED])
    if strays:
        text = f"Jobs with our labels belong to no Assignment: {', '.join(strays)}."
        remedy = "They are left alone: they end by themselves, or delete them by hand."
        yield Finding(level="warning", text=text, remedy=remedy)


def _missing_rights(cluster: Cluster) -> Iterator[str]:
    for group, resource, verbs in NEEDED:
        for verb in verbs:
            if not cluster.allowed(verb, group, resource):
                yield f"{verb} {resource}"


def _number(version: str) -> tuple[int, ...]:
    parts = version.lstrip("v").split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)
