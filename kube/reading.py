"""What a reading of a Job says, and what it is made with."""

from dataclasses import dataclass
from datetime import datetime

from dispatch.outcomes import Category


@dataclass(frozen=True, kw_only=True)
class Grace:
    """Seconds for which a waiting reason is only that; `scale_up` is counted from when the
    autoscaler last asked for a node, `reported` is how long the agent's report of an end may take.
    `crashes`: so many of a container end the attempt."""

    pull: float = 60
    no_pod: float = 30
    unschedulable: float = 300
    scale_up: float = 600
    set_up: float = 120
    config: float = 15
    reported: float = 30
    crashes: int = 3


@dataclass(frozen=True, kw_only=True)
class Known:
    """What our own rows and memory say beyond what the API shows now: when the Job was released at
    the latest, and since when a pod that was there is missing."""

    placed_at: datetime | None = None
    pod_missing_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an attempt stands. Neither `ended` nor `pending`: it runs."""

    ended: Category | None = None
    detail: str = ""
    pending: str = ""


RUNS = Reading()


def waits(late: bool, category: Category, detail: str) -> Reading:
    return Reading(ended=category, detail=detail) if late else Reading(pending=detail)
