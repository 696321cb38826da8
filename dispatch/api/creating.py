"""POST: Tasks come in."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.db import IntegrityError
from django.http import HttpResponse
from rest_framework.request import Request

from dispatch import wake
from dispatch.api import answers
from dispatch.api.acceptance import Accepted, accept, taken
from dispatch.api.auth import client_of
from dispatch.api.idempotency import Made, once
from dispatch.api.requests import NEW_SUITE_RUN, NEW_TASK

Shards = Sequence[Mapping[str, Any]]


def create_task(request: Request) -> HttpResponse:
    wanted = NEW_TASK.read(request.data)

    def work() -> Made:
        accepted = accept(client_of(request), wanted, [wanted])
        body = answers.task(accepted.tasks[0], accepted.suite_run.backend)
        return Made(body=body, location=f"/api/v1/tasks/{body['id']}")

    return _create(request, work, wanted, [wanted])


def create_suite_run(request: Request) -> HttpResponse:
    wanted = NEW_SUITE_RUN.read(request.data)
    shards = wanted["tasks"]

    def work() -> Made:
        accepted = accept(client_of(request), wanted, shards)
        body = answers.suite_run(accepted.suite_run, accepted.tasks)
        return Made(body=body, location=_listing(accepted))

    return _create(request, work, wanted, shards)


def _create(request: Request, work: Any, shared: Mapping[str, Any], shards: Shards) -> HttpResponse:
    try:
        answer = once(request, work)
    except IntegrityError:
        if conflict := taken(shared, shards):
            raise conflict from None
        raise
    wake.send("queue")
    return answer


def _listing(accepted: Accepted) -> str:
    run = accepted.suite_run
    query = urlencode({"account": run.account, "suite_run_id": run.suite_run_id})
    return f"/api/v1/tasks?{query}"
