"""delete and deletecollection."""

from ..cluster import Cluster
from ..errors import ApiError, bad_request
from ..objects import DeleteOptions, delete
from ..objects.deleting import Deleted
from ..objects.strategies import strategy_of
from ..resources import JOBS, Resource
from ..store import Object
from ..wire import Request, Response
from .codec import list_of, read_json, with_kind
from .reading import find, selection
from .routing import Target, check_dry_run

_ORPHANED_PODS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background"
    " to remove them or set propagationPolicy=Orphan to suppress this warning"
)


def delete_object(cluster: Cluster, request: Request, target: Target) -> Response:
    options = read_options(request)
    find(cluster, target)
    deleted = delete(cluster, target.resource, target.namespace, target.name, options)
    return Response(
        code=_code(deleted, options),
        body=_body(target.resource, deleted),
        warnings=_warnings(target.resource, options),
    )


def _code(deleted: Deleted, options: DeleteOptions) -> int:
    return 202 if not deleted.gone and options.policy == "Background" else 200


def _body(resource: Resource, deleted: Deleted) -> bytes | Object:
    version = deleted.version
    if not deleted.gone or strategy_of(resource).returns_deleted:
        return with_kind(resource, version)
    group = {"group": resource.group} if resource.group else {}
    details = {"name": version.name, **group, "kind": resource.plural, "uid": version.uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def _warnings(resource: Resource, options: DeleteOptions) -> tuple[str, ...]:
    return (_ORPHANED_PODS,) if resource is JOBS and not options.policy else ()


def delete_collection(cluster: Cluster, request: Request, target: Target) -> Response:
    options, resource = read_options(request), target.resource
    test = selection(request, resource)
    chosen = [
        version
        for version in cluster.store.versions(resource.plural, target.namespace)
        if test is None or test(version)
    ]
    for version in chosen:
        try:
            delete(cluster, resource, version.namespace, version.name, options)
        except ApiError as error:
            if error.code != 404:
                raise
    return Response(body=list_of(resource, chosen, cluster.store.revision))


def read_options(request: Request) -> DeleteOptions:
    """Of the body, or without one of the query. Raises 400."""
    raw = read_json(request)
    if not isinstance(raw, dict):
        raise bad_request("the body of a delete must be a DeleteOptions object")
    kind = raw.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise ApiError(500, "", f'no kind "{kind}" is registered for version "v1"')
    if not raw:
        raw = {
            "gracePeriodSeconds": request.number("gracePeriodSeconds"),
            "propagationPolicy": request.query.get("propagationPolicy"),
        }
        if "orphanDependents" in request.query:
            raw["orphanDependents"] = request.flag("orphanDependents")
    if check_dry_run(request):
        raw["dryRun"] = ["All"]
    _check_types(raw)
    return DeleteOptions.read(raw)


def _check_types(raw: Object) -> None:
    kinds = {"gracePeriodSeconds": int, "propagationPolicy": str, "preconditions": dict}
    for field, kind in kinds.items():
        value = raw.get(field)
        if value is not None and not isinstance(value, kind):
            what = f"{type(value).__name__} into Go struct field DeleteOptions.{field}"
            raise ApiError(500, "", f"json: cannot unmarshal {what}")
