"""Which backend a suite run goes to: decided once, stored with all that is needed to recompute.

`decide` is pure. Precedence: only -> eligibility -> empty key -> hash. Each decision carries the
name of the rule that made it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

from dispatch import backends, prepared
from dispatch.backends import TaskSpec

BUCKETS = 100_000
NEWEST_SPLIT = """
    SELECT split.id, split.weight, rollout.salt
    FROM dispatch_trafficsplit AS split JOIN dispatch_rollout AS rollout
        ON rollout.id = split.rollout_id
    ORDER BY split.rollout_id DESC, split.id DESC LIMIT 1
"""


def bucket_of(salt: str, key: str) -> int:
    """0 … 99,999, spread evenly by the first eight bytes of SHA-256 of "salt:key"."""
    head = hashlib.sha256(f"{salt}:{key}".encode()).digest()[:8]
    return (int.from_bytes(head, "big") * BUCKETS) >> 64


@dataclass(frozen=True, kw_only=True)
class Split:
    """The traffic split in force: `weight` of 100,000 goes to `new`, the rest to `old`.

    `version` is the id of the newest TrafficSplit row, None where there never was one.
    """

    old: str
    new: str
    salt: str = ""
    weight: int = 0
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A routing decision. `backend` is empty where none is configured (rule `none`).

    `reasons` says why a backend was left out, by backend name.
    """

    backend: str
    rule: str
    routing_key: str
    bucket: int | None = None
    weight: int | None = None
    salt: str = ""
    configuration_version: int | None = None
    reasons: list[str] = field(default_factory=list)


def decide(split: Split, key: str, refusals: Mapping[str, tuple[str, ...]]) -> Decision:
    """Decide for one suite run.

    `refusals` has one entry for each configured backend, in order: the reasons why it cannot
    run this suite run's Tasks, empty where it can.
    """
    reasons = [f"{name}: {reason}" for name, why in refusals.items() for reason in why]
    able = [name for name, why in refusals.items() if not why]

    def ruled(backend: str, rule: str) -> Decision:
        return Decision(backend=backend, rule=rule, routing_key=key, reasons=reasons)

    if len(refusals) < 2 or not {split.old, split.new} <= set(refusals):
        return ruled(next(iter(refusals), ""), "only" if refusals else "none")
    if len(able) == 1:
        return ruled(able[0], "eligibility")
    if not key:
        return ruled(split.old, "empty_key")
    return _by_hash(split, key, reasons)


def _by_hash(split: Split, key: str, reasons: list[str]) -> Decision:
    bucket = bucket_of(split.salt, key)
    return Decision(
        backend=split.new if bucket < split.weight else split.old,
        rule="hash",
        routing_key=key,
        bucket=bucket,
        weight=split.weight,
        salt=split.salt,
        configuration_version=split.version,
        reasons=reasons,
    )


def current_split() -> Split:
    """The open Rollout's newest entry; without one, the last closed Rollout's; else weight 0."""
    old, new = settings.ROLLOUT["old"], settings.ROLLOUT["new"]
    newest = prepared.run(NEWEST_SPLIT, [])
    if not newest:
        return Split(old=old, new=new)
    version, weight, salt = newest[0]
    return Split(old=old, new=new, salt=salt, weight=weight, version=version)


def refusals(spec: TaskSpec) -> dict[str, tuple[str, ...]]:
    """What each configured backend says of this spec."""
    return {name: backends.get(name).eligible(spec).reasons for name in settings.BACKENDS}
