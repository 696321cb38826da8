"""python -m sandbox.demo [--tasks N] [--weight PERCENT] [--exit] [--port N]

With KUBECONFIG set its Kubernetes half is that cluster, else the sandbox's.
"""

import argparse
import fcntl
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from sandbox.demo import given
from sandbox.demo.given import Ground, NotGiven
from sandbox.demo.rails import ApiRefused, Rails
from sandbox.demo.watch import watch
from sandbox.samples import HERE, Host, Sample, create_samples
from sandbox.stack import Options, ProcessFailed, Stack
from sandbox.stack.administrator import ClusterRefused
from sandbox.stack.real_cluster import RealCluster
from sandbox.stack.stack import ROOT, free_port

STATE = ROOT / "var" / "demo"
DEFAULT_PORT = 8000
JOBS = 6
console = Console()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options.state.parent.mkdir(parents=True, exist_ok=True)
    with options.state.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            console.print("A demo runs here already: stop it, or give --state another folder.")
            return 1
        return _demonstrate(options)


def _demonstrate(options: argparse.Namespace) -> int:
    try:
        ground = given.read(os.environ)
        stack = fresh(_options(options, ground))
        with _stopping(stack):
            return _run(stack, options, ground)
    except KeyboardInterrupt:
        return 130
    except (NotGiven, ClusterRefused, ProcessFailed, ApiRefused, OSError) as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        return 1


@contextmanager
def _stopping(stack: Stack) -> Iterator[None]:
    """Whatever happens, everything is stopped, and nothing is left in a cluster."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("\nStopping.")
        raise
    finally:
        if isinstance(stack.cluster, RealCluster):
            console.print(f"Removing the namespace {stack.cluster.namespace} from the cluster …")
        stack.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument("--tasks", type=int, default=12, help="how many Tasks to send (12)")
    share = "percent of the suite runs that go to Kubernetes (50)"
    parser.add_argument("--weight", type=_percent, default=50.0, metavar="PERCENT", help=share)
    parser.add_argument("--exit", action="store_true", help="end when they have, with their table")
    parser.add_argument("--port", type=int, default=0, help="of the console (8000, or a free one)")
    parser.add_argument("--timeout", type=float, default=600, help="give up after seconds (600)")
    folder = "what it leaves behind, emptied at each start (var/demo)"
    parser.add_argument("--state", type=Path, default=STATE, metavar="FOLDER", help=folder)
    return parser


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number from 0 to 100")
    return number


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(options: argparse.Namespace, ground: Ground | None) -> Options:
    return Options(
        state=options.state,
        web_port=options.port or _port(),
        jobs=JOBS,
        sandbox=("--minute-limit", "0", "--hour-limit", "0"),
        given=ground.given if ground else None,
        settings=ground.settings if ground else {},
    )


def fresh(options: Options) -> Stack:
    """A stack in an empty folder. What a demo that was killed has left running ends before."""
    if options.state.exists():
        _destroy_remains(replace(options, given=given.remembered(options.state)))
    shutil.rmtree(options.state, ignore_errors=True)
    given.remember(options.state, options.given)
    return Stack(options)


def _destroy_remains(options: Options) -> None:
    """In the cluster that it was given, which need not be there any more."""
    try:
        Stack(options).destroy_machines()
    except (ClusterRefused, OSError) as error:
        text = f"What the last demo has left in a cluster was not removed: {error}"
        console.print(escape(text), highlight=False, soft_wrap=True)
        Stack(replace(options, given=None)).destroy_machines()


def _port() -> int:
    import socket

    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0
    return free_port() if taken else DEFAULT_PORT


def _run(stack: Stack, options: argparse.Namespace, ground: Ground | None) -> int:
    with console.status("Preparing the database and a few git repositories …"):
        stack.prepare()
        password = secrets.token_urlsafe(9)
        stack.manage("create-admin", "--name", "admin", "--password-stdin", stdin=password)
        _set_weight(stack, options.weight)
        rails = Rails(stack.url, stack.create_api_key(), _samples(stack, ground))
    with console.status("Starting both clouds, web, controller and background functions …"):
        stack.start()
    began = datetime.now(UTC)
    _say_where(stack, password, rails.key)
    rails.send(options.tasks)
    wrong = watch(rails, stack, console, time.monotonic() + options.timeout)
    print(stack.manage("comparison", "--since", began.isoformat()))
    _say_verdicts(rails, wrong)
    if not options.exit:
        _stay(stack)
    return 1 if wrong else 0


def _samples(stack: Stack, ground: Ground | None) -> dict[str, Sample]:
    if ground is None or not isinstance(stack.cluster, RealCluster):
        return create_samples(stack.state / "repositories", HERE)
    host = Host(url=stack.cluster.git_url, base=ground.base)
    return create_samples(stack.cluster.repositories, host)


def _set_weight(stack: Stack, percent: float) -> None:
    weight = str(round(percent * 1000))
    stack.manage("weight", "--set", weight, "--actor", "admin", "--reason", "The demo begins")


def _say_where(stack: Stack, password: str, key: str) -> None:
    """Each on one line, however narrow the window: a key that is broken in two is no key."""
    cluster = []
    if isinstance(stack.cluster, RealCluster):
        place = stack.cluster.given
        cluster = [
            f"Cluster   KUBECONFIG={place.kubeconfig}   namespace {stack.cluster.namespace}",
            f"Builder   {place.builder_image}",
        ]
    for line in (
        f"Console   [bold]{stack.url}/[/bold]   log in as admin / {password}",
        f"API       {stack.url}/api/v1/   Authorization: Bearer {key}",
        f"Logs      {os.path.relpath(stack.state)}/log/",
        *cluster,
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _say_verdicts(rails: Rails, wrong: list[str]) -> None:
    for line in wrong:
        console.print(f"[red]{line}[/red]", highlight=False)
    right = len(rails.expected) - len(wrong)
    console.print(f"{right} of {len(rails.expected)} Tasks ended as their repository demands.")


def _stay(stack: Stack) -> None:
    console.print(f"Everything goes on running: look at {stack.url}/ — Ctrl-C stops it all.")
    while True:
        stack.check()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
