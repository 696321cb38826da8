"""python -m sandbox.digitalocean --state DIR --token TOKEN [--port N] [options]"""

import fcntl
import json
import os
import signal
import sys
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .application import Application
from .droplets import destroy_all
from .life import Loop, clean
from .options import make_parser, read_settings
from .sandbox import Sandbox
from .server import Server
from .settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        parser.error("droplets are found through /proc, which this system does not have: use Linux")
    if not options.destroy_all and not options.token:
        parser.error("--token is required: the API answers nobody without one")
    settings = read_settings(options)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _when_running(settings, options.destroy_all, parser.prog)
        if options.destroy_all:
            return _destroy_all(settings)
        return _serve(settings, options.fault)


def _when_running(settings: Settings, destroy: bool, program: str) -> int:
    if not destroy:
        print(f"{program}: {settings.state} is in use by a running sandbox", file=sys.stderr)
        return 1
    try:
        url = json.loads((settings.state / "server.json").read_text())["url"]
        request = urllib.request.Request(f"{url}/sandbox/destroy-all", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(answer.read().decode())
    except (OSError, ValueError) as error:
        print(f"{program}: the running sandbox does not answer: {error}", file=sys.stderr)
        return 1
    return 0


def _destroy_all(settings: Settings) -> int:
    sandbox = Sandbox(settings)
    destroyed = destroy_all(sandbox)
    clean(sandbox)
    sandbox.store.close()
    print(json.dumps({"destroyed": destroyed}))
    return 0


def _serve(settings: Settings, faults: list[dict[str, Any]]) -> int:
    """Run until SIGTERM or SIGINT. Droplets go on running unless they are to end as well."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sandbox = Sandbox(settings)
    if faults:
        sandbox.faults.replace(faults)
    loop = Loop(sandbox)
    try:
        server = Server(Application(sandbox), settings.port, settings.verbose)
    except OSError as error:
        print(f"port {settings.port} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    loop.start()
    threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()
    _announce(settings.state, server)
    stop.wait()
    server.shutdown()
    server.server_close()
    loop.stop()
    if settings.destroy_on_exit:
        destroy_all(sandbox)
    clean(sandbox)
    (settings.state / "server.json").unlink(missing_ok=True)
    return 0


def _announce(state: Path, server: Server) -> None:
    """Say where it is, once it answers: one line of JSON, and the same in DIR/server.json."""
    place = {
        "url": server.url,
        "port": server.server_port,
        "endpoint": f"{server.url}/v2/",
        "pid": os.getpid(),
    }
    draft = state / ".server.json"
    draft.write_text(json.dumps(place))
    os.replace(draft, state / "server.json")
    print(json.dumps(place), flush=True)


if __name__ == "__main__":
    sys.exit(main())
