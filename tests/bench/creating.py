"""Creating a Task, beside a bare create view in the same process."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from dispatch.models import ApiKey
from tests.bench.client import Crowd, request
from tests.bench.progress import Progress
from tests.bench.results import Result, of_ratios
from tests.bench.rounds import medians, ratios, take_turns
from tests.bench.scale import Scale
from tests.bench.site import MakeSite
from tests.factories import make_client

CLIENTS = 4
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENV_VARS = {f"VARIABLE_{number}": f"value {number}" * 4 for number in range(12)}
TARGET, AIM = 0.35, 0.5


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    site = make_site("creating")
    site.connect()
    _, key = ApiKey.issue(make_client(), "bench", ["tasks:write"])
    with site.web() as web:
        crowd = Crowd(web.port, CLIENTS)
        try:
            sides = {
                "bare": _side(crowd, scale, _notes()),
                "plain": _side(crowd, scale, tasks(key)),
                "with env_vars": _side(crowd, scale, tasks(key, env_vars=ENV_VARS)),
            }
            found = take_turns("Creating Tasks", sides, scale.create_rounds, progress)
        finally:
            crowd.close()
    title = "POST /api/v1/tasks by a bare create view, requests per second"
    return [
        of_ratios(
            f"create.{name.replace(' ', '_')}",
            f"{title}, {name}",
            ratios(found, name, "bare"),
            target=TARGET,
            aim=AIM,
            details=medians(found, name, "bare"),
        )
        for name in ("plain", "with env_vars")
    ]


def _side(crowd: Crowd, scale: Scale, requests: Iterator[bytes]) -> Callable[[], float]:
    def send() -> float:
        return crowd.send(list(itertools.islice(requests, scale.create_requests)), 201)

    return send


def tasks(key: str, **facts: Any) -> Iterator[bytes]:
    """Requests for one Task each, every one in a suite run and of a commit of its own: who has the
    same commit as another one may wait for its image."""
    run = itertools.count(1)
    kind = "-".join(facts) or "plain"
    while True:
        number = next(run)
        body = {
            "account": "acme",
            "suite_run_id": f"{kind}-{number}",
            "repository": "acme/shop",
            "commit": f"{number:040x}",
            "branch": "main",
            "order_index": 1,
            "order_count": 4,
            "seed": 1234,
            "project_name": "shop",
            "user_id": "42",
            "github_installation_id": "777",
            **facts,
        }
        yield _post("/api/v1/tasks", body, Authorization=f"Bearer {key}")


def _notes() -> Iterator[bytes]:
    for number in itertools.count(1):
        yield _post(
            "/bench/notes", {"title": f"note {number}", "commit": COMMIT, "position": number}
        )


def _post(path: str, body: dict[str, Any], **headers: str) -> bytes:
    return request("POST", path, json.dumps(body).encode(), headers)
