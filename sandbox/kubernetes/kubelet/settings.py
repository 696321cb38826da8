"""What the operator of the node may choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.span import Span

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`speed` shortens what is simulated or merely waited for: pulls and back-offs, the delays and
    periods of probes, the start-up of service stand-ins, heartbeats. It never touches timestamps,
    grace periods, deadlines and time-outs, which real programs need.

    `env` is given to every container. `registries` maps the host of a reference to the URL where
    its registry answers; a loopback host answers at itself. `images` are (regular expression,
    kind) pairs that come before the table of images."""

    api: str
    token: str
    node: str
    state: Path
    port: int = 0
    speed: float = 1.0
    seed: int = 0
    env: Mapping[str, str] = field(default_factory=lambda: _NONE)
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)
    taints: tuple[Mapping[str, Any], ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=lambda: _NONE)
    images: tuple[tuple[str, str], ...] = ()
    registries: Mapping[str, str] = field(default_factory=lambda: _NONE)
    pull_seconds: Span = Span(0.5, 2)
    service_seconds: Span = Span(1, 3)
    verbose: bool = False

    def scaled(self, seconds: float) -> float:
        return seconds / self.speed

    def draw(self, span: Span, what: str) -> float:
        """A simulated duration in real seconds, for the named purpose."""
        return self.scaled(span.draw(f"{self.seed}:{what}"))
