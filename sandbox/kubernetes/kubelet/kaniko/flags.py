"""The executor's command line. Source: `--help` of the executor, version 1.28.3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SWITCHES = (
    "cache cache-copy-layers cache-run-layers cleanup compressed-caching force insecure"
    " insecure-pull log-timestamp no-push no-push-cache push-ignore-immutable-tag-errors"
    " reproducible single-snapshot skip-push-permission-check skip-tls-verify"
    " skip-tls-verify-pull skip-unused-stages use-new-run ignore-var-run"
    " skip-default-registry-fallback"
)
_TEXTS = (
    "cache-dir cache-repo cache-ttl compression compression-level context context-sub-path"
    " custom-platform digest-file dockerfile image-download-retry image-fs-extract-retry"
    " image-name-tag-with-digest-file image-name-with-digest-file kaniko-dir log-format"
    " oci-layout-path push-retry snapshot-mode tar-path target verbosity"
)
_LISTS = (
    "annotation build-arg credential-helpers destination ignore-path insecure-registry label"
    " registry-certificate registry-client-cert registry-map registry-mirror secret"
    " skip-tls-verify-registry"
)
_SHORT = {"c": "context", "d": "destination", "f": "dockerfile", "v": "verbosity"}
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


class UsageError(Exception):
    """The message is the executor's."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    switches: Mapping[str, bool] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def on(self, name: str) -> bool:
        return self.switches.get(name, False)

    def text(self, name: str, default: str = "") -> str:
        return self.texts.get(name, default)

    def pairs(self, name: str) -> dict[str, str]:
        """NAME=VALUE; without a value the executor takes the variable of its own environment."""
        split = (entry.partition("=") for entry in self.lists.get(name, ()))
        return {key: value for key, _, value in split}


def read(arguments: Sequence[str]) -> Flags:
    """Raises UsageError."""
    switches: dict[str, bool] = {}
    texts: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        name, value = _next(rest)
        if name in _SWITCHES.split():
            switches[name] = _boolean(name, value)
        elif name in (*_TEXTS.split(), *_LISTS.split()):
            if value is None and not rest:
                raise UsageError(f"flag needs an argument: --{name}")
            text = rest.pop(0) if value is None else value
            texts[name] = text
            lists.setdefault(name, []).append(text)
        else:
            raise UsageError(f"unknown flag: --{name}")
    return Flags(switches=switches, texts=texts, lists=lists)


def _next(rest: list[str]) -> tuple[str, str | None]:
    """The next flag's name, and its value where it was given with it."""
    word = rest.pop(0)
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value if equals else None
    if not word.startswith("-") or len(word) < 2:
        raise UsageError(f'unknown command "{word}" for "executor"')
    if word[1] not in _SHORT:
        raise UsageError(f"unknown shorthand flag: '{word[1]}' in {word}")
    return _SHORT[word[1]], word[2:].removeprefix("=") or None


def _boolean(name: str, value: str | None) -> bool:
    if value is None or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(
        f'invalid argument "{value}" for "--{name}" flag: strconv.ParseBool: parsing "{value}":'
        " invalid syntax"
    )
