"""What is not an object of its own: a pod's binding, eviction and log, access reviews."""

from typing import Any

from ..access import allowed
from ..clock import iso
from ..cluster import Cluster
from ..controllers.conditions import set_condition
from ..errors import bad_request, conflict
from ..objects import DeleteOptions, delete, update
from ..resources import PODS
from ..store import Object
from ..wire import Request, Response
from .codec import read_json, read_object, with_kind
from .reading import find
from .routing import Target, check_dry_run

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def evict(cluster: Cluster, request: Request, target: Target) -> Response:
    """There are no disruption budgets here, so every eviction is granted."""
    body, pod = _read(request, "Eviction"), find(cluster, target)
    options = DeleteOptions.read(body.get("deleteOptions") or {})
    if check_dry_run(request) or options.dry_run:
        return Response(code=201, body=_created())
    if not pod.meta.get("deletionTimestamp"):
        obj = pod.copy()
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": iso(cluster.now()),
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        if set_condition(obj, condition):
            cluster.store.write("pods", obj)
    delete(cluster, PODS, target.namespace, target.name, options)
    return Response(code=201, body=_created())


def bind(cluster: Cluster, request: Request, target: Target) -> Response:
    body, pod = _read(request, "Binding"), find(cluster, target)
    if (body.get("metadata") or {}).get("name") != target.name:
        raise bad_request("name in URL does not match name in Binding object")
    wanted = body.get("target") or {}
    if wanted.get("kind", "Node") != "Node" or not wanted.get("name"):
        raise bad_request("target.name: Required value")
    if node := pod.obj["spec"].get("nodeName"):
        raise conflict(PODS, pod.name, f'pod {pod.name} is already assigned to node "{node}"')
    if not check_dry_run(request):
        obj = pod.copy()
        obj["spec"]["nodeName"] = wanted["name"]
        now = iso(cluster.now())
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
        set_condition(obj, {**scheduled, "lastTransitionTime": now})
        cluster.store.write("pods", obj)
    return Response(code=201, body=_created())


def finalize(cluster: Cluster, request: Request, target: Target) -> Response:
    obj = read_object(request, target.resource).obj
    version = update(cluster, target.resource, "", target.name, obj)
    return Response(body=with_kind(target.resource, version))


def review_access(cluster: Cluster, request: Request, target: Target) -> Response:
    """SelfSubjectAccessReview: may I?"""
    body = read_json(request)
    about = (body.get("spec") or {}).get("resourceAttributes") if isinstance(body, dict) else None
    if not isinstance(about, dict):
        raise bad_request("spec.resourceAttributes: Required value")
    sub = f"/{about['subresource']}" if about.get("subresource") else ""
    verb, what = about.get("verb", "*"), f"{about.get('resource', '*')}{sub}"
    yes = allowed(request.user, verb, about.get("group", ""), what, about.get("namespace", ""))
    review: dict[str, Any] = {
        "kind": target.resource.kind,
        "apiVersion": target.resource.api_version,
        "metadata": {},
        "spec": body["spec"],
        "status": {"allowed": yes},
    }
    return Response(code=201, body=review)


def _read(request: Request, kind: str) -> Object:
    body = read_json(request)
    if not isinstance(body, dict) or body.get("kind", kind) != kind:
        raise bad_request(f"the body must be a {kind}")
    return body


def _created() -> Object:
    return {**_SUCCESS, "code": 201}
