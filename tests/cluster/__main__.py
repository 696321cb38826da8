"""`python -m tests.cluster up | down | status`: a Kubernetes cluster of one node, right here."""

import argparse
import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tests.cluster.demo_environment import builder_text, write_demo_environment
from tests.cluster.errors import ClusterError
from tests.cluster.layout import MOST, Layout, cache
from tests.cluster.starting import is_up, up
from tests.cluster.stopping import leftovers, stop

LOCK_SECONDS = 1800.0
STARTED = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    text = "for more than one cluster at a time, side by side (default: %(default)s)"
    parser.add_argument("--demo", action="store_true", help="up: with what the demo needs there")
    parser.add_argument(
        "--number", type=int, default=0, choices=range(MOST), metavar="N", help=text
    )
    chosen = parser.parse_args()
    layout = Layout.numbered(chosen.number)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        if chosen.command == "up":
            return _up(layout, demo=chosen.demo)
        return {"down": _down, "status": _status}[chosen.command](layout)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _up(layout: Layout, *, demo: bool) -> int:
    problem = ""
    with _lock(layout):
        up(layout, _say)
        if demo:
            problem = _prepare_demo(layout)
    print(f"Registry: http://{layout.registry} (this machine and its pods only)")
    print(f"export KUBECONFIG={layout.kubeconfig}")
    if demo and not problem:
        print(f"Builder: {builder_text()}")
        print("The demo on it:")
        print(f'  KUBECONFIG={layout.kubeconfig} make demo ARGS="--tasks 24 --weight 50 --exit"')
    return 0


def _prepare_demo(layout: Layout) -> str:
    """What stands in the way of the demo, if anything does: the cluster is of use without it."""
    try:
        write_demo_environment(layout, _say)
    except ClusterError as error:
        print(f"The cluster is up. The demo cannot run on it yet: {error}", file=sys.stderr)
        return str(error)
    return ""


def _down(layout: Layout) -> int:
    with _lock(layout):
        found = leftovers(layout)
        stop(layout)
    _say("The cluster is down." if found else "There is no cluster.")
    return 0


def _status(layout: Layout) -> int:
    if is_up(layout):
        print(f"up: {layout.kubeconfig}")
        return 0
    found = leftovers(layout)
    print("\n".join(["broken, `make cluster` starts it anew:", *found]) if found else "down")
    return 1


@contextmanager
def _lock(layout: Layout) -> Iterator[None]:
    """One at a time. The kernel drops it when we are killed."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{layout.root.name}.lock").open("w") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ClusterError("Another start or stop takes too long.") from None
                time.sleep(0.1)
        yield


def _say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
