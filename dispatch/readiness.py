"""Which repositories can move to the new backend, and what holds the others back.

Read from the decisions that are stored: each names, for every backend that could not take the
suite run, why. A repository is ready when its newest suite run is.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q

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


def report(since: datetime, only: Q | None = None) -> list[RepositoryReadiness]:
    """The repositories with suite runs since then: those held back first, the busiest first."""
    found: dict[tuple[str, str], RepositoryReadiness] = {}
    rows = SuiteRun.objects.filter(only or Q(), created_at__gte=since).order_by("created_at")
    columns = ("account", "repository", "reasons", "created_at")
    for account, repository, stored, created_at in rows.values_list(*columns).iterator():
        before = found.get((account, repository))
        reasons = reasons_of(stored)
        found[account, repository] = RepositoryReadiness(
            account=account,
            repository=repository,
            suite_runs=(before.suite_runs if before else 0) + 1,
            able=(before.able if before else 0) + (not reasons),
            reasons=reasons,
            newest_at=created_at,
        )
    return sorted(
        found.values(), key=lambda one: (one.ready, -one.suite_runs, one.account, one.repository)
    )


def reasons_of(reasons: list[str]) -> tuple[str, ...]:
    """Those of a stored decision that the new backend gave, without its name."""
    prefix = f"{settings.ROLLOUT['new']}: "
    return tuple(text.removeprefix(prefix) for text in reasons if text.startswith(prefix))
