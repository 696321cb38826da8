"""Which repositories can move to the new backend, and what holds the others back.

Read from the decisions that are stored: each names, for every backend that could not take the
suite run, why. A repository is ready when its newest suite run is; one of which the new backend
was never asked, because it was not configured then, is neither ready nor held back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q

from dispatch.models import SuiteRun

# Rules of decisions that were made without asking the new backend, unless it took the suite run.
UNASKED = ("", "none", "only")


@dataclass(frozen=True, kw_only=True)
class RepositoryReadiness:
    """`suite_runs` came in the time asked about; of `asked` the new backend said whether it can
    run them, and `able` it can. `reasons` are those of the newest one of these; none: the
    repository is ready. Each names service, key and remedy, or what was not sent."""

    account: str
    repository: str
    suite_runs: int
    asked: int
    able: int
    reasons: tuple[str, ...]
    newest_at: datetime

    @property
    def ready(self) -> bool:
        return self.asked > 0 and not self.reasons

    @property
    def state(self) -> str:
        if not self.asked:
            return "not asked yet"
        return "ready" if self.ready else "held back"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Over all repositories of a report."""

    repositories: int
    ready: int
    suite_runs: int
    asked: int
    able: int

    @property
    def percent(self) -> float | None:
        """Of the suite runs that the new backend was asked about, how many it can run."""
        return self.able * 100 / self.asked if self.asked else None


def report(since: datetime, only: Q | None = None) -> list[RepositoryReadiness]:
    """The repositories with suite runs since then: those held back first, the busiest first.

    Costs what there are repositories and different reasons, not what there are suite runs."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    rows = SuiteRun.objects.filter(only or Q(), created_at__gte=since)
    kinds = rows.values("account", "repository", "reasons", "rule", "backend")
    for kind in kinds.annotate(n=Count("id"), newest_at=Max("created_at")).order_by():
        found.setdefault((kind["account"], kind["repository"]), []).append(dict(kind))
    lines = [_line(account, name, several) for (account, name), several in found.items()]
    ranks = {"held back": 0, "not asked yet": 1, "ready": 2}
    return sorted(
        lines, key=lambda one: (ranks[one.state], -one.suite_runs, one.account, one.repository)
    )


def totals(lines: Sequence[RepositoryReadiness]) -> Totals:
    return Totals(
        repositories=len(lines),
        ready=sum(line.ready for line in lines),
        suite_runs=sum(line.suite_runs for line in lines),
        asked=sum(line.asked for line in lines),
        able=sum(line.able for line in lines),
    )


def _line(account: str, repository: str, kinds: list[dict[str, Any]]) -> RepositoryReadiness:
    asked = [kind for kind in kinds if _was_asked(kind)]
    newest = max(asked, key=lambda kind: kind["newest_at"], default=None)
    return RepositoryReadiness(
        account=account,
        repository=repository,
        suite_runs=_count(kinds),
        asked=_count(asked),
        able=_count(kind for kind in asked if not reasons_of(kind["reasons"])),
        reasons=reasons_of(newest["reasons"]) if newest else (),
        newest_at=max(kind["newest_at"] for kind in kinds),
    )


def _was_asked(kind: dict[str, Any]) -> bool:
    new = settings.ROLLOUT["new"]
    return (
        kind["rule"] not in UNASKED or kind["backend"] == new or bool(reasons_of(kind["reasons"]))
    )


def _count(kinds: Iterable[dict[str, Any]]) -> int:
    return sum(kind["n"] for kind in kinds)


def reasons_of(reasons: list[str]) -> tuple[str, ...]:
    """Those of a stored decision that the new backend gave, without its name."""
    prefix = f"{settings.ROLLOUT['new']}: "
    return tuple(text.removeprefix(prefix) for text in reasons if text.startswith(prefix))
