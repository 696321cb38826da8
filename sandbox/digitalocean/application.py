"""From a request to its answer: routes, tokens, limits, faults."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from . import api, operator_api
from .errors import ApiError, Disconnect, not_found
from .faults import AFTER, BEFORE, OF_LIST, Rule, Strike
from .life import advance
from .sandbox import Sandbox
from .wire import Handler, Request, Response

_LIST = ("GET", "/v2/droplets")
_NO_ROUTE = "(no such path)"
_WORDS = ("tag", "image")

Arguments = dict[str, int | str]


class Route:
    """Names in braces are numbers, but for {tag} and {image}."""

    def __init__(self, method: str, template: str, handler: Handler) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        self._pattern = re.compile(
            re.sub(r"\{(\w+)\}", _part, template.partition("?")[0].replace(".", r"\."))
        )

    def arguments(self, path: str) -> Arguments | None:
        """The parts of the path, when it is this route's."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        parts = found.groupdict()
        return {name: text if name in _WORDS else int(text) for name, text in parts.items()}


def _part(name: re.Match[str]) -> str:
    return f"(?P<{name[1]}>{'[^/]+' if name[1] in _WORDS else '[0-9]{1,18}'})"


ROUTES = [
    Route("POST", "/v2/droplets", api.create),
    Route("GET", "/v2/droplets", api.list_droplets),
    Route("DELETE", "/v2/droplets?tag_name=", api.delete_by_tag),
    Route("GET", "/v2/droplets/{id}", api.get_droplet),
    Route("DELETE", "/v2/droplets/{id}", api.delete_droplet),
    Route("POST", "/v2/droplets/{id}/actions", api.start_action),
    Route("GET", "/v2/droplets/{id}/actions", api.list_droplet_actions),
    Route("GET", "/v2/droplets/{id}/actions/{action}", api.get_droplet_action),
    Route("GET", "/v2/actions", api.list_actions),
    Route("GET", "/v2/actions/{action}", api.get_action),
    Route("POST", "/v2/tags", api.create_tag),
    Route("GET", "/v2/tags", api.list_tags),
    Route("GET", "/v2/tags/{tag}", api.get_tag),
    Route("DELETE", "/v2/tags/{tag}", api.remove_tag),
    Route("POST", "/v2/tags/{tag}/resources", api.tag_resources),
    Route("DELETE", "/v2/tags/{tag}/resources", api.untag_resources),
    Route("GET", "/v2/account", api.get_account),
    Route("GET", "/v2/sizes", api.list_sizes),
    Route("GET", "/v2/regions", api.list_regions),
    Route("GET", "/v2/images", api.list_images),
    Route("GET", "/v2/images/{image}", api.get_image),
    Route("GET", "/sandbox/state", operator_api.get_state),
    Route("GET", "/sandbox/bill", operator_api.get_bill),
    Route("GET", "/sandbox/faults", operator_api.get_faults),
    Route("PUT", "/sandbox/faults", operator_api.put_faults),
    Route("PUT", "/sandbox/outage", operator_api.put_outage),
    Route("PUT", "/sandbox/account", operator_api.put_account),
    Route("PUT", "/sandbox/destroy-all", operator_api.put_destroy_all),
    Route("PUT", "/sandbox/droplets/{id}/kill-agent", operator_api.put_kill_agent),
    Route("GET", "/sandbox/droplets/{id}/syslog", operator_api.get_syslog),
]


class Application:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def answer(self, request: Request) -> Response:
        """Raises ApiError for every answer but a good one, Disconnect for none at all."""
        route, arguments = find_route(request)
        if request.path.startswith("/sandbox/"):
            advance(self.sandbox)
            return _found(route).handler(self.sandbox, request, **arguments)
        with self._counted(request, route) as outcome:
            response = self._answer_v2(request, route, arguments)
            outcome.append(str(response.status))
            return response

    def _answer_v2(
        self, request: Request, route: Route | ApiError, arguments: Arguments
    ) -> Response:
        headers = self.sandbox.limits.untouched(self.sandbox.now())
        try:
            self._authenticate(request)
            headers = self.sandbox.limits.admit(request.token or "", self.sandbox.now())
            response = self._work(request, _found(route), arguments)
        except ApiError as error:
            error.headers = headers | error.headers
            raise
        return replace(response, headers=headers | dict(response.headers))

    def _authenticate(self, request: Request) -> None:
        settings, sandbox = self.sandbox.settings, self.sandbox
        if sandbox.now() < sandbox.outage_until:
            raise ApiError(503)
        if request.token in settings.tokens:
            return
        if request.token not in settings.read_tokens:
            raise ApiError(401)
        if request.method != "GET":
            raise ApiError(403)

    def _work(self, request: Request, route: Route, arguments: Arguments) -> Response:
        strikes = self.sandbox.faults.fire(
            request.method, request.target, lambda rule: _applies(rule, request)
        )
        _strike_before(strikes)
        advance(self.sandbox)
        lies = tuple(strike for strike in strikes if strike.kind in OF_LIST)
        response = route.handler(self.sandbox, replace(request, lies=lies), **arguments)
        _strike_after(strikes)
        return response

    @contextmanager
    def _counted(self, request: Request, route: Route | ApiError) -> Iterator[list[str]]:
        """Count the call, by what became of it, before its answer goes out."""
        outcome: list[str] = []
        try:
            yield outcome
        except ApiError as error:
            outcome.append(str(error.status))
            raise
        except Disconnect:
            outcome.append("no answer")
            raise
        finally:
            self.sandbox.store.run(
                "INSERT INTO call (method, template, outcome, count) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (method, template, outcome) DO UPDATE SET count = count + 1",
                request.method,
                route.template if isinstance(route, Route) else _NO_ROUTE,
                outcome[-1] if outcome else "500",
            )


def find_route(request: Request) -> tuple[Route | ApiError, Arguments]:
    """The route, or the answer where there is none: 404, or 405 when other methods are known."""
    known = False
    for route in ROUTES:
        arguments = route.arguments(request.path)
        if arguments is not None and route.method == request.method:
            return route, arguments
        known = known or arguments is not None
    return (ApiError(405) if known else not_found()), {}


def _found(route: Route | ApiError) -> Route:
    if isinstance(route, ApiError):
        raise route
    return route


def _applies(rule: Rule, request: Request) -> bool:
    """Whether a rule is about calls, and about this kind of call."""
    if rule.kind in OF_LIST and (request.method, request.path) != _LIST:
        return False
    if rule.kind == "truncated_list" and request.query.get("page", "1") in ("", "1"):
        return False
    return rule.is_status or rule.kind in BEFORE | AFTER | OF_LIST


def _strike_before(strikes: list[Strike]) -> None:
    for strike in strikes:
        if strike.kind == "latency":
            time.sleep(strike.seconds)
        elif strike.kind == "reset":
            raise Disconnect(reset=True)
        elif strike.kind == "hang":
            raise Disconnect(seconds=strike.seconds)
        elif strike.rule.ends_call:
            raise _status(strike.rule)


def _status(rule: Rule) -> ApiError:
    status = int(rule.kind) if rule.is_status else rule.status
    headers = {}
    if status == 429:
        headers = {"ratelimit-remaining": "0", "retry-after": str(rule.retry_after or 1)}
    elif rule.retry_after is not None:
        headers = {"retry-after": str(rule.retry_after)}
    return ApiError(status, headers=headers, html=rule.html)


def _strike_after(strikes: list[Strike]) -> None:
    for strike in strikes:
        if strike.kind == "drop_answer":
            raise Disconnect()
        if strike.kind == "hang_answer":
            raise Disconnect(seconds=strike.seconds)
