"""What the registry keeps, in plain files.

DIR/
- `blobs/<hex>`: configs and manifests by their digest
- `repositories/<name, quoted>/manifests/<hex>`: the media type of a manifest
- `repositories/<name, quoted>/tags/<tag>`: the digest that it names
- `uploads/<id>`: a blob on its way
- `trees/`, `pool/`: see trees.py
"""

import hashlib
import json
import os
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from .trees import Trees

NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    digest: str
    media_type: str
    body: bytes

    @property
    def referred(self) -> tuple[str, list[str]]:
        """The digests of the config and of the layers. Raises ValueError where it has none."""
        try:
            content = json.loads(self.body)
            return content["config"]["digest"], [layer["digest"] for layer in content["layers"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"the manifest has no {error}") from None


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Store:
    """Every change is one rename: whatever is killed, the rest stays whole."""

    def __init__(self, state: Path) -> None:
        self._state = state
        for name in ("blobs", "repositories", "uploads"):
            (state / name).mkdir(parents=True, exist_ok=True)
        self.trees = Trees(state)

    def blob(self, digest: str) -> bytes | None:
        return _read(self._blob_path(digest))

    def put_blob(self, data: bytes) -> str:
        digest = digest_of(data)
        self._write(self._blob_path(digest), data)
        return digest

    def begin_upload(self) -> str:
        upload = uuid.uuid4().hex
        (self._state / "uploads" / upload).touch()
        return upload

    def append(self, upload: str, data: bytes) -> int | None:
        """How many bytes there are by now; None for an upload that is not known."""
        path = self._state / "uploads" / upload
        if not re.fullmatch("[0-9a-f]{32}", upload) or not path.exists():
            return None
        with path.open("ab") as file:
            file.write(data)
        return path.stat().st_size

    def end_upload(self, upload: str, digest: str) -> bool:
        """False when the bytes are not those of this digest."""
        path = self._state / "uploads" / upload
        if digest_of(path.read_bytes()) != digest:
            return False
        os.replace(path, self._blob_path(digest))
        return True

    def manifest(self, name: str, reference: str) -> Manifest | None:
        """By tag or digest. Looking at it makes it young again."""
        folder = self._repository(name)
        digest = reference
        if not re.fullmatch(DIGEST, reference):
            digest = (_read(folder / "tags" / reference) or b"").decode()
        media_type = _read(folder / "manifests" / digest.partition(":")[2]) if digest else None
        body = self.blob(digest) if media_type else None
        if media_type is None or body is None:
            return None
        os.utime(folder / "manifests" / digest.partition(":")[2])
        return Manifest(digest=digest, media_type=media_type.decode(), body=body)

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> Manifest:
        """Raises ValueError naming what it refers to and is not there."""
        manifest = Manifest(digest=digest_of(body), media_type=media_type, body=body)
        config, layers = manifest.referred
        missing = [config] if self.blob(config) is None else []
        missing += [layer for layer in layers if not self.trees.find(layer)]
        if missing:
            raise ValueError(f"blob unknown to registry: {missing[0]}")
        self.put_blob(body)
        folder = self._repository(name)
        self._write(folder / "manifests" / manifest.digest.partition(":")[2], media_type.encode())
        if reference != manifest.digest:
            self._write(folder / "tags" / reference, manifest.digest.encode())
        return manifest

    def delete_manifest(self, name: str, digest: str) -> bool:
        """And the tags that name it."""
        folder = self._repository(name)
        path = folder / "manifests" / digest.partition(":")[2]
        if not path.exists():
            return False
        for tag in self.tags(name):
            if _read(folder / "tags" / tag) == digest.encode():
                (folder / "tags" / tag).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        return True

    def tags(self, name: str) -> list[str]:
        folder = self._repository(name) / "tags"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def repositories(self) -> list[str]:
        return sorted(unquote(path.name) for path in (self._state / "repositories").iterdir())

    def collect(self, age: float) -> int:
        """Free what nobody has looked at for `age` seconds. Returns how many manifests went."""
        oldest = time.time() - age
        gone = 0
        for name in self.repositories():
            for path in (self._repository(name) / "manifests").glob("*"):
                if path.stat().st_mtime < oldest:
                    gone += self.delete_manifest(name, f"sha256:{path.name}")
        used = self._used()
        for folder in ("blobs", "uploads"):
            for path in (self._state / folder).iterdir():
                if path.stat().st_mtime < oldest and path.name not in used:
                    path.unlink(missing_ok=True)
        self.trees.collect(used, oldest)
        return gone

    def _used(self) -> set[str]:
        """The hex digests of all that a manifest needs."""
        used = set()
        for name in self.repositories():
            for path in (self._repository(name) / "manifests").glob("*"):
                used.add(path.name)
                body = self.blob(f"sha256:{path.name}") or b"{}"
                found = re.findall(rb"sha256:([0-9a-f]{64})", body)
                used.update(digest.decode() for digest in found)
        return used

    def _blob_path(self, digest: str) -> Path:
        return self._state / "blobs" / digest.partition(":")[2]

    def _repository(self, name: str) -> Path:
        return self._state / "repositories" / quote(name, safe="")

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._state / "uploads" / f"draft-{uuid.uuid4().hex}"
        draft.write_bytes(data)
        os.replace(draft, path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
