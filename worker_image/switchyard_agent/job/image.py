"""Reads from a registry what an image says about itself: its entrypoint, and its digest.

Source: the OCI distribution and image specifications, and "Token Authentication" of the
Distribution registry. Redirects are followed without the credentials.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from ..errors import StepFailed, Unreachable
from .settings import Registry

TIMEOUT_SECONDS = 15.0
LARGEST_ANSWER = 8 * 1024 * 1024
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<path>[^:@]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>\w+:[0-9a-f]+))?"
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    entrypoint: tuple[str, ...] = ()
    digest: str = ""


def read_config(registry: Registry) -> ImageConfig:
    """Raises Unreachable where it is worth another try, StepFailed where it is not."""
    client = _Client(registry)
    try:
        found, digest = client.manifest(client.reference)
        if found.get("mediaType") in INDEXES or "manifests" in found:
            found, _ = client.manifest(_for_this_machine(found))
        config = client.blob(found["config"]["digest"]).get("config") or {}
        return ImageConfig(
            entrypoint=tuple(map(str, config.get("Entrypoint") or ())),
            digest=digest,
        )
    except urllib.error.HTTPError as error:
        trouble = f"the registry answered {error.code} for {registry.image}"
        if error.code >= 500 or error.code in (404, 408, 429):
            raise Unreachable(trouble) from error
        raise StepFailed(trouble) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the registry of {registry.image} does not answer: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StepFailed(f"{registry.image} has no manifest that can be read: {error!r}") from error


def _for_this_machine(index: Mapping[str, Any]) -> str:
    for entry in index["manifests"]:
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(entry["digest"])
    return str(index["manifests"][0]["digest"])


class _Client:
    """For one repository. What the registry asks for as authorisation is kept for the next call."""

    def __init__(self, registry: Registry) -> None:
        found = REFERENCE.fullmatch(registry.image)
        if found is None:
            raise StepFailed(f"{registry.image} names no registry, repository and tag")
        self.reference = found["digest"] or found["tag"] or "latest"
        self._host = found["host"]
        scheme = "http" if registry.insecure else "https"
        self._base = f"{scheme}://{found['host']}/v2/{found['path']}"
        self._basic = basic_credentials(registry.config, found["host"])
        self._authorization = ""
        # Proxies are for the way out; this is the cluster's own registry.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def manifest(self, reference: str) -> tuple[dict[str, Any], str]:
        """With its digest."""
        accept = ", ".join((*MANIFESTS, *INDEXES))
        data, headers = self._get(f"{self._base}/manifests/{reference}", accept)
        return json.loads(data), headers.get("Docker-Content-Digest", "")

    def blob(self, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._get(f"{self._base}/blobs/{digest}", "*/*")[0])
        return found

    def _get(self, url: str, accept: str) -> tuple[bytes, Message]:
        try:
            return self._open(url, accept, self._authorization)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "") if error.code == 401 else ""
            if not challenge or self._authorization:
                raise
        self._authorization = self._answer(challenge)
        return self._open(url, accept, self._authorization)

    def _answer(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return self._basic
        asked = dict(CHALLENGE.findall(rest))
        realm = asked.pop("realm")
        if not re.match(r"https?://", realm):
            raise ValueError(f"{realm} is no place to ask for a token")
        query = urllib.parse.urlencode(asked)
        data, _ = self._open(f"{realm}?{query}", "application/json", self._basic)
        found = json.loads(data)
        return f"Bearer {found.get('token') or found['access_token']}"

    def _open(self, url: str, accept: str, authorization: str) -> tuple[bytes, Message]:
        request = urllib.request.Request(url, headers={"Accept": accept})
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(LARGEST_ANSWER)
            if answer.length:
                raise OSError(f"{answer.length} bytes of an answer are missing")
            return data, answer.headers


def basic_credentials(config: Path | None, host: str) -> str:
    """The header for this registry, from a Docker config.json; empty where it has none."""
    login = credentials(config, host)
    return f"Basic {login}" if login else ""


def credentials(config: Path | None, host: str) -> str:
    """In Base64. A file that cannot be read has none: the registry says what it wants."""
    try:
        auths = json.loads(config.read_text("utf-8"))["auths"] if config else {}
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    for key in (host, f"https://{host}", f"https://{host}/v1/", f"http://{host}"):
        entry = auths.get(key) if isinstance(auths, dict) else None
        if isinstance(entry, dict):
            pair = f"{entry.get('username', '')}:{entry.get('password', '')}"
            return str(entry.get("auth") or base64.b64encode(pair.encode()).decode())
    return ""


def secrets_in(config: Path | None) -> list[str]:
    """Passwords that must not be seen in a log."""
    try:
        auths = json.loads(config.read_text("utf-8"))["auths"] if config else {}
        entries = [entry for entry in auths.values() if isinstance(entry, dict)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    found = [str(entry.get("password") or "") for entry in entries]
    for entry in entries:
        try:
            plain = base64.b64decode(str(entry.get("auth") or "")).decode()
        except ValueError:
            continue
        found.append(plain.partition(":")[2])
    return [secret for secret in found if secret]
