"""What the tests gave: RSpec's JSON, and the screenshots of failures."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from dispatch import reporting
from droplets.judging import judge
from droplets.protocol.answers import Refusal, answered, plain
from droplets.protocol.reports import file_name, must_count, redactor_of, reported

DEFAULT_RESULTS = "json_output.json"
DEFAULT_SCREENSHOT = "screenshot.png"


@answered("POST")
def json_output(request: HttpRequest, task_id: str) -> HttpResponse:
    """Empty or broken JSON is kept as well: the agent cannot send it better."""
    _, assignment = reported(request, task_id)
    must_count(assignment, "results", request.body)
    redactor = redactor_of(request, assignment)
    name = file_name(request) or DEFAULT_RESULTS
    try:
        file = reporting.store_results(assignment, name, request.body, redactor=redactor)
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The results are not kept: {problem}.") from None
    assignment.reach("reported")
    if assignment.live:
        judge(assignment)
    return JsonResponse({"test_case_run_count": file.example_count})


@answered("POST")
def test_failure_screenshots(request: HttpRequest, task_id: str) -> HttpResponse:
    _, assignment = reported(request, task_id)
    must_count(assignment, "screenshot", request.body)
    name = file_name(request) or DEFAULT_SCREENSHOT
    try:
        reporting.store_artifact(assignment.pk, name, request.content_type or "", request.body)
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The screenshot is not kept: {problem}.") from None
    return plain("")
