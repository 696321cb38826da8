"""The registry as the controller sees it: whether an image is there, and under which digest.

Source: the OCI Distribution Specification 1.1, "Pulling manifests", and "Token Authentication" of
the Distribution registry.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        """Of what its tag names now, or None where there is nothing. Raises Unseen."""
        path, _, tag = reference.removeprefix(f"{self.host}/").rpartition(":")
        body, headers = self._read(f"/v2/{path}/manifests/{tag}")
        if body is None:
            return None
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        told = headers.get("Docker-Content-Digest", digest)
        if DIGEST.fullmatch(told) and told != digest:
            raise Unseen(f"{self.host}: the manifest of {path}:{tag} is not what its digest says")
        return digest

    def check(self) -> None:
        """Raises Unseen where it cannot be asked."""
        if self._read("/v2/")[0] is None:
            raise Unseen(f"{self.url}/v2/: 404, this is no registry")

    def _read(self, path: str) -> tuple[bytes | None, Headers]:
        """The body, None where there is nothing, and the headers."""
        until = time.monotonic() + self.timeout
        try:
            with requests.Session() as session:
                # Proxies are for the way out, and what .netrc holds is for others.
                session.trust_env = False
                session.verify = self.ca_file or True
                return self._ask(_Caller(session=session, until=until), f"{self.url}{path}")
        except (requests.RequestException, OSError, ValueError, KeyError, TypeError) as error:
            raise Unseen(f"{self.url}{path}: no answer ({type(error).__name__})") from None

    def _ask(self, caller: "_Caller", url: str) -> tuple[bytes | None, Headers]:
        answer = caller.get(url)
        if answer.status_code == 401:
            answer.close()
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer = caller.get(url, **self._authorization(caller, challenge))
        with answer:
            if answer.status_code == 404:
                return None, answer.headers
            return caller.whole(answer), answer.headers

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


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """All calls for one answer, within one time."""

    session: requests.Session
    until: float

    def get(self, url: str, headers: Headers = NONE, **more: Any) -> requests.Response:
        left = max(0.1, self.until - time.monotonic())
        accepted = {"Accept": ACCEPTED, **headers}
        return self.session.get(url, headers=accepted, timeout=left, stream=True, **more)

    def whole(self, answer: requests.Response) -> bytes:
        """Raises Unseen where it is no answer, too large, or takes too long."""
        if answer.status_code != 200:
            raise Unseen(f"{answer.url}: {answer.status_code} {answer.reason}")
        found = b""
        for piece in answer.iter_content(PIECE):
            found += piece
            if len(found) > LARGEST_ANSWER or time.monotonic() > self.until:
                raise Unseen(f"{answer.url}: an answer without an end")
        return found
