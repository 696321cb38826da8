"""The Distribution API v2, and beside it the trees that stand for layers.

Source: the OCI Distribution Specification 1.1. Layers are no archives here: a layer's digest names
a tree, which is put and found under /sandbox/trees/ by its path on this machine.
"""

import re
from pathlib import Path
from typing import Any

from sandbox.kubernetes.kubelet.web import Handler, HttpError, Request, Response, Routes

from .faults import CODES, BadRule, Faults
from .store import DIGEST, NAME, TAG, Manifest, Store, digest_of

_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_UPLOAD = "[0-9a-f]{32}"


class Api:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults = Faults()

    @property
    def routes(self) -> Routes:
        repository, reference = f"/v2/(?P<name>{NAME})", f"(?P<reference>{TAG}|{DIGEST})"
        upload = f"{repository}/blobs/uploads/(?P<upload>{_UPLOAD})"
        own: Routes = [
            ("GET", "/v2/?", self.check),
            ("GET", "/v2/_catalog", self.catalog),
            ("GET", f"{repository}/tags/list", self.tags),
            ("HEAD", f"{repository}/manifests/{reference}", self.manifest),
            ("GET", f"{repository}/manifests/{reference}", self.manifest),
            ("PUT", f"{repository}/manifests/{reference}", self.put_manifest),
            ("DELETE", f"{repository}/manifests/{reference}", self.delete_manifest),
            ("HEAD", f"{repository}/blobs/(?P<digest>{DIGEST})", self.blob),
            ("GET", f"{repository}/blobs/(?P<digest>{DIGEST})", self.blob),
            ("POST", f"{repository}/blobs/uploads/?", self.begin_upload),
            ("PATCH", upload, self.append),
            ("PUT", upload, self.end_upload),
        ]
        return [
            *((method, path, self._faulty(handler)) for method, path, handler in own),
            ("GET", "/sandbox/faults", self.get_faults),
            ("PUT", "/sandbox/faults", self.put_faults),
            ("PUT", f"/sandbox/trees/(?P<digest>{DIGEST})", self.put_tree),
            ("GET", f"/sandbox/trees/(?P<digest>{DIGEST})", self.tree),
        ]

    def _faulty(self, handler: Handler) -> Handler:
        def answer(request: Request, **groups: str) -> Response:
            if status := self._faults.strike(request.method, request.path):
                code = CODES.get(status, "UNKNOWN")
                raise _error(status, code, f"the sandbox was told to answer {status}")
            return handler(request, **groups)

        return answer

    def get_faults(self, request: Request) -> Response:
        return Response(body=self._faults.describe())

    def put_faults(self, request: Request) -> Response:
        try:
            self._faults.replace(request.json())
        except BadRule as error:
            raise HttpError(422, str(error)) from None
        return self.get_faults(request)

    def check(self, request: Request) -> Response:
        return Response(body={}, headers=_VERSION)

    def catalog(self, request: Request) -> Response:
        return Response(body={"repositories": self._store.repositories()}, headers=_VERSION)

    def tags(self, request: Request, name: str) -> Response:
        if name not in self._store.repositories():
            raise _error(404, "NAME_UNKNOWN", "repository name not known to registry", name=name)
        return Response(body={"name": name, "tags": self._store.tags(name)}, headers=_VERSION)

    def manifest(self, request: Request, name: str, reference: str) -> Response:
        found = self._store.manifest(name, reference)
        if found is None:
            raise _error(404, "MANIFEST_UNKNOWN", "manifest unknown", name=name, tag=reference)
        headers = {**_about(found.digest), "Content-Type": found.media_type}
        return Response(body=found.body, headers=headers)

    def put_manifest(self, request: Request, name: str, reference: str) -> Response:
        media_type = request.headers.get("content-type", "")
        if re.fullmatch(DIGEST, reference) and reference != digest_of(request.body):
            raise _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        try:
            manifest = self._store.put_manifest(name, reference, media_type, request.body)
        except ValueError as error:
            raise _error(400, "MANIFEST_INVALID", str(error)) from None
        return _created(name, "manifests", manifest)

    def delete_manifest(self, request: Request, name: str, reference: str) -> Response:
        if not re.fullmatch(DIGEST, reference):
            raise _error(405, "UNSUPPORTED", "a manifest is deleted by its digest")
        if not self._store.delete_manifest(name, reference):
            raise _error(404, "MANIFEST_UNKNOWN", "manifest unknown", name=name)
        return Response(status=202, headers=_VERSION)

    def blob(self, request: Request, name: str, digest: str) -> Response:
        data = self._store.blob(digest)
        if data is None:
            raise _error(404, "BLOB_UNKNOWN", "blob unknown to registry", digest=digest)
        return Response(body=data, headers=_about(digest))

    def begin_upload(self, request: Request, name: str) -> Response:
        upload = self._store.begin_upload()
        if digest := request.query.get("digest"):
            return self._finish(name, upload, request.body, digest)
        return _uploading(name, upload, 0)

    def append(self, request: Request, name: str, upload: str) -> Response:
        size = self._store.append(upload, request.body)
        if size is None:
            raise _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return _uploading(name, upload, size)

    def end_upload(self, request: Request, name: str, upload: str) -> Response:
        return self._finish(name, upload, request.body, request.query.get("digest", ""))

    def _finish(self, name: str, upload: str, data: bytes, digest: str) -> Response:
        if self._store.append(upload, data) is None:
            raise _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if not self._store.end_upload(upload, digest):
            raise _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        headers = {**_about(digest), "Location": f"/v2/{name}/blobs/{digest}"}
        return Response(status=201, headers=headers)

    def put_tree(self, request: Request, digest: str) -> Response:
        """{"path": the folder to take, "places": the paths of the image that lie in it}"""
        body = request.json()
        if not isinstance(body, dict) or not isinstance(body.get("path"), str):
            raise HttpError(400, "path: must name a folder on this machine")
        if not Path(body["path"]).is_dir():
            raise HttpError(400, f"path: {body['path']} is no folder")
        self._store.trees.take(digest, Path(body["path"]), list(body.get("places") or []))
        return Response(status=201)

    def tree(self, request: Request, digest: str) -> Response:
        found = self._store.trees.find(digest)
        if found is None:
            raise HttpError(404, f"there is no tree {digest}")
        return Response(body={"path": str(found.path), "places": list(found.places)})


def _about(digest: str) -> dict[str, str]:
    return {**_VERSION, "Docker-Content-Digest": digest, "Etag": f'"{digest}"'}


def _created(name: str, part: str, manifest: Manifest) -> Response:
    location = {"Location": f"/v2/{name}/{part}/{manifest.digest}"}
    return Response(status=201, headers={**_about(manifest.digest), **location})


def _uploading(name: str, upload: str, size: int) -> Response:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload}",
        "Docker-Upload-UUID": upload,
        "Range": f"0-{max(size - 1, 0)}",
    }
    return Response(status=202, headers={**_VERSION, **headers})


def _error(status: int, code: str, message: str, **detail: Any) -> HttpError:
    body = {"errors": [{"code": code, "message": message, "detail": detail}]}
    return HttpError(status, message, body=body, headers=_VERSION)
