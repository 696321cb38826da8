"""From a request to its answer: tokens, routes, counters."""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from .api import deleting, reading, watching, writing
from .api.codec import check_accept
from .api.discovery import discover
from .api.routing import Target, find_target
from .cluster import Cluster
from .errors import ApiError, method_not_allowed, no_such_path, unauthorized
from .wire import Request, Response, Stream

Answer = Response | Stream
Handler = Callable[[Cluster, Request, Target], Answer | Coroutine[Any, Any, Answer]]

_VERBS: dict[str, Handler] = {
    "get": reading.get,
    "list": reading.list_objects,
    "watch": watching.watch,
    "create": writing.create_object,
    "update": writing.replace_object,
    "patch": writing.patch_object,
    "delete": deleting.delete_object,
    "deletecollection": deleting.delete_collection,
}
ADMIN = "system:admin"


class Application:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.calls: Counter[tuple[str, str]] = Counter()

    async def answer(self, request: Request) -> Answer:
        """Raises ApiError for every answer but a good one, Disconnect for none at all."""
        known = discover(request.path.rstrip("/") or "/")
        if isinstance(known, str):
            return Response(body=known)
        request = replace(request, user=self._user(request))
        check_accept(request)
        if known is not None:
            return self._described(request, known)
        target = find_target(request)
        if target is None:
            raise no_such_path()
        return self._work(request, target)

    def _user(self, request: Request) -> str:
        if request.token == self.cluster.settings.token:
            return ADMIN
        raise unauthorized()

    @staticmethod
    def _described(request: Request, known: dict[str, Any]) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        return Response(body=known)

    def _work(self, request: Request, target: Target) -> Answer:
        answer = _VERBS[target.verb](self.cluster, request, target)
        assert isinstance(answer, Response | Stream)
        return answer


__all__ = ["Application", "ApiError"]
