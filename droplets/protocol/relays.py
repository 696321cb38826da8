"""What belongs to Rails and is passed on: tokens of GitHub installations, and the number of
examples of a suite."""

from functools import wraps

from django.http import HttpRequest, HttpResponse, JsonResponse

from dispatch import github
from dispatch.models import Assignment
from dispatch.results import LARGEST_COUNT
from droplets.models import Worker
from droplets.protocol.answers import Refusal, View, answered, plain
from droplets.protocol.callers import caller, current_assignment
from droplets.protocol.reports import fields, must_count


def wordless(view: View) -> View:
    """Whatever goes wrong, the body stays empty."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        response = view(request)
        if response.status_code != 200:
            response.content = b""
        return response

    return wrapped


@wordless
@answered("POST")
def github_tokens(request: HttpRequest) -> HttpResponse:
    """The bare token without a newline, or nothing: whatever is in the body, of a refusal too,
    ends up in a root shell on the droplet."""
    assignment = _working(caller(request))
    wanted = fields(request).get("github_installation_id")
    if not assignment.live or wanted != assignment.task.suite_run.github_installation_id:
        raise Refusal(403, "Not this Worker's installation.")
    return plain(github.token(request.body))


@answered("PATCH")
def test_suite_runs(request: HttpRequest, suite_run_id: str) -> HttpResponse:
    """Stored and answered at once, and sent on later: a slow Rails must not abort runs."""
    assignment = _working(caller(request))
    suite_run = assignment.task.suite_run
    if suite_run_id != suite_run.suite_run_id:
        raise Refusal(404, "This Worker's Task belongs to another suite run.")
    must_count(assignment, "example count", request.body)
    found = fields(request)
    if "dry_run_example_count" in found:
        suite_run.dry_run_example_count = _count(found["dry_run_example_count"])
        suite_run.count_examples(suite_run.dry_run_example_count, assignment)
    count = suite_run.dry_run_example_count
    return JsonResponse({"id": suite_run_id, "dry_run_example_count": count})


def _working(worker: Worker) -> Assignment:
    assignment = current_assignment(worker)
    if assignment is None:
        raise Refusal(404, "This Worker has no Task.")
    if assignment.live:
        assignment.heard()
    return assignment


def _count(value: object) -> int:
    text = str(value) if isinstance(value, int | str) else ""
    if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= LARGEST_COUNT:
        return int(text)
    raise Refusal(422, "dry_run_example_count: give a whole number from 0 to 2147483647.")
