"""One log line for each request: method, path template, status, milliseconds, and which Task.

The template, not the path: paths carry ids, query strings carry what people search for. Agents
poll all day long, and probes knock; such views are marked `unlogged`.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

logger = logging.getLogger("switchyard.request")

View = TypeVar("View", bound=Callable[..., Any])
GetResponse = Callable[[HttpRequest], HttpResponseBase]
IDS = {"task_id": "task", "run_id": "task", "assignment_id": "assignment", "worker_id": "worker"}


def unlogged(view: View) -> View:
    """Mark a view whose answers are too many to log; what goes wrong in it still is."""
    view.unlogged = True  # type: ignore[attr-defined]
    return view


def log_requests(get_response: GetResponse) -> GetResponse:
    """The middleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = get_response(request)
        match = request.resolver_match
        if response.status_code >= 500 or not (match and getattr(match.func, "unlogged", False)):
            _log(request, response.status_code, time.perf_counter() - started)
        return response

    return middleware


def _log(request: HttpRequest, status: int, seconds: float) -> None:
    match = request.resolver_match
    facts: dict[str, Any] = {
        "method": request.method,
        "path": f"/{match.route}" if match else "(no such address)",
        "status": status,
        "ms": round(seconds * 1000, 1),
    }
    kwargs = match.kwargs if match else {}
    facts |= {IDS[name]: str(value) for name, value in kwargs.items() if name in IDS}
    logger.info("%s %s %s", request.method, facts["path"], status, extra=facts)
