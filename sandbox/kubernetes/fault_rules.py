"""What a fault rule may say. A rule is a JSON object; `kind` is needed, the rest has defaults:

kind         what happens, see KINDS
method       GET, POST, … or * (default), of the calls that it is about
path         a regular expression, searched in the path with its query (default: any)
client       a regular expression, searched in the client's User-Agent (default: any)
probability  of a matching call (event, object), 0…1 (default 1)
count        fire at most so often (default: no limit)
after        let so many pass first (default 0)
seed         of the draws; the same seed and calls fire at the same calls
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.span import Span

# Kind: the parameters it takes on top of those above.
KINDS: dict[str, frozenset[str]] = {
    # A call, before any work. A kind of three digits (409, 410, 429, 500 …) answers with that, and
    # where it says `worked`, it does so after the work.
    "latency": frozenset({"seconds"}),
    "reset": frozenset(),
    "hang": frozenset({"seconds"}),
    # A call, after the work was done.
    "drop_answer": frozenset(),
    "hang_answer": frozenset({"seconds"}),
    # A list.
    "omit": frozenset({"objects", "name"}),
    "stale": frozenset({"seconds"}),
    # A watch, each of its events; `name` is of the object.
    "watch_silent": frozenset({"name"}),
    "watch_omit": frozenset({"name"}),
    "watch_duplicate": frozenset({"name"}),
    "watch_reorder": frozenset({"name"}),
    "watch_cut": frozenset({"name"}),
    "watch_expired": frozenset({"name"}),
    # A pod, decided when it is created.
    "lost_pod": frozenset({"name", "seconds"}),
    "image_pull": frozenset({"name", "image", "cause"}),
    # As long as the rule stands.
    "pending": frozenset({"name"}),
    "lost_node": frozenset({"name"}),
    "quota_full": frozenset({"resource"}),
}
OF_STATUS = frozenset({"retry_after", "message", "reason", "worked"})
BEFORE = frozenset({"latency", "reset", "hang"})
AFTER = frozenset({"drop_answer", "hang_answer"})
OF_LIST = frozenset({"omit", "stale"})
OF_WATCH = frozenset(kind for kind in KINDS if kind.startswith("watch_"))
OF_POD = frozenset({"lost_pod", "image_pull"})
STANDING = frozenset({"pending", "lost_node", "quota_full"})
CAUSES = ("not_found", "auth", "network")
LONGEST = 600.0  # seconds a call may be held
_COMMON = frozenset({"kind", "method", "path", "client", "probability", "count", "after", "seed"})


class BadRule(Exception):
    """A rule that is not valid; the message names the rule, the field and what it must be."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    kind: str
    method: str = "*"
    path: str = ""
    client: str = ""
    probability: float = 1.0
    count: int | None = None
    after: int = 0
    seed: str = "0"
    seconds: Span = Span(1, 1)
    retry_after: int | None = None
    message: str = ""
    reason: str = ""
    worked: bool = False
    name: str = ""
    image: str = ""
    cause: str = "not_found"
    resource: str = ""
    objects: int = 1

    @property
    def is_status(self) -> bool:
        return self.kind.isdigit()

    @property
    def ends_call(self) -> bool:
        """Before any work is done."""
        return (self.is_status and not self.worked) or self.kind in ("reset", "hang")

    def matches(self, method: str, target: str, client: str) -> bool:
        return (
            self.method in ("*", method)
            and re.search(self.path, target) is not None
            and re.search(self.client, client) is not None
        )

    def names(self, name: str) -> bool:
        return re.search(self.name, name) is not None

    def draw(self, number: int) -> float:
        """0…1 for the nth matching call, the same again after a restart."""
        digest = hashlib.sha256(f"{self.seed}:{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def parse_rule(raw: object, where: str = "") -> Rule:
    """Raises BadRule."""
    if not isinstance(raw, Mapping):
        raise BadRule(f"{where}a rule is a JSON object")
    kind = str(raw.get("kind"))
    parameters = OF_STATUS if re.fullmatch("[45][0-9][0-9]", kind) else KINDS.get(kind)
    if parameters is None:
        raise BadRule(f"{where}kind is none of {', '.join(KINDS)} nor a 4xx or 5xx status")
    allowed = parameters | _COMMON
    for name in raw.keys() - allowed:
        known = ", ".join(sorted(allowed))
        raise BadRule(f"{where}{name} is unknown to {kind}, which knows {known}")
    values = {name: _parse(where, name, value) for name, value in raw.items()}
    return replace(Rule(kind=kind), **{**values, "kind": kind})


def _parse(where: str, name: str, value: Any) -> Any:
    parse, rule = _FIELDS[name]
    try:
        return parse(value)
    except (ValueError, TypeError, re.error):
        raise BadRule(f"{where}{name} {rule}") from None


def _whole(minimum: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError
        return value

    return parse


def _one_of(choices: Sequence[str]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if value not in choices:
            raise ValueError
        return value

    return parse


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return re.compile(value).pattern


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _seconds(value: Any) -> Span:
    if isinstance(value, bool):
        raise ValueError
    span = Span.parse(str(value))
    if span.hi > LONGEST:
        raise ValueError
    return span


_METHODS = ("*", "GET", "POST", "PUT", "PATCH", "DELETE")
_A_PATTERN = (_pattern, "must be a regular expression")
_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "kind": (str, ""),
    "method": (_one_of(_METHODS), f"must be one of {', '.join(_METHODS)}"),
    "path": _A_PATTERN,
    "client": _A_PATTERN,
    "name": _A_PATTERN,
    "image": _A_PATTERN,
    "resource": _A_PATTERN,
    "probability": (_probability, "must be a number from 0 to 1"),
    "count": (_whole(1), "must be a positive integer"),
    "after": (_whole(0), "must be an integer from 0"),
    "seed": (str, ""),
    "seconds": (_seconds, f'must be a number or "lo:hi", at most {LONGEST:.0f}'),
    "retry_after": (_whole(0), "must be an integer from 0"),
    "message": (_text, "must be a string"),
    "reason": (_text, "must be a string"),
    "worked": (_flag, "must be true or false"),
    "cause": (_one_of(CAUSES), f"must be one of {', '.join(CAUSES)}"),
    "objects": (_whole(1), "must be a positive integer"),
}
