"""System checks of the droplet backend's settings: readable, and yet wrong."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning

from droplets.config import Config

LARGEST_USER_DATA = 64 * 1024
LONGEST_FLEET = 100


def look_at(config: Config) -> Iterator[CheckMessage]:
    yield from _pool(config)
    yield from _addresses(config)
    yield from _user_data(config)


def _pool(config: Config) -> Iterator[CheckMessage]:
    if config.idle > config.limit:
        yield Warning(
            f"The pool should keep {config.idle} idle Workers, but may have {config.limit} only.",
            "Raise SWITCHYARD_POOL_LIMIT, and leave room for the busy ones.",
            id="droplets.W001",
        )
    if not re.fullmatch(rf"[A-Za-z0-9.-]{{1,{LONGEST_FLEET}}}", config.fleet):
        yield Error(
            f"SWITCHYARD_DROPLET_FLEET is {config.fleet!r}, which no droplet can be named after.",
            "Use letters, digits, dots and hyphens.",
            id="droplets.E002",
        )


def _addresses(config: Config) -> Iterator[CheckMessage]:
    if not _is_web_address(config.endpoint) or not config.endpoint.endswith("/v2/"):
        yield Error(
            f"SWITCHYARD_DIGITALOCEAN_ENDPOINT is {config.endpoint!r}.",
            "Use an address that ends in /v2/, such as https://api.digitalocean.com/v2/.",
            id="droplets.E003",
        )
    if not _is_web_address(config.api_host):
        yield Error(
            f"SWITCHYARD_AGENT_API_HOST is {config.api_host!r}, where no agent finds us.",
            "Use the address that droplets reach us by, with its scheme.",
            id="droplets.E004",
        )


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _user_data(config: Config) -> Iterator[CheckMessage]:
    names = ("api_host", "worker_id", "worker_token", "registry_username", "registry_password")
    try:
        size = len(config.user_data.format(**dict.fromkeys(names, "x" * 60)).encode())
    except (KeyError, IndexError, ValueError, AttributeError) as problem:
        yield Error(
            f"SWITCHYARD_DROPLET_USER_DATA cannot be filled in: {problem!r}.",
            f"Use only {', '.join('{' + name + '}' for name in names)}; write {{{{ and }}}} "
            "where the script itself needs braces.",
            id="droplets.E005",
        )
        return
    if size > LARGEST_USER_DATA:
        yield Error(
            f"SWITCHYARD_DROPLET_USER_DATA has {size} bytes filled in, and 64 KiB is the most.",
            "Shorten it: let the script fetch what is long.",
            id="droplets.E006",
        )
