"""python -m sandbox.kubernetes.kubelet --api URL --token T --node NAME --state DIR [options]"""

import fcntl
import json
import signal
import sys
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from .kubelet import Kubelet, destroy_all
from .options import make_parser, read_settings
from .server import KubeletApi
from .settings import Settings
from .web import Server, announce


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        parser.error("processes are found through /proc, which this system lacks: use Linux")
    if not options.destroy_all and not (options.api and options.token):
        parser.error("--api and --token are required: a node needs an API server")
    settings = read_settings(options)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _when_running(settings, options.destroy_all, parser.prog)
        if options.destroy_all:
            print(json.dumps({"killed": destroy_all(settings.state)}))
            return 0
        return _serve(settings, options.destroy_on_exit)


def _when_running(settings: Settings, destroy: bool, program: str) -> int:
    """Ask the one that runs, and wait until it is gone: it releases the lock."""
    if not destroy:
        print(f"{program}: {settings.state} is in use by a running kubelet", file=sys.stderr)
        return 1
    try:
        url = json.loads((settings.state / "server.json").read_text())["url"]
        request = urllib.request.Request(f"{url}/sandbox/destroy-all", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
    except (OSError, ValueError) as error:
        print(f"{program}: the running kubelet does not answer: {error}", file=sys.stderr)
        return 1
    with (settings.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    return 0


def _serve(settings: Settings, destroy_on_exit: bool) -> int:
    """Run until SIGTERM or SIGINT. Containers go on running unless they are to end as well."""
    stop, destroy = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def quit() -> None:
        destroy.set()
        stop.set()

    kubelet = Kubelet(settings)
    try:
        server = Server(KubeletApi(kubelet, quit).routes, settings.port, settings.verbose)
    except OSError as error:
        print(f"port {settings.port} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    kubelet.start(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()
    announce(settings.state, server)
    stop.wait()
    server.shutdown()
    server.server_close()
    kubelet.stop()
    if destroy_on_exit or destroy.is_set():
        destroy_all(settings.state)
    (settings.state / "server.json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
