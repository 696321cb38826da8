"""The readiness report: a repository is as ready as its newest suite run."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from dispatch.models import SuiteRun
from dispatch.readiness import report, totals
from tests.factories import make_suite_run

pytestmark = pytest.mark.django_db

HELD = ["kubernetes: web.privileged: take it out", "droplets: command: leave it out"]


def last_week() -> list[tuple[str, int, int, tuple[str, ...]]]:
    rows = report(timezone.now() - timedelta(days=7))
    return [(row.repository, row.suite_runs, row.able, row.reasons) for row in rows]


def test_what_the_other_backend_said_holds_nobody_back() -> None:
    make_suite_run(rule="hash", reasons=["droplets: command: leave it out"])
    assert last_week() == [("acme/shop", 1, 1, ())]


def test_the_newest_suite_run_decides_and_all_are_counted() -> None:
    make_suite_run(reasons=HELD)
    make_suite_run(rule="hash", reasons=[])
    make_suite_run(repository="acme/api", rule="hash", reasons=[])
    make_suite_run(repository="acme/api", reasons=HELD)
    assert last_week() == [
        ("acme/api", 2, 1, ("web.privileged: take it out",)),
        ("acme/shop", 2, 1, ()),
    ]


def test_repositories_of_two_accounts_are_two() -> None:
    make_suite_run(account="acme", rule="hash")
    make_suite_run(account="zeta", reasons=HELD)
    assert [row.account for row in report(timezone.now() - timedelta(days=1))] == ["zeta", "acme"]


def test_what_the_new_backend_was_not_asked_about_is_no_evidence() -> None:
    make_suite_run(rule="only", backend="droplets")
    (line,) = report(timezone.now() - timedelta(days=1))
    assert (line.suite_runs, line.asked, line.able, line.ready) == (1, 0, 0, False)
    assert line.state == "not asked yet"
    make_suite_run(rule="only", backend="kubernetes")
    (line,) = report(timezone.now() - timedelta(days=1))
    assert (line.suite_runs, line.asked, line.able, line.ready) == (2, 1, 1, True)


def test_only_the_time_asked_about_counts() -> None:
    old = make_suite_run(rule="hash")
    SuiteRun.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    assert last_week() == []


def test_the_totals_count_repositories_and_the_suite_runs_that_can_move() -> None:
    for _ in range(3):
        make_suite_run(rule="hash")
    make_suite_run(repository="acme/api", reasons=HELD, rule="eligibility")
    make_suite_run(repository="acme/old", rule="only")
    sums = totals(report(timezone.now() - timedelta(days=1)))
    assert (sums.repositories, sums.ready, sums.suite_runs) == (3, 1, 5)
    assert (sums.asked, sums.able, sums.percent) == (4, 3, 75.0)
    assert totals([]).percent is None


def test_it_asks_the_database_once_however_many_suite_runs_there_are(
    django_assert_num_queries: Any,
) -> None:
    for number in range(12):
        make_suite_run(repository=f"acme/{number % 3}", rule="hash")
    with django_assert_num_queries(1):
        assert len(report(timezone.now() - timedelta(days=1))) == 3


def test_the_command_says_how_many_are_ready() -> None:
    make_suite_run(reasons=HELD)
    out = StringIO()
    call_command("readiness", stdout=out)
    assert "0 of 1 repositories ready; suite runs that can move: 0.0 %." in out.getvalue()
    out = StringIO()
    call_command("readiness", "--json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert row["ready"] is False and row["reasons"] == ["web.privileged: take it out"]
