"""The API server as the kubelet talks to it: JSON over HTTP with a bearer token."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import requests

from .spec import Json

_SECONDS = 15.0
_QUIET_SECONDS = 60.0


class Unreachable(Exception):
    """No answer, or one that says nothing (429, 5xx): try again later."""


class Refused(Exception):
    """A final answer that is not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """May be used by any thread. While `away_until` lies ahead nothing gets through."""

    def __init__(self, url: str, token: str, agent: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": agent}
        self._local = threading.local()
        self.away_until = 0.0

    def get(self, path: str) -> Json | None:
        """None where there is no such object."""
        try:
            return self.call("GET", path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def call(
        self, method: str, path: str, body: Json | None = None, *, kind: str = "application/json"
    ) -> Json:
        """Raises Unreachable, Refused."""
        answer = self._send(method, path, body, kind)
        try:
            content = answer.json() if answer.content else {}
        except ValueError as error:
            raise Unreachable(f"{method} {path}: {error}") from error
        self._judge(answer, method, path, content)
        return content if isinstance(content, dict) else {}

    def watch(self, path: str, query: Mapping[str, str]) -> Iterator[Json]:
        """The events as they come, until the server ends the watch. Raises Unreachable, Refused."""
        answer = self._send("GET", f"{path}?{urlencode(query)}", None, "", stream=True)
        with answer:
            if answer.status_code != 200:
                self._judge(answer, "WATCH", path, {})
            try:
                for line in answer.iter_lines(chunk_size=1):
                    self._check_away()
                    if line:
                        yield json.loads(line)
            except (requests.RequestException, ValueError) as error:
                raise Unreachable(f"WATCH {path}: {error}") from error

    def _send(
        self, method: str, path: str, body: Json | None, kind: str, stream: bool = False
    ) -> requests.Response:
        self._check_away()
        try:
            return self._session().request(
                method,
                self._url + path,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": kind} if body is not None else None,
                timeout=(_SECONDS, _QUIET_SECONDS if stream else _SECONDS),
                stream=stream,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unreachable(f"{method} {path}: {error}") from error

    def _check_away(self) -> None:
        if time.time() < self.away_until:
            raise Unreachable("the node is away")

    def _session(self) -> requests.Session:
        """One for each thread."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers.update(self._headers)
            session.trust_env = False  # never through a proxy
        return session

    def _judge(self, answer: requests.Response, method: str, path: str, content: Any) -> None:
        status = answer.status_code
        if status in (408, 429) or status >= 500:
            raise Unreachable(f"{method} {path}: {status}")
        if status >= 300:
            message = content.get("message") if isinstance(content, dict) else None
            raise Refused(status, str(message or answer.text[:300]))


def pod_path(namespace: str, name: str, part: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}{part}"
