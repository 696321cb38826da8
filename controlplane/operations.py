"""Pages for machines: liveness, readiness, the age of the loops, and metrics."""

import hmac
from dataclasses import asdict
from functools import cache
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from controlplane import figures
from controlplane.metrics import registry
from dispatch.request_log import unlogged


class MigrationsMissing(Exception):
    """The database lacks migrations; the message names them."""


@unlogged
@require_GET
def livez(request: HttpRequest) -> HttpResponse:
    """This process answers. Nothing else is asked, least of all the database."""
    return _text("ok", 200)


@unlogged
@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and every migration is applied, else 503 with the reason."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        require_migrations()
    except DatabaseError:
        return _text("the database does not answer", 503)
    except MigrationsMissing as missing:
        return _text(f"run manage.py migrate: {missing}", 503)
    return _text("ok", 200)


@cache
def require_migrations() -> None:
    """Raises MigrationsMissing. Once none is missing nothing is asked again: this code's
    migrations do not change while it runs."""
    missing = missing_migrations()
    if missing:
        raise MigrationsMissing(", ".join(missing))


def missing_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


@never_cache
@require_GET
def loops(request: HttpRequest) -> HttpResponse:
    """Every loop with its age; 503 when one is late or failing, or none leads.

    For alerts and for people. No probe of the web processes asks it: pages must stay up when
    the controller is down.
    """
    found, leader = figures.loops(), figures.leader()
    well = leader is not None and all(loop.state == "ok" for loop in found)
    answer: dict[str, Any] = {
        "ok": well,
        "leader": leader.holder if leader else None,
        "loops": [{**asdict(loop), "late": loop.late} for loop in found],
    }
    return JsonResponse(answer, status=200 if well else 503)


@unlogged
@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format. With SWITCHYARD_METRICS_TOKEN set, for its bearer and for
    logged-in staff only."""
    if not _may_read_metrics(request):
        response = _text("send Authorization: Bearer with the metrics token, or log in", 401)
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_read_metrics(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return True
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    if hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected):
        return True
    return bool(request.user.is_authenticated and getattr(request.user, "is_staff", False))


def _text(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", content_type="text/plain", status=status)
