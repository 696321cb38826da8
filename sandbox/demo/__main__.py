"""python -m sandbox.demo [--tasks N] [--exit] [--port N]"""

import argparse
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from sandbox.demo.rails import ApiRefused, Rails
from sandbox.demo.watch import watch
from sandbox.samples import create_samples
from sandbox.stack import Options, ProcessFailed, Stack
from sandbox.stack.stack import ROOT, free_port

STATE = ROOT / "var" / "demo"
DEFAULT_PORT = 8000
console = Console()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    shutil.rmtree(STATE, ignore_errors=True)
    stack = Stack(_options(options))
    try:
        return _run(stack, options)
    except KeyboardInterrupt:
        console.print("\nStopping.")
        return 130
    except (ProcessFailed, ApiRefused, OSError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        return 1
    finally:
        stack.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument("--tasks", type=int, default=12, help="how many Tasks to send (12)")
    parser.add_argument("--exit", action="store_true", help="end when they have, with their table")
    parser.add_argument("--port", type=int, default=0, help="of the console (8000, or a free one)")
    parser.add_argument("--timeout", type=float, default=600, help="give up after seconds (600)")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(options: argparse.Namespace) -> Options:
    return Options(
        state=STATE,
        web_port=options.port or _port(),
        sandbox=("--minute-limit", "0", "--hour-limit", "0"),
    )


def _port() -> int:
    import socket

    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0
    return free_port() if taken else DEFAULT_PORT


def _run(stack: Stack, options: argparse.Namespace) -> int:
    with console.status("Preparing the database and a few git repositories …"):
        stack.prepare()
        password = secrets.token_urlsafe(9)
        stack.manage("create-admin", "--name", "admin", "--password-stdin", stdin=password)
        rails = Rails(stack.url, stack.create_api_key(), create_samples(STATE / "repositories"))
    with console.status("Starting sandbox, web, controller and background functions …"):
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


def _say_where(stack: Stack, password: str, key: str) -> None:
    console.print(f"Console   [bold]{stack.url}/[/bold]   log in as admin / {password}")
    console.print(f"API       {stack.url}/api/v1/   Authorization: Bearer {key}")
    console.print(f"Logs      {Path(STATE).relative_to(ROOT)}/log/", highlight=False)


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
