"""The controller: our own loops, led by one process at a time.

`runner` runs loops, `placing` brings queued Assignments to a backend, `reconciling` compares
rows with what a backend holds, `upkeep` looks after everything else.
"""

from dispatch import backends
from dispatch.backends import Loop


def all_loops() -> list[Loop]:
    """The core's loops for every configured backend, and those that the backends bring."""
    from dispatch.controller import placing, reconciling, upkeep

    loops = list(upkeep.LOOPS)
    for name, entry in backends.entries().items():
        loops += [placing.loop(name), reconciling.loop(name), *entry.loops]
    return loops
