"""The Kubernetes API as far as we need it: raw JSON both ways through the official client.

The client's models are left aside: they cost many times the CPU on lists, refuse unknown fields
and raise on incomplete answers. Its configuration, authentication and transport are used as they
are. Every call has a timeout and one error class per reaction.
"""

import json
import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlencode

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from dispatch.backends import BackendError, NoCapacity, Rejected, Unavailable

Json = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
LOG_PIECE = 64 * 1024
# The client sets up its whole configuration anew whenever it is asked for our token.
TOKEN_SECONDS = 5.0
# Who we are, what we may, and how often we may ask: all that comes before any work.
AT_THE_DOOR = (401, 403, 429)


class AlreadyThere(BackendError):
    """409 on create: something has this name. Look whether it is ours."""


class Conflict(BackendError):
    """409: it changed meanwhile, or the preconditions did not hold. Read it again."""


class NotThere(BackendError):
    """404: it does not exist (any more)."""


class Untouched(Unavailable):
    """Certain to have changed nothing: it was not heard, or refused at the door."""


class Expired(BackendError):
    """410: the resource version is too old. List again."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: Json
    warnings: tuple[str, ...] = ()


@dataclass
class Pace:
    """At most `per_second` calls a second, after a burst of as many."""

    per_second: float
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 1.0) + 1.0 / self.per_second
            pause = self._next - now
        if pause > 0:
            time.sleep(pause)


class Cluster:
    """One API server, one namespace. Safe to share between threads; made anew after a fork."""

    def __init__(
        self, kubeconfig: str, namespace: str, *, timeout: float, per_second: float, threads: int
    ) -> None:
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._timeout = timeout
        self._pace = Pace(per_second=per_second)
        self._threads = threads
        self._lock = threading.Lock()
        self._client: client.ApiClient | None = None
        self._process = 0
        self._token: dict[str, str] = {}
        self._token_until = 0.0

    def get(self, kind: str, name: str) -> Json:
        """A live read. Raises NotThere."""
        return _whole(self._read(self._path(kind, name)), "uid").body

    def list(self, kind: str, **query: str) -> Json:
        """The List object: items and the resource version to watch from. Complete, or an error."""
        try:
            answer = _whole(self._read(self._path(kind), query), "resourceVersion")
        except NotThere as error:
            raise Unavailable(str(error)) from None
        if not isinstance(answer.body.get("items"), list):
            raise Unavailable(f"the list of {kind} has no items")
        return answer.body

    def create(self, kind: str, body: Json) -> Answer:
        """Strict: an unknown field is refused. Raises AlreadyThere."""
        path, query = self._path(kind), {"fieldValidation": "Strict"}
        return _whole(self._call("POST", path, query, body), "uid")

    def patch(self, kind: str, name: str, body: Json) -> Json:
        """A merge patch. Raises NotThere, or Conflict where metadata.uid or resourceVersion of
        the patch is not the object's."""
        return self._call("PATCH", self._path(kind, name), None, body).body

    def _read(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """What else than its absence is said in answer to a question is trouble over there: no
        caller could react to it in another way."""
        try:
            return self._call("GET", path, query)
        except (NotThere, Unavailable):
            raise
        except BackendError as error:
            raise Unavailable(str(error)) from None

    def delete(self, kind: str, name: str, uid: str, version: str = "") -> bool:
        """In the background, and only the object with this UID, and in this version where one is
        given. Gone is success; False: what has this name now is another one."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        options = {"propagationPolicy": "Background", "preconditions": preconditions}
        try:
            self._call("DELETE", self._path(kind, name), None, options)
        except NotThere:
            return True
        except Conflict:
            return False
        return True

    @contextmanager
    def log(
        self, pod: str, container: str, *, since: str = "", previous: bool = False, timeout: float
    ) -> Iterator[Iterator[bytes]]:
        """The log of a container's run, or of the one before, in pieces of any size. Each line
        begins with the time at which it was written, RFC 3339 with fractions; lines before the
        second of `since` are left out. Read on demand: leave when you have enough. Raises
        NotThere, or Rejected where there is no such run."""
        query = {"container": container, "timestamps": "true"}
        query |= {"sinceTime": since} if since else {}
        query |= {"previous": "true"} if previous else {}
        path = f"{self._path('pods', pod)}/log"
        answer = self._send("GET", path, query, None, timeout)
        try:
            yield answer.response.stream(amt=LOG_PIECE, decode_content=True)
        except (HTTPError, OSError) as error:
            raise Unavailable(f"the log of {container} broke off: {error}") from None
        finally:
            # What is left of it is not wanted: the connection cannot be used again.
            answer.response.close()

    def watch(
        self, kind: str, resource_version: str, silence: float, **query: str
    ) -> Generator[Json, None, None]:
        """Events from a version on, until the server ends the watch; close it to end it before.
        Nothing for `silence` seconds, not even a bookmark, raises Unavailable."""
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
        }
        answer = self._send("GET", self._path(kind), asked, None, (self._timeout, silence))
        try:
            yield from (json.loads(line) for line in _lines(answer.response))
        except (HTTPError, ValueError, OSError) as error:
            raise Unavailable(f"the watch of {kind} broke: {error}") from None
        finally:
            answer.response.close()

    def version(self) -> str:
        return str(self._call("GET", "/version").body["gitVersion"])

    def allowed(self, verb: str, group: str, resource: str) -> bool:
        """Whether our credentials may do this in our namespace. `resource`: with what is below it
        where that is meant, as in `pods/log`."""
        name, _, below = resource.partition("/")
        wanted = {"namespace": self.namespace, "verb": verb, "group": group, "resource": name}
        wanted |= {"subresource": below} if below else {}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._call("POST", path, None, review).body["status"]["allowed"])

    def _path(self, kind: str, name: str = "") -> str:
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        within = "" if kind == "nodes" else f"namespaces/{quote(self.namespace)}/"
        return f"/{group}/{within}{kind}" + (f"/{quote(name)}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
    ) -> Answer:
        answer = self._send(method, path, query, body, self._timeout)
        try:
            text = answer.read()
            parsed = json.loads(text) if text else {}
        except (HTTPError, ValueError, OSError) as error:
            raise Unavailable(f"{method} {path}: half an answer ({type(error).__name__})") from None
        warnings = answer.headers.getlist("Warning") if answer.headers else []
        return Answer(body=parsed, warnings=tuple(warnings))

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None,
        timeout: Any,
    ) -> Any:
        self._pace.wait()
        api = self._api()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = MERGE_PATCH
        headers |= self._authorization(api)
        url = api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=timeout
            )
        except (HTTPError, ApiException, OSError) as error:
            unheard = isinstance(error, NewConnectionError | ConnectTimeoutError)
            kind = Untouched if unheard else Unavailable
            raise kind(f"{method} {path}: no answer ({type(error).__name__})") from None
        if answer.status == 401:
            self._token_until = 0.0
        if answer.status >= 400:
            raise _reaction(method, path, answer)
        return answer

    def _authorization(self, api: client.ApiClient) -> dict[str, str]:
        """The header with our token, which a file or a program may renew."""
        now = time.monotonic()
        if now >= self._token_until:
            token: dict[str, str] = {}
            with _usable("our token"):
                api.update_params_for_auth(token, [], ["BearerToken"], "", "", None)
            self._token, self._token_until = token, now + TOKEN_SECONDS
        return self._token

    def _api(self) -> client.ApiClient:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._connect(), os.getpid()
            return self._client

    def _connect(self) -> client.ApiClient:
        settings = client.Configuration()
        if self._kubeconfig:
            with _usable(f"SWITCHYARD_KUBECONFIG, {self._kubeconfig!r},"):
                config.load_kube_config(self._kubeconfig, client_configuration=settings)
        else:
            with _usable("the ServiceAccount of our own pod (SWITCHYARD_KUBECONFIG is empty)"):
                config.load_incluster_config(client_configuration=settings)
        settings.retries = False
        settings.connection_pool_maxsize = self._threads
        return client.ApiClient(settings)


def _whole(answer: Answer, fact: str) -> Answer:
    """One that has this in its metadata. Raises Unavailable: something else has answered."""
    metadata = answer.body.get("metadata") if isinstance(answer.body, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get(fact), str):
        raise Unavailable(f"an answer without metadata.{fact} is not the cluster's")
    return answer


@contextmanager
def _usable(what: str) -> Iterator[None]:
    """Files that are missing or broken: whoever mends them need not restart us. What the trouble
    says of itself may quote them, and they hold secrets."""
    try:
        yield
    except Exception as error:
        raise Unavailable(f"{what} cannot be used ({type(error).__name__})") from None


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _reaction(method: str, path: str, answer: Any) -> BackendError:
    """One error class per reaction, from a Status object."""
    status = _status(answer)
    message = str(status.get("message") or answer.reason or answer.status)
    text = f"{method} {path}: {answer.status} {message}"
    if answer.status == 409:
        exists = status.get("reason") == "AlreadyExists"
        return AlreadyThere(text) if exists else Conflict(text)
    if answer.status == 422 and _is_of_another_uid(status):
        return Conflict(text)
    if answer.status == 403 and "exceeded quota" in message:
        return NoCapacity(text)
    simple = {404: NotThere, 410: Expired, 400: Rejected, 413: Rejected, 422: Rejected}
    if answer.status in simple:
        return simple[answer.status](text)
    kind = Untouched if answer.status in AT_THE_DOOR else Unavailable
    return kind(text, retry_after=_seconds(answer.headers.get("Retry-After")))


def _is_of_another_uid(status: Json) -> bool:
    """A patch that names the UID of an object that is gone breaks the rule that UIDs stay."""
    causes = (status.get("details") or {}).get("causes") or []
    return any(cause.get("field") == "metadata.uid" for cause in causes)


def _status(answer: Any) -> Json:
    try:
        parsed = json.loads(answer.read() or b"{}")
    except (HTTPError, ValueError, OSError):
        return {}
    return cast(Json, parsed) if isinstance(parsed, dict) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
