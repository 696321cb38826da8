"""From a path to what it names."""

import re
from dataclasses import dataclass

from ..errors import PageNotFound, bad_option, method_not_allowed, no_such_path, unsupported
from ..resources import BY_PATH, GROUPS, NAMESPACES, Resource
from ..wire import Request

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)"
    r"(?:/(?P<sub>[^/]+))?)?/?"
)
_NAMESPACE_PATH = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?/?")
_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "GET": "get",
    "HEAD": "get",
}


_SERVED = {"", *(group for group, _ in GROUPS)}


@dataclass(frozen=True, kw_only=True)
class Target:
    """`verb` as RBAC has it. Without a namespace, a list is over all of them."""

    resource: Resource
    verb: str
    namespace: str = ""
    name: str = ""
    sub: str = ""

    @property
    def template(self) -> str:
        """For counting: the verb and what it is about, without names."""
        sub = f"/{self.sub}" if self.sub else ""
        return f"{self.verb} {self.resource.plural}{sub}"


def find_target(request: Request) -> Target | None:
    """None for a path that is no resource's. Raises 404 for an unknown one, 405 for the verb."""
    resource, parts = _resource_and_parts(request.path)
    if resource is None:
        return None
    namespace, name, sub = parts
    if sub and sub not in resource.subresources:
        raise no_such_path()
    verb = _verb(request, name, sub)
    if verb not in (resource.subresources[sub] if sub else resource.verbs):
        raise method_not_allowed()
    if namespace and not resource.namespaced:
        raise no_such_path()
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    if not namespace and resource.namespaced and verb in ("create", "deletecollection"):
        raise method_not_allowed()
    return Target(resource=resource, verb=verb, namespace=namespace, name=name, sub=sub)


def _resource_and_parts(path: str) -> tuple[Resource | None, tuple[str, str, str]]:
    if found := _NAMESPACE_PATH.fullmatch(path):
        name, sub = found["name"] or "", found["sub"] or ""
        if not sub or sub in NAMESPACES.subresources:
            return NAMESPACES, ("", name, sub)
    found = _PATH.fullmatch(path)
    if found is None:
        return None, ("", "", "")
    version = found["core"] or found["version"]
    group = found["group"] or ""
    resource = BY_PATH.get((group, version, found["plural"]))
    if resource is None:
        raise no_such_path() if group in _SERVED else PageNotFound
    return resource, (found["namespace"] or "", found["name"] or "", found["sub"] or "")


def _verb(request: Request, name: str, sub: str) -> str:
    verb = _VERBS.get(request.method)
    wants_name = verb in ("update", "patch") or bool(sub)
    if verb is None or (wants_name and not name) or (verb == "create" and name and not sub):
        raise method_not_allowed()
    if name:
        return verb
    if verb == "get":
        return "watch" if request.flag("watch") else "list"
    return "deletecollection" if verb == "delete" else verb


def check_dry_run(request: Request) -> bool:
    """Whether nothing is to be stored. Raises 422 for anything but All."""
    text = request.query.get("dryRun", "")
    if text in ("", "All"):
        return bool(text)
    raise bad_option(options_of(request), unsupported("dryRun", [text], ["All"]))


def options_of(request: Request) -> str:
    """The kind of the options that a call's query makes up."""
    kinds = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
    return kinds.get(request.method, "DeleteOptions")
