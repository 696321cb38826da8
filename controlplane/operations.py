"""Pages for machines: liveness, readiness, the age of the loops, and metrics."""

from django.http import HttpRequest, HttpResponse


def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")
