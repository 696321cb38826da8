"""Plays the Rails app: sends suite runs through the dispatch API and asks how they went."""

import http.client
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from sandbox.samples import Sample
from worker_image.switchyard_agent.shard import shard, spec_files

SHARDS = 2
RETRY_PAUSES = (0.2, 0.5, 1.0, *[2.0] * 30)
IN_TURN = ("passing", "failing", "service", "unbuildable", "passing", "unprepared", "privileged")


class Rails:
    """`expected` has, for each Task that was sent, the category that its repository demands.
    `fields` are more of what is said of each Task."""

    def __init__(
        self,
        url: str,
        key: str,
        samples: Mapping[str, Sample],
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.key = key
        self.expected: dict[str, str] = {}
        self._url = f"{url}/api/v1"
        self.samples = samples
        self._fields = fields or {}

    def send(self, count: int) -> None:
        """Send `count` Tasks as suite runs of two shards, over the sample repositories in turn."""
        for name in cycle(IN_TURN):
            shards = min(SHARDS, count - len(self.expected))
            if shards <= 0:
                return
            self.send_suite_run(self.samples[name], shards)

    def send_suite_run(self, sample: Sample, shards: int) -> None:
        """One suite run, in one call. Sent again when the answer is lost, under the same key."""
        body = suite_run(sample, shards, self._fields)
        for task in self.call("POST", "/suite_runs", body, key=body["suite_run_id"])["tasks"]:
            self.expected[task["id"]] = expected(sample, body["seed"], task["order_index"], shards)

    def states(self) -> dict[str, dict[str, Any]]:
        """The Tasks that were sent, as the API shows them now, by id."""
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = ""
        while cursor is not None:
            page = self.call("GET", f"/tasks?limit=200{cursor and f'&cursor={cursor}'}")
            found |= {task["id"]: task for task in page["tasks"] if task["id"] in self.expected}
            cursor = page["next"]
        return found

    def call(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """One call, repeated for a while when nobody answers. Raises ApiRefused."""
        for pause in (*RETRY_PAUSES, None):
            try:
                return self._call(method, path, body, key)
            except urllib.error.HTTPError as error:
                if error.code < 500 or pause is None:
                    raise ApiRefused(f"{method} {path}: {error.code} {error.read()!r}") from None
            except (OSError, http.client.HTTPException):
                if pause is None:
                    raise
            time.sleep(pause)

    def _call(self, method: str, path: str, body: Any, key: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class ApiRefused(Exception):
    """The dispatch API said no; the message has its answer."""


def suite_run(sample: Sample, shards: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /suite_runs."""
    return {
        "account": "demo",
        "suite_run_id": f"{sample.name}-{secrets.token_hex(4)}",
        "repository": f"demo/{sample.name}",
        "commit": sample.commit,
        "branch": "main",
        "order_count": shards,
        "seed": secrets.randbelow(2**16),
        "project_name": sample.name,
        "clone_url": sample.clone_url,
        "compose_text": sample.compose_text,
        "dockerfile_text": sample.dockerfile_text,
        "tasks": [{**_task(index), **fields} for index in range(1, shards + 1)],
    }


def _task(order_index: int) -> dict[str, Any]:
    env_vars = {"DEMO_SECRET": secrets.token_hex(8)}
    return {"order_index": order_index, "timeout_seconds": 300, "env_vars": env_vars}


def expected(sample: Sample, seed: int, order_index: int, order_count: int) -> str:
    """The category in which one shard must end: a failing file fails the shard that has it."""
    if not sample.failing_files:
        return sample.category
    files = spec_files(sample.folder)
    mine = shard(files, seed=seed, order_index=order_index, order_count=order_count)
    return sample.category if set(mine) & set(sample.failing_files) else "passed"
