"""The registry as the controller sees it: whether an image is there, and under which digest.

Source: the OCI Distribution Specification 1.1, "Pulling manifests", and "Token Authentication" of
the Distribution registry.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import requests

Headers = Mapping[str, str]
NONE: Headers = MappingProxyType({})
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPTED = ", ".join((*MANIFESTS, "application/json"))
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
LARGEST_ANSWER = 4 * 1024 * 1024
PIECE = 64 * 1024
LOOKS_AT_ONCE = 8
# What a registry that answers something else than we asked for may lead to.
NO_ANSWER = (
    requests.RequestException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)


class Unseen(Exception):
    """The registry did not say whether the image is there: it is away, or does not let us look."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """`host` is as references name it, `url` where we reach it. Times are seconds. A password is
    only for a registry that asks for one, and needs no more rights than to pull; `ca_file` holds
    the certificate of one that nobody else vouches for."""

    host: str
    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    timeout: float = 10.0

    def digest_of(self, reference: str) -> str | None:
        """Of what its tag names now (or of this very digest), or None where there is nothing.
        Raises Unseen."""
        place = reference.removeprefix(f"{self.host}/")
        path, _, name = place.partition("@") if "@" in place else place.rpartition(":")
        answer = self._read(f"/v2/{path}/manifests/{name}")
        if answer.status == 404:
            return None
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        named = name if "@" in place else answer.headers.get("Docker-Content-Digest", digest)
        if DIGEST.fullmatch(named) and named != digest:
            raise Unseen(f"{self.host}: the manifest of {path}:{name} is not what its digest says")
        return digest

    def look_at(self, references: Sequence[str]) -> "list[str | Unseen | None]":
        """As `digest_of`, of all of them within the time of one: the answers that are not there by
        then are Unseen."""
        looks = [_pool().submit(self._try, reference) for reference in references]
        wait(looks, self.timeout)
        return [_end_of(look) for look in looks]

    def _try(self, reference: str) -> "str | Unseen | None":
        try:
            return self.digest_of(reference)
        except Unseen as trouble:
            return trouble

    def check(self) -> None:
        """Raises Unseen where it cannot be asked."""
        if self._read("/v2/").status == 404:
            raise Unseen(f"{self.url}/v2/: 404, this is no registry")

    def check_below(self, path: str) -> None:
        """Raises Unseen where it does not say, of an image that nobody has pushed below this path,
        that it is not there: then it may not tell of others either."""
        place = f"/v2/{path}/manifests/none"
        answer = self._read(place)
        if answer.status != 404:
            raise Unseen(f"{self.url}{place}: {answer.status}, though nobody has pushed that")
        try:
            json.loads(answer.body)["errors"]
        except (ValueError, KeyError, TypeError):
            raise Unseen(f"{self.url}{place}: 404, as no registry says it") from None

    def _read(self, path: str) -> "_Answer":
        until = time.monotonic() + self.timeout
        try:
            with requests.Session() as session:
                # Proxies are for the way out, and what .netrc holds is for others.
                session.trust_env = False
                session.verify = self.ca_file or True
                return self._ask(_Caller(session=session, until=until), f"{self.url}{path}")
        except NO_ANSWER as error:
            raise Unseen(f"{self.url}{path}: no answer ({type(error).__name__})") from None

    def _ask(self, caller: "_Caller", url: str) -> "_Answer":
        answer = caller.get(url)
        if answer.status_code == 401:
            answer.close()
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer = caller.get(url, **self._authorization(caller, challenge))
        with answer:
            body = caller.whole(answer, but=404)
            return _Answer(status=answer.status_code, body=body, headers=answer.headers)

    def _authorization(self, caller: "_Caller", challenge: str) -> dict[str, Any]:
        """What the registry asks for: our password, or a token that is got with it."""
        login: dict[str, Any] = {"auth": (self.username, self.password)} if self.username else {}
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return login
        asked = dict(CHALLENGE.findall(rest))
        query = {name: asked[name] for name in ("service", "scope") if name in asked}
        with caller.get(asked["realm"], params=query, **login) as answer:
            found = json.loads(caller.whole(answer))
        token = found.get("token") or found["access_token"]
        return {"headers": {"Authorization": f"Bearer {token}"}}


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look for images")


def _end_of(look: "Future[str | Unseen | None]") -> "str | Unseen | None":
    """One that has begun ends by itself, within its own time."""
    if look.done():
        return look.result()
    look.cancel()
    return Unseen("the registry is too slow")


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """`status` is 200 or 404."""

    status: int
    body: bytes
    headers: Headers


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """All calls for one answer, within one time."""

    session: requests.Session
    until: float

    def get(self, url: str, headers: Headers = NONE, **more: Any) -> requests.Response:
        left = max(0.1, self.until - time.monotonic())
        accepted = {"Accept": ACCEPTED, **headers}
        return self.session.get(url, headers=accepted, timeout=left, stream=True, **more)

    def whole(self, answer: requests.Response, but: int = 200) -> bytes:
        """Raises Unseen where it is no answer (200, or that), too large, or takes too long."""
        if answer.status_code not in (200, but):
            raise Unseen(f"{answer.url}: {answer.status_code} {answer.reason}")
        found = b""
        for piece in answer.iter_content(PIECE):
            found += piece
            if len(found) > LARGEST_ANSWER or time.monotonic() > self.until:
                raise Unseen(f"{answer.url}: an answer without an end")
        return found
