"""POST: Tasks come in."""

from urllib.parse import urlencode

from django.http import HttpResponse
from rest_framework.request import Request

from dispatch import wake
from dispatch.api import answers
from dispatch.api.acceptance import Accepted, Order, accept
from dispatch.api.auth import client_of
from dispatch.api.idempotency import Made, key_of
from dispatch.api.requests import NEW_SUITE_RUN, NEW_TASK


def create_task(request: Request) -> HttpResponse:
    wanted = NEW_TASK.read(request.data)
    order = Order(client=client_of(request), shared=wanted, shards=[wanted])
    answer = accept(order, key_of(request), _one_task)
    wake.send("queue")
    return answer


def create_suite_run(request: Request) -> HttpResponse:
    wanted = NEW_SUITE_RUN.read(request.data)
    order = Order(client=client_of(request), shared=wanted, shards=wanted["tasks"])
    answer = accept(order, key_of(request), _all_tasks)
    wake.send("queue")
    return answer


def _one_task(accepted: Accepted) -> Made:
    body = answers.task(accepted.tasks[0], accepted.suite_run.backend)
    return Made(body=body, location=f"/api/v1/tasks/{body['id']}")


def _all_tasks(accepted: Accepted) -> Made:
    run = accepted.suite_run
    query = urlencode({"account": run.account, "suite_run_id": run.suite_run_id}, safe=":@/")
    body = answers.suite_run(run, accepted.tasks)
    return Made(body=body, location=f"/api/v1/tasks?{query}")
