"""The compose file by which the agent is tried out, as compose reads it."""

import re
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "worker_image"
TRIAL = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
(NAME,) = TRIAL["services"]
SERVICE = TRIAL["services"][NAME]
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def filled(text: str, **values: str) -> str:
    """As compose fills it in. Fails on a variable that has no value and must have one."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        assert name in values or kind == "-", f"{name}: {rest}"
        return values.get(name, rest)

    return VARIABLE.sub(value, text)


def environment(**values: str) -> dict[str, str]:
    return {name: filled(text, **values) for name, text in SERVICE["environment"].items()}
