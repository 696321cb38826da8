"""An image in the registry, as whoever pulls it finds it."""

import json
import posixpath
import tarfile
import tempfile
from dataclasses import dataclass, replace

from tests.cluster.images import crane
from tests.conformance.cluster import Json

SHORT = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What an image has at a path; of a file that is not short, without its content."""

    kind: str
    mode: int
    owner: tuple[int, int]
    link: str
    content: str


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    reference: str

    def config(self) -> Json:
        found: Json = json.loads(crane("config", self.reference))["config"]
        return found

    def digest(self) -> str:
        return crane("digest", self.reference).strip()

    def layers(self) -> list[str]:
        """Their digests."""
        manifest = json.loads(crane("manifest", self.reference))
        return [layer["digest"] for layer in manifest["layers"]]

    def files(self) -> dict[str, Entry]:
        """By path, what whoever pulls the image finds in it."""
        with tempfile.TemporaryDirectory() as place:
            crane("export", self.reference, f"{place}/tar")
            with tarfile.open(f"{place}/tar") as tar:
                found = {_path(item.name): _entry(tar, item) for item in tar}
        return found | {
            path: replace(found[_path(entry.link)], kind="hard link", link=entry.link)
            for path, entry in found.items()
            if entry.kind == "hard link"
        }


def _path(name: str) -> str:
    return posixpath.normpath(f"/{name}")


def _entry(tar: tarfile.TarFile, item: tarfile.TarInfo) -> Entry:
    kinds = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link"}
    file = tar.extractfile(item) if item.isreg() and item.size <= SHORT else None
    return Entry(
        kind=kinds.get(item.type, "file"),
        mode=item.mode,
        owner=(item.uid, item.gid),
        link=item.linkname,
        content=file.read().decode(errors="replace") if file else "",
    )
