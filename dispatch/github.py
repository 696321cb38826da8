"""The one place that GitHub tokens come from: Rails. Nothing of a token is stored or logged."""

import json
import logging
import re
import time
from typing import Any

import requests
from django.conf import settings

PAUSE_SECONDS = 10.0
LONGEST_ANSWER = 2048

logger = logging.getLogger(__name__)

_down_until = 0.0


def token(body: bytes) -> str:
    """The token for what `body` asks, or nothing: without an upstream, while it is down, and
    where its answer is no token. After a failure it is left alone for a moment, so that the
    agents of a whole suite do not queue up here."""
    global _down_until
    if not settings.GITHUB_TOKEN_UPSTREAM["url"] or time.monotonic() < _down_until:
        return ""
    try:
        return _ask(body)
    except requests.RequestException as problem:
        _down_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("The source of GitHub tokens failed: %s", type(problem).__name__)
        return ""


def installation_token(installation_id: str) -> str:
    return token(json.dumps({"github_installation_id": installation_id}).encode())


def _ask(body: bytes) -> str:
    source: dict[str, Any] = settings.GITHUB_TOKEN_UPSTREAM
    headers = {"Content-Type": "application/json"}
    if source["authorization"]:
        headers["Authorization"] = source["authorization"]
    with requests.post(
        source["url"],
        data=body,
        headers=headers,
        timeout=source["timeout"],
        allow_redirects=False,
        stream=True,
    ) as answer:
        if answer.status_code >= 500:
            raise requests.HTTPError(f"status {answer.status_code}")
        text = _beginning(answer).strip() if answer.status_code == 200 else ""
    return text if re.fullmatch(r"[A-Za-z0-9_.-]{1,1024}", text) else ""


def _beginning(answer: requests.Response) -> str:
    """Enough to see what it is, and no more than that of an answer without end."""
    data = b""
    for piece in answer.iter_content(LONGEST_ANSWER):
        data += piece
        if len(data) > LONGEST_ANSWER:
            break
    return data.decode("ascii", "replace")
