"""The addresses of the protocol. No trailing slashes: the agent follows no redirect.

Where its host setting ends in a slash, the agent asks for `//api/v1/…`: both are served.
"""

from django.urls import include, path

from droplets.protocol import answers, events, logs, polling, relays, results
from droplets.protocol.answers import View

# The older agent says run, the newer one task: the same ids, the same views.
REPORTS: dict[str, View] = {
    "run_events": events.task_events,
    "task_events": events.task_events,
    "run_finished_events": events.finished_events,
    "task_finished_events": events.finished_events,
    "system_logs": logs.system_logs,
    "test_output": logs.test_output,
    "json_output": results.json_output,
    "test_failure_screenshots": results.test_failure_screenshots,
    "runner": events.runner,
}
ADDRESSES: dict[str, View] = {
    # First, because it is asked for most.
    "workers/<worker_id>/worker_assignments": polling.worker_assignments,
    "workers/<worker_id>/worker_events": events.worker_events,
    **{f"tasks/<task_id>/{name}": view for name, view in REPORTS.items()},
    **{f"runs/<task_id>/{name}": view for name, view in REPORTS.items()},
    "github_tokens": relays.github_tokens,
    "test_suite_runs/<suite_run_id>": relays.test_suite_runs,
}

patterns = [
    *[path(address, view) for address, view in ADDRESSES.items()],
    path("<path:address>", answers.nothing_here),
]
urlpatterns = [
    path("api/v1/worker_agents/", include(patterns)),
    path("/api/v1/worker_agents/", include(patterns)),
]
