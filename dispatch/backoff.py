"""How long to leave something alone that keeps failing."""

import random

# Beyond that many failures in a row every pause is the longest one.
MOST_DOUBLINGS = 30


def pause_after(failures: int, *, first: float, longest: float, least: float = 0.5) -> float:
    """Seconds after this many failures in a row, from 1 on: doubling from `first` to `longest`, and
    shortened at random, to `least` of it at most, so that many do not come back at once."""
    doubled: float = first * 2 ** min(failures - 1, MOST_DOUBLINGS)
    return min(doubled, longest) * random.uniform(least, 1.0)
