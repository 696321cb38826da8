"""The command line."""

import argparse
import secrets
from pathlib import Path

from .settings import Settings


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.kubernetes", description="A Kubernetes API on loopback."
    )
    add = parser.add_argument
    add("--state", type=Path, required=True, metavar="DIR", help="where everything is kept")
    add("--port", type=_port, default=0, help="default: a free one")
    add("--token", default="", help="of the administrator; default: one that is made and kept")
    add("--nodes", type=_count, default=0, help="nodes on which nothing runs, always Ready")
    add("--speed", type=_positive, default=1.0, help="divides what the cluster waits for")
    add("--verbose", action="store_true", help="show each request")
    return parser


def read_settings(options: argparse.Namespace) -> Settings:
    return Settings(
        state=options.state,
        token=options.token or _kept_token(options.state),
        port=options.port,
        nodes=options.nodes,
        speed=options.speed,
        verbose=options.verbose,
    )


def _kept_token(state: Path) -> str:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = state / "token"
    if not path.exists():
        path.write_text(secrets.token_urlsafe(24))
        path.chmod(0o600)
    return path.read_text()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is no port: needs 0 to 65535')
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number from 0')
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is no number above 0')
    return number
