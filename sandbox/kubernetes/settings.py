"""What the operator of the sandbox may choose."""

from dataclasses import dataclass
from pathlib import Path

VERSION = "v1.34.4"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Seconds are of the real cluster's defaults. `speed` divides what the cluster waits for by
    itself (lost nodes, tolerations, time to live, events, compaction); never timestamps,
    activeDeadlineSeconds or grace periods, in which real processes do real work."""

    state: Path
    token: str
    limited_token: str = ""
    port: int = 0
    speed: float = 1.0
    seed: int = 0
    nodes: int = 0
    node_cpu: str = "8"
    node_memory: str = "16Gi"
    node_pods: int = 110
    node_grace: float = 50.0
    namespace_delay: float = 0.05
    event_ttl: float = 3600.0
    history: float = 300.0
    bookmarks: float = 60.0
    verbose: bool = False

    def scaled(self, seconds: float) -> float:
        return seconds / self.speed
