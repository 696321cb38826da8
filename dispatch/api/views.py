"""The addresses of the dispatch API: which key may do what there, and its schema."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from dispatch.api import answers, creating, requests
from dispatch.api.idempotency import HEADER
from dispatch.api.problems import NotFound
from dispatch.api.schema import documented

IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    location=OpenApiParameter.HEADER,
    description="The same key with the same request gets the same answer again.",
)


class Tasks(APIView):
    scopes = {"GET": "tasks:read", "POST": "tasks:write"}

    @extend_schema(
        operation_id="create_task",
        summary="Create a Task",
        parameters=[IDEMPOTENCY_KEY],
        request=requests.NewTask,
        responses=documented({201: answers.TaskAnswer}, 400, 409, 413, 415, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        return creating.create_task(request)


class SuiteRuns(APIView):
    scopes = {"POST": "tasks:write"}

    @extend_schema(
        operation_id="create_suite_run",
        summary="Create all Tasks of a suite run, or none",
        parameters=[IDEMPOTENCY_KEY],
        request=requests.NewSuiteRun,
        responses=documented({201: answers.SuiteRunAnswer}, 400, 409, 413, 415, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        return creating.create_suite_run(request)


@extend_schema(exclude=True)
class Nowhere(APIView):
    """Whatever is at no address of the dispatch API gets a problem document too."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *arguments: Any, **keywords: Any) -> None:
        raise NotFound("path", "Nothing is at this address: look it up in /api/v1/schema.")
