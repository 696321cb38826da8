"""An account has no more placed at once than its limit, and keeps no other one waiting."""

from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from dispatch.accounts import next_in_line
from dispatch.models import Assignment
from dispatch.outcomes import Category
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db

HERE, THERE = "droplets", "kubernetes"


@pytest.fixture(autouse=True)
def two_backends(settings: Settings) -> None:
    settings.BACKENDS = {HERE: "dispatch.fake.ENTRY", THERE: "dispatch.fake.ENTRY"}
    settings.ACCOUNT_LIMIT = 3


def of(account: str, count: int = 1, backend: str = HERE, **facts: Any) -> list[Assignment]:
    suite_run = make_suite_run(account=account, backend=backend, order_count=50)
    return [make_assignment(suite_run, **facts) for _ in range(count)]


def placed(rows: list[Assignment]) -> list[Assignment]:
    for row in rows:
        assert row.place(f"place-{row.pk}")
    return rows


def names(count: int = 100, **more: Any) -> list[str]:
    ids: dict[str, set[UUID]] = {"passed_over": set(), "starting": set(), **more}
    return [row.account for row in next_in_line(HERE, count, **ids)]


def test_without_a_limit_the_queue_is_taken_as_it_is(settings: Settings) -> None:
    settings.ACCOUNT_LIMIT = 0
    of("a", 5)
    assert names() == ["a"] * 5
    assert names(2) == ["a"] * 2


def test_an_account_gets_as_many_as_its_limit_and_the_others_follow() -> None:
    of("a", 5), of("b", 1), of("a", 2), of("c", 4)
    assert names() == ["a", "a", "a", "b", "c", "c", "c"]
    assert names(5) == ["a", "a", "a", "b", "c"]


def test_a_long_queue_of_one_account_does_not_hide_the_others() -> None:
    of("a", 20), of("b", 20), of("c", 2)
    assert names(8) == ["a", "a", "a", "b", "b", "b", "c", "c"]


def test_what_is_placed_counts_over_all_backends() -> None:
    placed(of("a", 1)), placed(of("a", 1, THERE)), of("a", 5), of("b", 1)
    assert names() == ["a", "b"]


def test_what_has_ended_makes_room_though_it_is_not_released() -> None:
    running = placed(of("a", 3))
    of("a", 2)
    assert names() == []
    running[0].close(Category.PASSED)
    assert names() == ["a"]


def test_what_is_being_placed_counts_and_is_not_taken_twice() -> None:
    first, second, *_ = of("a", 5)
    ids = {first.pk, second.pk}
    assert names(passed_over=ids, starting=ids) == ["a"]
    third = next_in_line(HERE, 9, ids, ids)
    assert third[0].pk not in ids


def test_what_was_put_off_is_passed_over_and_does_not_count() -> None:
    first, *_ = of("a", 5)
    assert names(passed_over={first.pk}) == ["a"] * 3


def test_priority_and_age_still_rule() -> None:
    of("a", 2), of("b", 1, priority=5), of("a", 3, priority=9)
    assert names() == ["a", "a", "a", "b"]


def test_a_further_attempt_belongs_to_the_same_account() -> None:
    (row,) = placed(of("a", 1))
    row.close(Category.AGENT_LOST)
    assert Assignment.objects.get(number=2).account == "a"


def test_rows_without_an_account_are_not_limited() -> None:
    rows = of("", 5)
    assert len(next_in_line(HERE, 9, set(), set())) == len(rows)


def test_no_more_is_asked_of_the_database_than_the_accounts_need(
    django_assert_max_num_queries: Any,
) -> None:
    for account in "abcdefgh":
        of(account, 5)
    with django_assert_max_num_queries(3 + 9):
        assert len(names(24)) == 24
