"""What the operator of the sandbox may choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from sandbox.span import Span


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`speed` shortens simulated waits (boot, agent, actions, shutdown); it never touches
    timestamps, bills or rate limits. A limit of 0 means none."""

    state: Path
    tokens: frozenset[str]
    read_tokens: frozenset[str] = frozenset()
    port: int = 0
    speed: float = 1.0
    seed: int = 0
    boot_seconds: Span = Span(30, 60)
    agent_seconds: Span = Span(20, 60)
    action_seconds: Span = Span(2, 6)
    shutdown_seconds: Span = Span(5, 15)
    droplet_limit: int = 25
    hour_limit: int = 5000
    minute_limit: int = 250
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    prices: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    images: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    ssh_keys: frozenset[str] = frozenset()
    vpcs: frozenset[str] = frozenset()
    destroy_on_exit: bool = False
    verbose: bool = False

    def draw(self, span: Span, what: str) -> float:
        """A simulated duration in seconds of the clock, for the named purpose."""
        return span.draw(f"{self.seed}:{what}") / self.speed
