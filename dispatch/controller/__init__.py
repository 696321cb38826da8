"""The controller: our own loops, led by one process at a time.

`runner` runs loops, `placing` brings queued Assignments to a backend, `reconciling` compares
rows with what a backend holds, `fallback` gives a backend's queue to the other one when it is away
for too long, `upkeep` looks after everything else.
"""

from dispatch import backends
from dispatch.backends import Loop


def all_loops() -> list[Loop]:
    """The core's loops for every configured backend, and those that the backends bring."""
    from dispatch.controller import fallback, placing, reconciling, upkeep

    loops = [*upkeep.LOOPS, fallback.loop()]
    for name, entry in backends.entries().items():
        loops += [placing.loop(name), reconciling.loop(name), *entry.loops]
    return loops
