"""How long something takes, where that is drawn."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A range of seconds to draw from, written "lo:hi", or one number for a fixed time."""

    lo: float
    hi: float

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Raises ValueError, naming what is wrong."""
        lo, _, hi = text.partition(":")
        try:
            span = cls(float(lo), float(hi or lo))
        except ValueError:
            raise ValueError(
                f'"{text}" is no range of seconds: write lo:hi, such as 30:60'
            ) from None
        if not 0 <= span.lo <= span.hi < float("inf"):
            raise ValueError(f'"{text}" is no range of seconds: needs 0 <= lo <= hi')
        return span

    def draw(self, seed: str) -> float:
        """The same seed draws the same time, also after a restart."""
        return random.Random(seed).uniform(self.lo, self.hi)
