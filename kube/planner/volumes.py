"""The volumes that the mounts of all services share."""

from dataclasses import dataclass, field, replace

from kube.names import Names
from kube.planner.keys import VOLUME, check
from kube.planner.plan import Volume
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.values import size

MOST = 100


@dataclass(kw_only=True)
class Volumes:
    """`declared` is the top-level mapping `volumes`."""

    declared: Reader
    names: Names = field(default_factory=Names)
    by_source: dict[str, Volume] = field(default_factory=dict)
    found: list[Volume] = field(default_factory=list)

    def named(self, reader: Reader, source: str) -> Volume | None:
        """The volume of this name, one for all services."""
        if source in self.by_source:
            return self.by_source[source]
        if source not in self.declared.content:
            remedy = "declare it below the top-level `volumes`, or begin a path with ./"
            reader.problem("volumes", f"the volume {quote(source)} is not declared", remedy)
            return None
        memory = self._memory_of(reader.service, source)
        self.by_source[source] = self.make(source, memory)
        return self.by_source[source]

    def make(self, source: str, memory_bytes: int | None = None) -> Volume:
        """A volume that nobody else has."""
        volume = Volume(name=self.names.take(f"data-{source}"), memory_bytes=memory_bytes)
        self.found.append(volume)
        return volume

    def _memory_of(self, service: str, source: str) -> int | None:
        """Its size where it is declared as a file system in memory. Tells what cannot be, in the
        name of the service that wants it first."""
        volume = replace(self.declared, service=service, path="volumes.").below(source)
        check(volume, VOLUME)
        if volume.says("external"):
            message = "an external volume is not there"
            volume.problem("external", message, "make it a volume of this file")
        if volume.text("driver") not in ("", "local"):
            message = f"{quote(volume.text('driver'))} is not provided"
            volume.problem("driver", message, "take it out: volumes are folders")
        return self._options(volume) if volume.has("driver_opts") else None

    def _options(self, volume: Reader) -> int | None:
        options = volume.below("driver_opts")
        if options.text("type") == "tmpfs":
            return memory_size(options.text("o"))
        if options.content:
            remedy = "take them out: a volume is an empty folder at first"
            volume.problem("driver_opts", "a volume mounts nothing of the node", remedy)
        return None


def memory_size(options: str) -> int:
    """The `size=` among the options of a file system in memory; 0 where there is none."""
    for option in options.split(","):
        name, _, value = option.strip().partition("=")
        if name == "size":
            return size(value) or 0
    return 0
