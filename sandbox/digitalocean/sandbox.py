"""One sandbox: its settings, clock and state, and what is shared between requests."""

import threading
from pathlib import Path
from sqlite3 import Row

from .catalog import Catalog
from .clock import Clock
from .faults import Faults
from .limits import RateLimits
from .machine import Machine
from .settings import Settings
from .store import Store


class Sandbox:
    """Opens (or makes) the state directory. One process at a time may have it open."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.settings = settings
        self.clock = clock or Clock()
        self.store = Store(settings.state / "state.sqlite3")
        self.catalog = Catalog(settings.prices, settings.images)
        self.faults = Faults(self.store, settings.seed)
        self.limits = RateLimits(self.store, settings)
        # Set to let the background loop look at once.
        self.wake = threading.Event()

    def now(self) -> float:
        return self.clock.now()

    def machine(self, droplet_id: int) -> Machine:
        return Machine(self._droplets / str(droplet_id), self.mark(droplet_id))

    def mark(self, droplet_id: int) -> str:
        """What the environment of each process of this droplet carries. Unique to this state."""
        return f"{self.store.id}/{droplet_id}"

    def environment(self, droplet: Row) -> dict[str, str]:
        """The operator's variables; {directory}, {droplet_id}, {droplet_name} are filled in."""
        places = {
            "{directory}": str(self._droplets / str(droplet["id"])),
            "{droplet_id}": str(droplet["id"]),
            "{droplet_name}": droplet["name"],
        }
        return {name: _fill(value, places) for name, value in self.settings.environment.items()}

    @property
    def _droplets(self) -> Path:
        return (self.settings.state / "droplets").absolute()

    @property
    def droplet_limit(self) -> int:
        return int(self.store.meta("droplet_limit") or self.settings.droplet_limit)

    @property
    def account_status(self) -> str:
        return self.store.meta("account_status") or "active"

    @property
    def outage_until(self) -> float:
        return float(self.store.meta("outage_until") or 0)


def _fill(text: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        text = text.replace(place, value)
    return text
