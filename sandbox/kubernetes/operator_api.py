"""The API for whoever runs the sandbox: /sandbox/…, without a token, never at fault."""

import json
import re
from collections.abc import Callable
from typing import Any

from .clock import iso
from .cluster import Cluster
from .controllers.losses import lose
from .errors import ApiError, method_not_allowed, no_such_path, not_found
from .fault_rules import BadRule
from .resources import PODS, RESOURCES
from .wire import Request, Response

Handler = Callable[..., Response]


def answer(cluster: Cluster, request: Request) -> Response:
    """Raises ApiError."""
    known = False
    for method, pattern, handler in _ROUTES:
        found = re.fullmatch(pattern, request.path)
        if found and method == request.method:
            return handler(cluster, request, **found.groupdict())
        known = known or bool(found)
    raise method_not_allowed() if known else no_such_path()


def _get_state(cluster: Cluster, request: Request) -> Response:
    store = cluster.store
    counts = {r.plural: len(store.versions(r.plural)) for r in RESOURCES}
    body = {
        "now": iso(cluster.now()),
        "speed": cluster.settings.speed,
        "resourceVersion": str(store.revision),
        "compactedVersion": str(store.floor),
        "outage_until": iso(cluster.outage_until) if cluster.is_out else None,
        "watches": len(cluster.watches),
        "watched": cluster.watches.describe(),
        "objects": {plural: count for plural, count in counts.items() if count},
        "calls": cluster.counters.describe(),
    }
    return Response(body=body)


def _get_faults(cluster: Cluster, request: Request) -> Response:
    return Response(body=json.dumps(cluster.faults.describe()).encode())


def _put_faults(cluster: Cluster, request: Request) -> Response:
    try:
        cluster.faults.replace(_json(request))
    except BadRule as error:
        raise ApiError(422, "Invalid", str(error)) from None
    cluster.wake_watches()
    return _get_faults(cluster, request)


def _put_outage(cluster: Cluster, request: Request) -> Response:
    """{"seconds": N}: everything answers 503 for so long, and open watches end. 0 ends it."""
    cluster.be_out(_number(request, "seconds"))
    return Response(body={"outage_until": iso(cluster.outage_until) if cluster.is_out else None})


def _put_compact(cluster: Cluster, request: Request) -> Response:
    """Forget the whole history: what a watch has not seen by now is 410 Gone."""
    cluster.store.compact(cluster.store.revision)
    return Response(body={"compactedVersion": str(cluster.store.floor)})


def _put_lose_pod(cluster: Cluster, request: Request, namespace: str, name: str) -> Response:
    """The pod is gone, without grace or a last word."""
    pod = cluster.store.get("pods", namespace, name)
    if pod is None:
        raise not_found(PODS, name)
    lose(cluster, pod)
    return Response(body={"lost": f"{namespace}/{name}"})


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise ApiError(400, "BadRequest", "the body is no JSON") from None


def _number(request: Request, name: str) -> float:
    body = _json(request)
    value = body.get(name) if isinstance(body, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ApiError(422, "Invalid", f"{name} must be a number from 0")
    return float(value)


_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/sandbox/state", _get_state),
    ("GET", "/sandbox/faults", _get_faults),
    ("PUT", "/sandbox/faults", _put_faults),
    ("PUT", "/sandbox/outage", _put_outage),
    ("PUT", "/sandbox/compact", _put_compact),
    ("PUT", "/sandbox/pods/(?P<namespace>[^/]+)/(?P<name>[^/]+)/lose", _put_lose_pod),
]
