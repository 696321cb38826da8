"""Who may use the console, and how its pages show times. Pages of every app use this."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from dispatch.rollout import Actor


class OperatorRequest(HttpRequest):
    """A request as our middleware leaves it."""

    htmx: HtmxDetails
    user: User | AnonymousUser


View = Callable[..., HttpResponse]


def operator_page(view: View) -> View:
    """Only logged-in staff get to the view; its times are in the console's zone.

    Anybody else is sent to the login page; a person who is no operator is told so with 403.
    """

    @wraps(view)
    def guarded(request: OperatorRequest, *arguments: Any, **keywords: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        if not request.user.is_staff:
            return render(request, "console/not_an_operator.html", status=403)
        with timezone.override(ZoneInfo(settings.CONSOLE_TIME_ZONE)):
            return view(request, *arguments, **keywords)

    return guarded


def actor_of(request: OperatorRequest) -> Actor:
    """The person who acts, for histories and audit entries."""
    return Actor(name=request.user.get_username(), kind="person")


def _to_login(request: OperatorRequest) -> HttpResponse:
    """And back to where they were afterwards; a polled fragment sends its whole page there."""
    if request.htmx:
        query = urlencode({"next": request.htmx.current_url_abs_path or "/"})
        return HttpResponseClientRedirect(f"{resolve_url(settings.LOGIN_URL)}?{query}")
    if request.method == "POST":
        return redirect(settings.LOGIN_URL)
    return redirect_to_login(request.get_full_path())
