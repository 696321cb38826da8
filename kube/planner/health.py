"""`healthcheck`: how a service says that it is ready, and how long it may take."""

import math
from typing import Any

from kube.planner.keys import HEALTHCHECK, check
from kube.planner.plan import Probe
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.template import Template

# Docker's own defaults, in seconds.
INTERVAL, TIMEOUT, RETRIES = 30.0, 30.0, 3
MOST_PATIENCE = 3600
# Asking more often than a compose file does costs little and saves a Task whole intervals.
LONGEST_PERIOD = 2


def read_probe(reader: Reader) -> Probe | None:
    """None where the service has no check, or has it turned off."""
    health = reader.below("healthcheck")
    check(health, HEALTHCHECK)
    if not health.content or health.flag("disable"):
        return None
    found = _test(health)
    if not found:
        return None
    words, shell = found
    interval = health.seconds("interval") or INTERVAL
    retries = health.whole("retries") or RETRIES
    patience = (health.seconds("start_period") or 0) + retries * interval
    often = health.seconds("start_interval") or interval
    return Probe(
        words=words,
        shell=shell,
        period=max(1, min(LONGEST_PERIOD, math.ceil(often))),
        timeout=max(1, math.ceil(health.seconds("timeout") or TIMEOUT)),
        patience=min(MOST_PATIENCE, math.ceil(patience)),
    )


def _test(health: Reader) -> tuple[tuple[str, ...], Template] | None:
    value = health.content.get("test")
    if isinstance(value, str) and value.strip():
        return (), health.template("test", value)
    if isinstance(value, list) and value:
        return _list(health, value)
    health.problem("test", "is missing", 'give one, as in ["CMD-SHELL", "pg_isready"]')
    return None


def _list(health: Reader, items: list[Any]) -> tuple[tuple[str, ...], Template] | None:
    kind, *rest = items
    if kind == "NONE":
        return None
    if kind == "CMD-SHELL" and len(rest) == 1:
        return (), health.template("test", rest[0])
    if kind == "CMD" and rest:
        words = [health.scalar("test", word, "strings") for word in rest]
        return tuple(word or "" for word in words), Template()
    message = f"{quote(kind)} with {len(rest)} more is no check"
    health.problem("test", message, "begin with CMD and its words, or CMD-SHELL and one line")
    return None
