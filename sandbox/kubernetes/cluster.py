"""One cluster: its settings, clock and state, and what its parts share."""

import random
import uuid
from pathlib import Path

from .clock import Clock, Timers, iso
from .counters import Counters
from .faults import Faults
from .quotas import Quotas
from .settings import Settings
from .store import Store
from .watches import Watches

# Without vowels and what looks like them, so that no words come up.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Cluster:
    """Opens (or makes) the state directory. One process at a time may have it open."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.settings = settings
        self.clock = clock or Clock()
        self.store = Store(settings.state / "state.sqlite3", self.clock.now)
        self.timers = Timers(self.clock)
        self.faults = Faults(self.store, settings.seed)
        self.quotas = Quotas(self.store)
        self.counters = Counters(self.store, self.timers.after_real)
        self._outage_until = float(self.store.meta("outage_until") or 0)
        self.watches = Watches()
        self._random = random.Random()

    @property
    def state(self) -> Path:
        return self.settings.state

    def now(self) -> float:
        return self.clock.now()

    def timestamp(self) -> str:
        return iso(self.now())

    @property
    def outage_until(self) -> float:
        return self._outage_until

    @property
    def is_out(self) -> bool:
        return self.now() < self._outage_until

    def be_out(self, seconds: float) -> None:
        """Answer nothing but 503 for so long; 0 ends it."""
        self._outage_until = self.now() + seconds if seconds else 0.0
        self.store.set_meta("outage_until", str(self._outage_until))
        self.wake_watches()

    def wake_watches(self) -> None:
        """Something other than an object has changed that a watch may have to go by."""
        self.watches.wake()

    def suffix(self) -> str:
        """Five letters that make a name unique."""
        return "".join(self._random.choices(_LETTERS, k=5))

    @staticmethod
    def new_uid() -> str:
        return str(uuid.uuid4())
