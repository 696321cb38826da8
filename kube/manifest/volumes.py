"""The volumes of the pod. Every empty one has a size that it may not pass."""

from typing import Any

from kube.manifest import places
from kube.manifest.places import Json
from kube.manifest.request import JobRequest
from kube.manifest.settings import MI, ManifestSettings, quantity
from kube.planner.plan import Plan, Volume

READABLE = 0o444
SMALL = 16 * MI


def volumes(plan: Plan, request: JobRequest, settings: ManifestSettings) -> list[Json]:
    services = (*plan.services, plan.main)
    memory = {
        places.shared_memory(service.container): service.shm_bytes
        for service in services
        if service.shm_bytes
    }
    return [
        *(_empty(name, size) for name, size in _folder_sizes(settings).items()),
        *_secrets(request),
        _config(places.PLAN_VOLUME, request, "plan.json"),
        _config(places.HOSTS_VOLUME, request, "hosts"),
        *(_of_compose(volume, settings) for volume in plan.volumes),
        *(_empty(name, size, medium="Memory") for name, size in memory.items()),
    ]


def memory_of(volume: Volume, settings: ManifestSettings) -> int:
    """What it takes of the memory of who mounts it; 0 where it lies on disk."""
    if volume.memory_bytes is None:
        return 0
    return volume.memory_bytes or settings.memory_volume_bytes


def _folder_sizes(settings: ManifestSettings) -> dict[str, int]:
    logs = settings.log_bytes
    checkout = settings.checkout_bytes
    return {
        "bin": SMALL,
        "ctl": SMALL,
        "out": logs,
        "steps": logs,
        "checkout": checkout,
        "work": logs,
    }


def _secrets(request: JobRequest) -> list[Json]:
    found = [
        _secret(places.AGENT_SECRET, request, token="token", env="env"),
        _secret(places.CLONE_SECRET, request, token="token"),
    ]
    if request.pull_login:
        found.append(_secret(places.PULL_LOGIN, request, **{"pull-login": "config.json"}))
    if request.push_login and request.builds:
        found.append(_secret(places.PUSH_LOGIN, request, **{"push-login": "config.json"}))
    return found


def _of_compose(volume: Volume, settings: ManifestSettings) -> Json:
    if memory := memory_of(volume, settings):
        return _empty(volume.name, memory, medium="Memory")
    return _empty(volume.name, settings.volume_bytes)


def _empty(name: str, size: int, *, medium: str = "") -> Json:
    content: Json = {"medium": medium} if medium else {}
    return {"name": name, "emptyDir": {**content, "sizeLimit": quantity(size)}}


def _secret(name: str, request: JobRequest, **paths: str) -> Json:
    content: Json = {
        "secretName": request.dependents,
        "items": _items(paths),
        "defaultMode": READABLE,
    }
    return {"name": name, "secret": content}


def _config(name: str, request: JobRequest, key: str) -> Json:
    content: Json = {
        "name": request.dependents,
        "items": _items({key: key}),
        "defaultMode": READABLE,
    }
    return {"name": name, "configMap": content}


def _items(paths: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "path": path} for key, path in paths.items()]
