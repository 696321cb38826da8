"""What the API tells of itself: versions, groups and resources."""

from typing import Any

from ..resources import GROUPS, RESOURCES, Resource
from ..settings import VERSION
from ..store import Object

_MAJOR, _MINOR = VERSION[1:].split(".")[:2]


def discover(path: str) -> Object | str | None:
    """The answer to a GET of a path of discovery; None for any other path."""
    if path in ("/healthz", "/livez", "/readyz"):
        return "ok"
    if path == "/version":
        return _version()
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/api/v1":
        return _resources("", "v1")
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*g) for g in GROUPS]}
    for group, version in GROUPS:
        if path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
        if path == f"/apis/{group}/{version}":
            return _resources(group, version)
    return None


def _version() -> Object:
    return {
        "major": _MAJOR,
        "minor": _MINOR,
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _group(group: str, version: str) -> Object:
    one = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [one], "preferredVersion": one}


def _resources(group: str, version: str) -> Object:
    chosen = [r for r in RESOURCES if (r.group, r.version) == (group, version)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for resource in chosen for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> list[Object]:
    whole: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        whole["shortNames"] = list(resource.short)
    if resource.categories:
        whole["categories"] = list(resource.categories)
    return [whole, *(_sub_entry(resource, *item) for item in resource.subresources.items())]


def _sub_entry(resource: Resource, sub: str, verbs: tuple[str, ...]) -> Object:
    kinds = {
        "eviction": {"group": "policy", "version": "v1", "kind": "Eviction"},
        "binding": {"kind": "Binding"},
    }
    kind: Object = kinds.get(sub, {"kind": resource.kind})
    return {
        "name": f"{resource.plural}/{sub}",
        "singularName": "",
        "namespaced": resource.namespaced,
        **kind,
        "verbs": list(verbs),
    }
