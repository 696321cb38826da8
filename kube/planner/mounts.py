"""`volumes`, `tmpfs` and `shm_size` of one service."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kube.planner.environment import task_file
from kube.planner.paths import BadPath, in_repository, is_path
from kube.planner.plan import Mount
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.volumes import Volumes, memory_size

# Ours, the kubelet's and the kernel's.
TAKEN = ("/saturn", "/proc", "/sys", "/var/run/secrets/kubernetes.io")
TAKEN_EXACTLY = ("/", "/dev", "/etc", "/etc/hosts", "/etc/resolv.conf", "/dev/termination-log")
SHARED_MEMORY = "/dev/shm"
# Where images keep data that is not there yet: to look for it would only cost time.
EMPTY_IN_IMAGES = (
    "/bitnami",
    "/data",
    "/meili_data",
    "/usr/share/elasticsearch/data",
    "/usr/share/opensearch/data",
    "/var/lib/mysql",
    "/var/lib/postgresql",
    "/var/lib/rabbitmq",
)
BIND = "give it as `./folder:/target`"


@dataclass(frozen=True, kw_only=True)
class MountReader:
    """`folder` is the compose file's."""

    reader: Reader
    folder: str
    volumes: Volumes
    is_main: bool

    def read(self) -> tuple[Mount, ...]:
        found: dict[str, Mount] = {}
        for mount in self._mounts():
            if mount.target in found:
                remedy = "keep one of them"
                message = f"two volumes are mounted at {quote(mount.target)}"
                self.reader.problem("volumes", message, remedy)
            found[mount.target] = mount
        return tuple(found.values())

    def _mounts(self) -> Iterator[Mount]:
        for item in self.reader.items("volumes"):
            mount = self._long(item) if isinstance(item, dict) else self._short(item)
            if mount:
                yield mount
        for text in self.reader.texts("tmpfs"):
            target, _, options = text.partition(":")
            if mount := self._memory("tmpfs", target, memory_size(options)):
                yield mount

    def _short(self, item: Any) -> Mount | None:
        text = self.reader.scalar("volumes", item, "volumes, as in ./folder:/target")
        if text is None:
            return None
        parts = text.split(":")
        if len(parts) == 1:
            return self._named("", parts[0], read_only=False, copies=True)
        source, target, *modes = parts
        if not source or not target or len(modes) > 1:
            self.reader.problem("volumes", f"{quote(text)} is no volume", BIND)
            return None
        options = modes[0].split(",") if modes else []
        read_only = "ro" in options
        if is_path(source):
            return self._bind(source, target, read_only)
        return self._named(source, target, read_only=read_only, copies="nocopy" not in options)

    def _long(self, item: dict[str, Any]) -> Mount | None:
        entry = self.reader.entry("volumes", item)
        kind, source, target = (entry.text(key) for key in ("type", "source", "target"))
        read_only = entry.flag("read_only")
        if kind == "bind" and source:
            return self._bind(source, target, read_only)
        if kind == "tmpfs":
            return self._memory("volumes", target, entry.below("tmpfs").size("size") or 0)
        if kind == "volume":
            volume = entry.below("volume")
            copies, path = not volume.flag("nocopy"), self._path_of(volume)
            return self._named(source, target, read_only=read_only, copies=copies, path=path)
        entry.problem("type", f"{quote(kind)} is no volume that can be given", BIND)
        return None

    def _path_of(self, volume: Reader) -> str:
        text = volume.text("subpath")
        if not text:
            return ""
        try:
            return in_repository("", text)
        except BadPath:
            volume.problem("subpath", f"{quote(text)} leads out of the volume", "use a path in it")
            return ""

    def _bind(self, source: str, target: str, read_only: bool) -> Mount | None:
        try:
            path = in_repository(self.folder, source)
        except BadPath as error:
            self.reader.problem("volumes", str(error), error.remedy)
            return None
        if path == task_file(self.folder):
            message = f"{quote(path)} stands for the Task's variables and is no file"
            self.reader.problem("volumes", message, "name it below `env_file`")
            return None
        place = self._place("volumes", target)
        return Mount(volume="", target=place, path=path, read_only=read_only) if place else None

    def _named(
        self, source: str, target: str, *, read_only: bool, copies: bool, path: str = ""
    ) -> Mount | None:
        """An empty source is a volume of its own."""
        place = self._place("volumes", target)
        if not place:
            return None
        volume = self.volumes.named(self.reader, source) if source else self.volumes.make(place)
        if not volume:
            return None
        copies = copies and not path and volume.memory_bytes is None and self._may_hold(place)
        return Mount(
            volume=volume.name, target=place, path=path, read_only=read_only, copies=copies
        )

    def _may_hold(self, place: str) -> bool:
        """Whether the image may have something there that an empty volume would hide."""
        return self.is_main or not f"{place}/".startswith(tuple(f"{p}/" for p in EMPTY_IN_IMAGES))

    def _memory(self, key: str, target: str, memory_bytes: int) -> Mount | None:
        place = self._place(key, target)
        if not place:
            return None
        return Mount(volume=self.volumes.make(place, memory_bytes).name, target=place)

    def _place(self, key: str, target: str) -> str:
        """The target made plain; "" where nothing may be mounted there."""
        remedy = "give an absolute path in the container, as in /app"
        if not target.startswith("/") or ":" in target or "\\" in target:
            self.reader.problem(key, f"{quote(target)} is no place in the container", remedy)
            return ""
        place = "/" + posixpath.normpath(target).strip("/")
        shared = place == SHARED_MEMORY and self.reader.has("shm_size")
        below = f"{place}/".startswith(tuple(f"{path}/" for path in TAKEN))
        if place in TAKEN_EXACTLY or below or shared:
            self.reader.problem(key, f"{quote(place)} is taken", "mount it at another path")
            return ""
        return place
