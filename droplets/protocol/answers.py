"""How every call of the protocol is answered: briefly, in plain text, and never with a page."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponse]


class Refusal(Exception):
    """The call is not served: the status, and a sentence for whoever reads the agent's log."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def plain(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def answered(method: str) -> Callable[[View], View]:
    """For a view that serves one method and may raise Refusal.

    A database that does not answer gives 503, which the agent tries again.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != method:
                return plain(f"Use {method}.\n", 405)
            try:
                return view(request, *args, **kwargs)
            except Refusal as refusal:
                return _refused(refusal)
            except RequestDataTooBig:
                return plain("The body is too large.\n", 413)
            except UnreadablePostError:
                return plain("The body ended early.\n", 400)
            except DatabaseError:
                logger.warning("The database did not answer", exc_info=True)
                return plain("Try again.\n", 503)
            except Exception:
                logger.exception("A call of an agent failed", extra={"path": request.path})
                return plain("Try again.\n", 500)

        return wrapped

    return decorate


@csrf_exempt
def nothing_here(request: HttpRequest, address: str) -> HttpResponse:
    return plain("The protocol has no such address.\n", 404)


def _refused(refusal: Refusal) -> HttpResponse:
    response = plain(f"{refusal}\n", refusal.status)
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Basic realm="Switchyard"'
    return response
