"""Talks to a registry as the kubelet and the executor do: manifests, configs, trees."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .store import digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TREE = "application/vnd.oci.image.layer.v1.tar"
_SECONDS = 10.0
# Never through a proxy: it is on this machine.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

Json = dict[str, Any]


class RegistryError(Exception):
    """An answer other than 2xx (`status`), or none at all (0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """`config` is the image's own configuration: Entrypoint, Cmd, Env, WorkingDir, User."""

    digest: str
    config: Json
    size: int
    tree: Path
    places: tuple[str, ...]


class Registry:
    """All of it raises RegistryError."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def check(self) -> None:
        """Whether a registry answers here."""
        self._call("GET", "/v2/")

    def pull(self, name: str, reference: str) -> Pulled:
        body, headers = self._call("GET", f"/v2/{name}/manifests/{reference}")
        manifest = json.loads(body)
        config, _ = self._call("GET", f"/v2/{name}/blobs/{manifest['config']['digest']}")
        layer = manifest["layers"][0]
        tree = json.loads(self._call("GET", f"/sandbox/trees/{layer['digest']}")[0])
        return Pulled(
            digest=headers["Docker-Content-Digest"],
            config=json.loads(config).get("config") or {},
            size=layer["size"],
            tree=Path(tree["path"]),
            places=tuple(tree["places"]),
        )

    def put_tree(self, digest: str, path: Path, places: Sequence[str]) -> None:
        """The registry takes the folder away."""
        body = json.dumps({"path": str(path), "places": list(places)}).encode()
        self._call("PUT", f"/sandbox/trees/{digest}", body)

    def push(self, name: str, tag: str, config: Json, layer: Json) -> str:
        """`layer` is a descriptor (digest, size) whose tree is there. Returns the digest."""
        blob = json.dumps(config).encode()
        self._call("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(blob)}", blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(blob), "size": len(blob)},
            "layers": [{"mediaType": TREE, **layer}],
        }
        body = json.dumps(manifest).encode()
        self._call("PUT", f"/v2/{name}/manifests/{tag}", body, {"Content-Type": MANIFEST})
        return digest_of(body)

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[bytes, Mapping[str, str]]:
        request = urllib.request.Request(
            self._url + path, data=body, method=method, headers=dict(headers)
        )
        try:
            with _open(request, timeout=_SECONDS) as answer:
                return answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            raise RegistryError(error.code, error.read().decode(errors="replace")) from error
        except OSError as error:
            raise RegistryError(0, str(getattr(error, "reason", error))) from error
