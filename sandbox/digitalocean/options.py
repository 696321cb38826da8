"""The command line."""

import argparse
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from sandbox.span import Span

from .catalog import SIZES
from .errors import ApiError
from .faults import parse_rule
from .settings import Settings

T = TypeVar("T")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.digitalocean",
        description="A DigitalOcean API v2 on loopback whose droplets are local processes.",
    )
    add = parser.add_argument
    add("--state", type=Path, required=True, metavar="DIR", help="where everything is kept")
    add("--port", type=_port, default=0, help="0 (default) takes a free one")
    add("--token", action="append", default=[], help="an API token; may be repeated")
    add("--read-token", action="append", default=[], help="a token that may only read")
    add("--destroy-all", action="store_true", help="destroy every droplet of DIR, then leave")
    add("--destroy-on-exit", action="store_true", help="the same on SIGTERM and SIGINT")
    add("--speed", type=_positive, default=1.0, help="divides every simulated wait (default 1)")
    add("--seed", type=int, default=0, help="of everything that is drawn (default 0)")
    _add_spans(parser)
    _add_account(parser)
    many: Any = {"action": "append", "default": []}
    places = "{directory}, {droplet_id}, {droplet_name} are filled in"
    add("--env", type=_pair, **many, metavar="NAME=VALUE", help=f"for each droplet; {places}")
    add("--fault", type=_rule, **many, metavar="JSON", help="a rule; replaces all stored ones")
    add("--verbose", action="store_true", help="log every request to stderr")
    return parser


def _add_spans(parser: argparse.ArgumentParser) -> None:
    spans = {
        "boot": "from the create to active",
        "agent": "from active to the start of the user data",
        "action": "that an action is in progress",
        "shutdown": "from a shutdown's completion until the droplet is off",
    }
    for name, meaning in spans.items():
        default: Span = getattr(Settings, f"{name}_seconds")
        parser.add_argument(
            f"--{name}-seconds",
            type=_checked(Span.parse),
            default=default,
            metavar="LO:HI",
            help=f"{meaning} (default {default.lo:g}:{default.hi:g})",
        )


def _add_account(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    many: Any = {"action": "append", "default": []}
    add("--droplet-limit", type=_count, default=Settings.droplet_limit, help="default 25")
    add("--hour-limit", type=_count, default=Settings.hour_limit, help="default 5000; 0: none")
    add("--minute-limit", type=_count, default=Settings.minute_limit, help="default 250; 0: none")
    add("--price", type=_price, **many, metavar="SIZE=USD", help="an hour")
    add("--image", type=_image, **many, metavar="ID=NAME", help="a snapshot")
    add("--ssh-key", **many, metavar="ID", help="a key that may be named")
    add("--vpc", **many, metavar="UUID", help="a VPC that may be named")


def read_settings(options: argparse.Namespace) -> Settings:
    return Settings(
        state=options.state,
        tokens=frozenset(options.token),
        read_tokens=frozenset(options.read_token),
        port=options.port,
        speed=options.speed,
        seed=options.seed,
        boot_seconds=options.boot_seconds,
        agent_seconds=options.agent_seconds,
        action_seconds=options.action_seconds,
        shutdown_seconds=options.shutdown_seconds,
        droplet_limit=options.droplet_limit,
        hour_limit=options.hour_limit,
        minute_limit=options.minute_limit,
        environment=dict(options.env),
        prices=dict(options.price),
        images=dict(options.image),
        ssh_keys=frozenset(options.ssh_key),
        vpcs=frozenset(options.vpc),
        destroy_on_exit=options.destroy_on_exit,
        verbose=options.verbose,
    )


def _checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """argparse shows the message of its own error type only."""

    def checked(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


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


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form NAME=VALUE')
    return name, value


def _price(text: str) -> tuple[str, Decimal]:
    slug, price = _pair(text)
    if slug not in SIZES:
        raise argparse.ArgumentTypeError(f'"{slug}" is none of {", ".join(SIZES)}')
    try:
        return slug, Decimal(price)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f'"{price}" is no price in USD an hour') from None


def _image(text: str) -> tuple[int, str]:
    id, name = _pair(text)
    if not id.isdecimal():
        raise argparse.ArgumentTypeError(f'"{id}" is no image id: needs a number')
    return int(id), name


def _rule(text: str) -> dict[str, Any]:
    try:
        rule = json.loads(text)
    except ValueError:
        rule = None
    if not isinstance(rule, dict):
        raise argparse.ArgumentTypeError(f"{text} is no JSON object")
    try:
        parse_rule(rule, "")
    except ApiError as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return rule
