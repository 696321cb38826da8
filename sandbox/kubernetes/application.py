"""From a request to its answer: outage, tokens, routes, rights, faults, counters."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from . import operator_api
from .access import ADMIN, ANONYMOUS, LIMITED, check_access
from .api import deleting, logs, reading, subresources, watching, writing
from .api.codec import check_accept
from .api.discovery import discover
from .api.routing import Target, find_target
from .cluster import Cluster
from .errors import ApiError, Disconnect, PageNotFound, method_not_allowed, unauthorized
from .fault_rules import OF_LIST, Rule
from .faults import Strike
from .partition import cut_off_node
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
_OTHERS: dict[str, Handler] = {
    "pods/log": logs.read_log,
    "pods/eviction": subresources.evict,
    "pods/binding": subresources.bind,
    "namespaces/finalize": subresources.finalize,
    "selfsubjectaccessreviews": subresources.review_access,
}
_NO_ROUTE = "(no such path)"


class Application:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def answer(self, request: Request) -> Answer:
        """Raises ApiError for every answer but a good one, Disconnect for none at all."""
        if request.path.startswith("/sandbox/"):
            return operator_api.answer(self.cluster, request)
        what = _NO_ROUTE
        try:
            target, answer = self._prepare(request)
            if target is not None:
                what = target.template
                request = replace(request, user=self._user(request))
                answer = await self._work(request, target)
        except ApiError as error:
            self.cluster.counters.count(f"{request.method} {what}", str(error.code))
            raise
        except Disconnect:
            self.cluster.counters.count(f"{request.method} {what}", "no answer")
            raise
        assert answer is not None
        code = answer.code if isinstance(answer, Response) else 200
        self.cluster.counters.count(f"{request.method} {what}", str(code))
        return answer

    def _prepare(self, request: Request) -> tuple[Target | None, Answer | None]:
        """What a request is about, or at once the answer to one that is about the server."""
        if self.cluster.is_out:
            message = "the server is currently unable to handle the request"
            raise ApiError(503, "ServiceUnavailable", message)
        known = discover(request.path.rstrip("/") or "/")
        if isinstance(known, str):
            return None, Response(body=known)
        user = self._user(request)
        check_accept(request)
        if known is not None:
            if user == ANONYMOUS and request.path != "/version":
                why = f'User "{user}" cannot get path "{request.path}"'
                raise ApiError(403, "Forbidden", f"forbidden: {why}", details={})
            if request.method not in ("GET", "HEAD"):
                raise method_not_allowed()
            return None, Response(body=known)
        target = find_target(request)
        if target is None:
            raise PageNotFound
        return target, None

    def _user(self, request: Request) -> str:
        settings = self.cluster.settings
        if request.token == settings.token:
            return ADMIN
        if request.token is None:
            return ANONYMOUS
        if request.token and request.token == settings.limited_token:
            return LIMITED
        raise unauthorized()

    async def _work(self, request: Request, target: Target) -> Answer:
        verb, resource = target.verb, target.resource
        check_access(request.user, verb, resource, target.sub, target.namespace, target.name)
        if cut_off_node(self.cluster, request, target):
            raise Disconnect()
        strikes = self.cluster.faults.of_call(request, verb)
        await _strike_before(strikes)
        lies = tuple(strike for strike in strikes if strike.kind in OF_LIST)
        answer = _handler(target)(self.cluster, replace(request, lies=lies), target)
        if inspect.isawaitable(answer):
            answer = await answer
        assert isinstance(answer, Response | Stream)
        await _strike_after(strikes)
        return answer


def _handler(target: Target) -> Handler:
    what = f"{target.resource.plural}/{target.sub}" if target.sub else target.resource.plural
    return _OTHERS.get(what) or _VERBS[target.verb]


async def _strike_before(strikes: list[Strike]) -> None:
    for strike in strikes:
        if strike.kind == "latency":
            await asyncio.sleep(strike.seconds)
        elif strike.kind == "reset":
            raise Disconnect(reset=True)
        elif strike.kind == "hang":
            raise Disconnect(seconds=strike.seconds)
        elif strike.rule.is_status and not strike.rule.worked:
            raise _status(strike.rule)


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def _status(rule: Rule) -> ApiError:
    code, details, headers = int(rule.kind), {}, {}
    wait = rule.retry_after if rule.retry_after is not None else 1 if code == 429 else None
    if wait is not None:
        details, headers = {"retryAfterSeconds": wait}, {"Retry-After": str(wait)}
    reason = rule.reason or _REASONS.get(code, "InternalError" if code >= 500 else "")
    message = rule.message or f"a fault of the sandbox: {reason or code}"
    return ApiError(code, reason, message, details=details, headers=headers)


async def _strike_after(strikes: list[Strike]) -> None:
    for strike in strikes:
        if strike.rule.is_status:
            raise _status(strike.rule)
        if strike.kind == "drop_answer":
            raise Disconnect()
        if strike.kind == "hang_answer":
            raise Disconnect(seconds=strike.seconds)
