"""Strict reading of settings from the environment.

Each reader takes the variable's name and a default; without a default the variable is
required. `NAME_FILE` may name a file that holds the value (for mounted secrets). A wrong
value raises `EnvError`, which names the variable and what it should look like.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit


class EnvError(Exception):
    """A setting in the environment is missing or malformed."""


REQUIRED = object()
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def raw(name: str, default: object = REQUIRED, environ: Mapping[str, str] = os.environ) -> str:
    """The text of NAME, or of the file that NAME_FILE names."""
    if name in environ and f"{name}_FILE" in environ:
        raise EnvError(f"{name} and {name}_FILE are both set: keep one of them")
    if f"{name}_FILE" in environ:
        return _contents(name, environ[f"{name}_FILE"])
    if name in environ:
        return environ[name]
    if default is REQUIRED:
        raise EnvError(f"{name} is not set: set it, or {name}_FILE to a file that holds it")
    return str(default)


def _contents(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise EnvError(f"{name}_FILE: cannot read {path}: {error.strerror}") from None


def flag(name: str, default: bool) -> bool:
    text = raw(name, "true" if default else "false").strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise EnvError(f"{name} is {text!r}: use true or false")


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    text = raw(name, default)
    try:
        value = int(text)
    except ValueError:
        raise EnvError(f"{name} is {text!r}: use a whole number") from None
    if not least <= value <= most:
        raise EnvError(f"{name} is {value}: use a number from {least} to {most}")
    return value


def number(name: str, default: float, *, least: float = 0.0, most: float = 1e9) -> float:
    text = raw(name, default)
    try:
        value = float(text)
    except ValueError:
        raise EnvError(f"{name} is {text!r}: use a number") from None
    if not least <= value <= most:
        raise EnvError(f"{name} is {value}: use a number from {least} to {most}")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in raw(name, default).split(",") if word.strip()]


def chosen(name: str, known: Mapping[str, str]) -> dict[str, str]:
    """Those entries of `known` that a comma-separated list names, in the list's order; all of
    them where it is not set, none where it is empty."""
    names = words(name, ",".join(known))
    strangers = sorted(set(names) - set(known))
    if strangers:
        raise EnvError(f"{name} has {', '.join(strangers)}: choose from {', '.join(known)}")
    return {word: known[word] for word in names}


def pairs(name: str) -> dict[str, str]:
    """A comma-separated list of key:value, each key once; empty where it is not set."""
    found: dict[str, str] = {}
    for word in words(name):
        key, colon, value = word.partition(":")
        if not (key and colon and value) or key in found:
            raise EnvError(f"{name}: use ID:SECRET,ID:SECRET with a different ID for each")
        found[key] = value
    return found


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    text = raw(name, default)
    if text not in choices:
        raise EnvError(f"{name} is {text!r}: use one of {', '.join(choices)}")
    return text


def database(url: str, test_name: str = "") -> dict[str, object]:
    """Django's settings for `sqlite:///path` or `postgresql://user:password@host:port/name`.

    SQLite runs in WAL with IMMEDIATE transactions: with Django's defaults a third to a half of
    contended writers fail. `?synchronous=NORMAL` trades safety against power loss for speed.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        found = _sqlite(url.removeprefix("sqlite:///").partition("?")[0], parts.query)
    elif parts.scheme in ("postgresql", "postgres"):
        found = _postgresql(parts)
    else:
        raise EnvError("DATABASE_URL: use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    if test_name:
        found["TEST"] = {"NAME": test_name}
    return found


def _sqlite(path: str, query: str) -> dict[str, object]:
    if not path:
        raise EnvError("DATABASE_URL names no SQLite file: use sqlite:////var/lib/name.sqlite3")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    synchronous = dict(parse_qsl(query)).get("synchronous", "FULL").upper()
    if synchronous not in ("OFF", "NORMAL", "FULL"):
        raise EnvError("DATABASE_URL: synchronous is OFF, NORMAL or FULL")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        },
    }


def _postgresql(parts: SplitResult) -> dict[str, object]:
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": query,
    }
