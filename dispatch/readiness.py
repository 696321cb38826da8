"""Which repositories can move to the new backend, and what holds the others back.

Read from the decisions that are stored: each names, for every backend that could not take the
suite run, why. A repository is ready when its newest suite run is.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet

from dispatch.models import SuiteRun


@dataclass(frozen=True, kw_only=True)
class RepositoryReadiness:
    """`suite_runs` came in the time asked about, `able` of them could have gone to the new
    backend. `reasons` are those of the newest one; none: the repository is ready."""

    account: str
    repository: str
    suite_runs: int
    able: int
    reasons: tuple[str, ...]
    newest_at: datetime

    @property
    def ready(self) -> bool:
        return not self.reasons


def report(since: datetime, accounts: Q | None = None) -> list[RepositoryReadiness]:
    """The repositories with suite runs since then: those held back first, the busiest first."""
    rows = SuiteRun.objects.filter(accounts or Q(), created_at__gte=since)
    counted = rows.values("account", "repository").annotate(
        suite_runs=Count("id"), newest=Max("id"), newest_at=Max("created_at")
    )
    newest = dict(
        SuiteRun.objects.filter(pk__in=[row["newest"] for row in counted]).values_list(
            "pk", "reasons"
        )
    )
    held_back = _held_back(rows)
    found = [
        RepositoryReadiness(
            account=row["account"],
            repository=row["repository"],
            suite_runs=row["suite_runs"],
            able=row["suite_runs"] - held_back.get((row["account"], row["repository"]), 0),
            reasons=reasons_of(newest[row["newest"]]),
            newest_at=row["newest_at"],
        )
        for row in counted
    ]
    return sorted(found, key=lambda one: (one.ready, -one.suite_runs, one.account, one.repository))


def _held_back(rows: "QuerySet[SuiteRun]") -> dict[tuple[str, str], int]:
    """How many suite runs of each repository the new backend could not take."""
    counts: dict[tuple[str, str], int] = {}
    refused = rows.exclude(reasons=[]).values_list("account", "repository", "reasons")
    for account, repository, reasons in refused.iterator():
        if reasons_of(reasons):
            counts[account, repository] = counts.get((account, repository), 0) + 1
    return counts


def reasons_of(reasons: list[str]) -> tuple[str, ...]:
    """Those of a stored decision that the new backend gave, without its name."""
    prefix = f"{settings.ROLLOUT['new']}: "
    return tuple(text.removeprefix(prefix) for text in reasons if text.startswith(prefix))
