"""What the droplet backend brings to the control plane."""

from dispatch.backends import Backend, BackendEntry, Loop
from droplets.config import config


def _backend() -> Backend:
    from droplets.backend import DropletBackend

    return DropletBackend()


def _keep_pool() -> None:
    from droplets import pool

    pool.keep()


def _destroy_ended() -> None:
    from droplets import destroying

    destroying.destroy_ended()


def _compare_inventory() -> None:
    from droplets import inventory

    inventory.compare()


WORKERS = frozenset({"workers"})

ENTRY = BackendEntry(
    title="Droplets",
    backend=_backend,
    loops=(
        Loop(name="droplet pool", step=_keep_pool, every=config().pool_every, wakes=WORKERS),
        Loop(name="droplet end", step=_destroy_ended, every=config().pool_every, wakes=WORKERS),
        Loop(name="droplet inventory", step=_compare_inventory, every=config().list_every),
    ),
)
