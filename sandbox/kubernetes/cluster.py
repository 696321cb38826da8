"""One cluster: its settings, clock and state, and what its parts share."""

import random
import uuid
from pathlib import Path

from .clock import Clock, Timers, iso
from .faults import Faults
from .settings import Settings
from .store import Store

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
        self._random = random.Random()

    @property
    def state(self) -> Path:
        return self.settings.state

    def now(self) -> float:
        return self.clock.now()

    def timestamp(self) -> str:
        return iso(self.now())

    def suffix(self) -> str:
        """Five letters that make a name unique."""
        return "".join(self._random.choices(_LETTERS, k=5))

    @staticmethod
    def new_uid() -> str:
        return str(uuid.uuid4())
