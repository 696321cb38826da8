"""python -m sandbox.kubernetes.registry --state DIR [--port N] [--keep-hours H]"""

import argparse
import fcntl
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.kubernetes.kubelet.web import Server, announce

from .api import Api
from .store import Store

_COLLECT_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.kubernetes.registry")
    parser.add_argument("--state", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument(
        "--keep-hours", type=float, default=24.0, help="how long an image lives that nobody uses"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    options = parser.parse_args(arguments)
    if options.keep_hours <= 0:
        parser.error("--keep-hours: must be above 0")
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (options.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"{parser.prog}: {options.state} is in use", file=sys.stderr)
            return 1
        return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = Store(options.state.absolute())
    try:
        server = Server(Api(store).routes, options.port, options.verbose)
    except OSError as error:
        print(f"port {options.port} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()
    announce(options.state, server)
    while not stop.is_set():
        store.collect(options.keep_hours * 3600)
        stop.wait(_COLLECT_SECONDS)
    server.shutdown()
    server.server_close()
    (options.state / "server.json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
