"""What the droplet backend brings to the control plane."""

from dispatch.backends import Backend, BackendEntry


def _backend() -> Backend:
    from droplets.backend import DropletBackend

    return DropletBackend()


ENTRY = BackendEntry(title="Droplets", backend=_backend)
