"""The addresses of the dispatch API: which scope each call needs, and its place in the schema."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api import (
    creating,
    moving,
    queries,
    reading,
    reports,
    requests,
    schema,
    shapes,
    steering,
)
from dispatch.api.idempotency import HEADER
from dispatch.api.problems import NotFound
from dispatch.api.schema import documented

READ, WRITE = "tasks:read", "tasks:write"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    location=OpenApiParameter.HEADER,
    description="The same key with the same request gets the same answer again.",
)
LOG_HEADERS = [
    OpenApiParameter(name, int, OpenApiParameter.HEADER, response=[200], description=description)
    for name, description in (
        ("Log-Offset", "Where these bytes begin."),
        ("Log-Next-Offset", "Where to read on."),
        ("Log-Length", "How long the log is now."),
        ("Log-Complete", "true when nothing can be added any more."),
    )
]
BYTES = {(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)}


class Endpoint(APIView):
    """`scopes` names the scope that each method needs."""

    http_method_names = ["get", "head", "post"]
    scopes: dict[str, str] = {}


class Tasks(Endpoint):
    scopes = {"GET": READ, "HEAD": READ, "POST": WRITE}

    @extend_schema(
        operation_id="list_tasks",
        parameters=[queries.TaskQuery],
        responses=documented({200: shapes.TasksShape}, 422),
    )
    def get(self, request: Request) -> Response:
        """List your Tasks, newest first."""
        return Response(reading.list_tasks(request))

    @extend_schema(
        operation_id="create_task",
        parameters=[IDEMPOTENCY_KEY],
        request=requests.NewTask,
        responses=documented({201: shapes.TaskShape}, 400, 409, 413, 415, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Create a Task. The first one of a suite run decides where all of them run."""
        return creating.create_task(request)


class SuiteRuns(Endpoint):
    scopes = {"POST": WRITE}

    @extend_schema(
        operation_id="create_suite_run",
        parameters=[IDEMPOTENCY_KEY],
        request=requests.NewSuiteRun,
        responses=documented({201: shapes.SuiteRunShape}, 400, 409, 413, 415, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Create the Tasks of a suite run in one call: all of them, or none."""
        return creating.create_suite_run(request)


class OneTask(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="read_task",
        responses=documented({200: shapes.TaskWithAttemptsShape}, 404),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        """Read a Task with its attempts."""
        return Response(reading.one_task(request, task_id))


class Cancel(Endpoint):
    scopes = {"POST": WRITE}

    @extend_schema(
        operation_id="cancel_task",
        request=None,
        responses=documented({200: shapes.TaskWithAttemptsShape}, 400, 404, 413, 415, 422),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        """Cancel a Task. One that has ended already stays as it ended."""
        return Response(steering.cancel_task(request, task_id))


class Events(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="list_events",
        parameters=[queries.EventQuery],
        responses=documented({200: shapes.EventsShape}, 404, 422),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        """Read a Task's story, oldest first."""
        return Response(reading.list_events(request, task_id))


class Logs(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(operation_id="list_logs", responses=documented({200: shapes.LogsShape}, 404))
    def get(self, request: Request, task_id: UUID) -> Response:
        """List the logs of all attempts."""
        return Response(reports.list_logs(request, task_id))


class Log(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="read_log",
        parameters=[queries.LogQuery, *LOG_HEADERS],
        responses=documented(BYTES, 404, 422),
    )
    def get(self, request: Request, task_id: UUID, stream: str) -> HttpResponseBase:
        """Read a log from a byte offset on; what was cut out of its middle is passed over."""
        return reports.read_log(request, task_id, stream)


class Results(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="read_results",
        parameters=[queries.AttemptQuery],
        responses=documented({200: shapes.ResultsShape}, 404, 422),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        """Read the results: the summary, each example, and the list of artifacts."""
        return Response(reports.results(request, task_id))


class OneArtifact(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="read_artifact",
        parameters=[queries.AttemptQuery],
        responses=documented({(200, "*/*"): OpenApiResponse(OpenApiTypes.BINARY)}, 404, 422),
    )
    def get(self, request: Request, task_id: UUID, name: str) -> HttpResponseBase:
        """Download an artifact, a screenshot for example."""
        return reports.read_artifact(request, task_id, name)


class TaskWebhooks(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="list_task_webhooks",
        parameters=[queries.WebhookQuery],
        responses=documented({200: shapes.WebhooksShape}, 404, 422),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        """List the webhooks about a Task, newest first."""
        return Response(steering.list_webhooks(request, task_id))


class Webhooks(Endpoint):
    scopes = {"GET": READ, "HEAD": READ}

    @extend_schema(
        operation_id="list_webhooks",
        parameters=[queries.WebhookQuery],
        responses=documented({200: shapes.WebhooksShape}, 422),
    )
    def get(self, request: Request) -> Response:
        """List your webhooks, newest first; those given up have the state failed."""
        return Response(steering.list_webhooks(request))


class Redeliver(Endpoint):
    scopes = {"POST": WRITE}

    @extend_schema(
        operation_id="redeliver_webhook",
        request=None,
        responses=documented({200: shapes.WebhookShape}, 400, 404, 413, 415, 422),
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a webhook again, with all its tries."""
        return Response(steering.redeliver(request, webhook_id))


class Traffic(Endpoint):
    scopes = {"GET": "rollout:read", "HEAD": "rollout:read"}

    @extend_schema(operation_id="read_rollout", responses=documented({200: shapes.TrafficShape}))
    def get(self, request: Request) -> Response:
        """Read the traffic split, the open Rollout and its newest entries."""
        return Response(steering.traffic())


class Weight(Endpoint):
    scopes = {"GET": "rollout:read", "HEAD": "rollout:read", "POST": "rollout:write"}

    @extend_schema(operation_id="read_weight", responses=documented({200: shapes.WeightShape}))
    def get(self, request: Request) -> Response:
        """Read the weight in force."""
        return Response(steering.weight())

    @extend_schema(
        operation_id="set_weight",
        parameters=[IDEMPOTENCY_KEY],
        request=steering.NewWeight,
        responses=documented({201: shapes.WeightShape}, 400, 409, 413, 415, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Set the weight. It concerns suite runs that are new from now on."""
        return steering.set_weight(request)


class Readiness(Endpoint):
    scopes = {"GET": "rollout:read", "HEAD": "rollout:read"}

    @extend_schema(
        operation_id="read_readiness",
        parameters=[queries.ReadinessQuery],
        responses=documented({200: shapes.ReadinessShape}, 422),
    )
    def get(self, request: Request) -> Response:
        """List your repositories: which can move to the new backend, and what holds others back."""
        return Response(moving.readiness(request))


class Open(APIView):
    """For everybody, with a key or without."""

    http_method_names = ["get", "head"]
    authentication_classes = ()
    permission_classes = ()


@extend_schema(exclude=True)
class Schema(Open):
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(schema.document(), content_type="application/vnd.oai.openapi+json")


@extend_schema(exclude=True)
class Nowhere(Open):
    """Whatever is at no address of the dispatch API gets a problem document too."""

    def initial(self, request: Request, *arguments: Any, **keywords: Any) -> None:
        raise NotFound("path", "Nothing is at this address: look it up in /api/v1/schema.")
