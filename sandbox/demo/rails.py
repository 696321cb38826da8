"""Plays the Rails app: sends suite runs through the dispatch API and asks how they went."""

import json
import secrets
import urllib.request
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from sandbox.samples import Sample

SHARDS = 2


class Rails:
    """`expected` has, for each Task that was sent, what its repository demands."""

    def __init__(self, url: str, key: str, samples: Mapping[str, Sample]) -> None:
        self.key = key
        self.expected: dict[str, str] = {}
        self._url = f"{url}/api/v1"
        self._samples = samples

    def send(self, count: int) -> None:
        """Send `count` Tasks as suite runs of two shards, over all sample repositories in turn."""
        for sample in cycle(self._samples.values()):
            shards = min(SHARDS, count - len(self.expected))
            if shards <= 0:
                return
            self._send(sample, shards)

    def _send(self, sample: Sample, shards: int) -> None:
        body = {
            "account": "demo",
            "suite_run_id": f"{sample.name}-{secrets.token_hex(4)}",
            "repository": f"demo/{sample.name}",
            "commit": sample.commit,
            "branch": "main",
            "order_count": shards,
            "seed": secrets.randbelow(2**16),
            "project_name": sample.name,
            "clone_url": sample.clone_url,
            "timeout_seconds": 300,
            "env_vars": {"DEMO_SECRET": secrets.token_hex(8)},
            "tasks": [{"order_index": index} for index in range(1, shards + 1)],
        }
        for task in self.call("POST", "/suite_runs", body)["tasks"]:
            self.expected[task["id"]] = sample.expected_category

    def states(self) -> dict[str, dict[str, Any]]:
        """The Tasks that were sent, as the API shows them now, by id."""
        found: dict[str, dict[str, Any]] = {}
        path: str | None = "/tasks?limit=200"
        while path:
            page = self.call("GET", path)
            found |= {task["id"]: task for task in page["results"] if task["id"] in self.expected}
            path = page["next"] and "/tasks?" + page["next"].partition("?")[2]
        return found

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; raises `urllib.error.HTTPError` with the API's own message."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
