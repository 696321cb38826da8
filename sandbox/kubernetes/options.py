"""The command line."""

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

from .fault_rules import BadRule, parse_rule
from .settings import Settings


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.kubernetes", description="A Kubernetes API on loopback."
    )
    add = parser.add_argument
    add("--state", type=Path, required=True, metavar="DIR", help="where everything is kept")
    add("--port", type=_port, default=0, help="default: a free one")
    add("--token", default="", help="of the administrator; default: one that is made and kept")
    add("--limited-token", default="", help="of a user with the rights of the product's Role alone")
    add("--nodes", type=_count, default=0, help="nodes on which nothing runs, always Ready")
    add("--speed", type=_positive, default=1.0, help="divides what the cluster waits for")
    add("--seed", type=int, default=0, help="of everything that is drawn")
    add("--fault", action="append", default=[], type=_rule, metavar="JSON", help="may be repeated")
    add("--verbose", action="store_true", help="show each request, and when it was answered")
    return parser


def read_settings(options: argparse.Namespace) -> Settings:
    return Settings(
        state=options.state,
        token=options.token or _kept_token(options.state),
        limited_token=options.limited_token,
        seed=options.seed,
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


def _rule(text: str) -> dict[str, Any]:
    try:
        rule = json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no JSON") from None
    try:
        parse_rule(rule)
    except BadRule as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return dict(rule)


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
