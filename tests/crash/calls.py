"""Calls to what runs in a crash test."""

import json
import urllib.request
from typing import Any


class Missed(Exception):
    """There is nothing now that this fault could strike."""


def call(url: str, method: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")
