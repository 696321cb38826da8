"""python -m sandbox.kubernetes --state DIR [--port N] [--token TOKEN] [options]"""

import asyncio
import fcntl
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from .application import Application
from .cluster import Cluster
from .controllers.manager import ControllerManager
from .kubeconfig import write_kubeconfig
from .options import make_parser, read_settings
from .server import Server
from .settings import Settings

# How often Python's collector looks through the young, the middle and all objects. Of those that
# stay there are hundreds of thousands here, without a cycle among them: to look through them all
# stops everything for up to a second, which no real API server does.
COLLECTED_AFTER = (700, 10, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"{parser.prog}: {settings.state} is in use", file=sys.stderr)
            return 1
        return asyncio.run(_serve(settings, options.fault))


async def _serve(settings: Settings, faults: list[dict[str, Any]]) -> int:
    """Run until SIGTERM or SIGINT."""
    gc.set_threshold(*COLLECTED_AFTER)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = Cluster(settings)
    controllers = ControllerManager(cluster)
    if faults:
        cluster.faults.replace(faults)
    server = Server(Application(cluster), settings.port, settings.verbose)
    try:
        await server.start()
    except OSError as error:
        print(f"port {settings.port} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    controllers.start()
    _announce(settings, server)
    await stop.wait()
    await server.stop()
    cluster.counters.flush()
    cluster.store.close()
    (settings.state / "server.json").unlink(missing_ok=True)
    return 0


def _announce(settings: Settings, server: Server) -> None:
    """Say where it is, once it answers: one line of JSON, and the same in DIR/server.json."""
    tokens = {"admin": settings.token}
    if settings.limited_token:
        tokens["limited"] = settings.limited_token
    kubeconfig = (settings.state / "kubeconfig").absolute()
    write_kubeconfig(kubeconfig, server.url, tokens)
    place: dict[str, Any] = {
        "url": server.url,
        "port": server.port,
        "token": settings.token,
        "kubeconfig": str(kubeconfig),
        "pid": os.getpid(),
    }
    draft = settings.state / ".server.json"
    draft.write_text(json.dumps(place))
    draft.chmod(0o600)
    os.replace(draft, settings.state / "server.json")
    print(json.dumps(place), flush=True)


if __name__ == "__main__":
    sys.exit(main())
