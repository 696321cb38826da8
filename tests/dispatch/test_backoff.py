"""Pauses after failures."""

import pytest

from dispatch.backoff import pause_after


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (500, 3600)]
)
def test_the_pauses_double_up_to_the_longest(failures: int, longest: float) -> None:
    pauses = [pause_after(failures, first=5, longest=3600) for _ in range(200)]
    assert longest * 0.5 <= min(pauses) <= max(pauses) <= longest


def test_many_do_not_come_back_at_once() -> None:
    pauses = [pause_after(1, first=8, longest=60, least=0.75) for _ in range(200)]
    assert len(set(pauses)) > 1
    assert 6 <= min(pauses) <= max(pauses) <= 8


def test_where_nothing_is_to_be_waited_for_there_is_no_pause() -> None:
    assert pause_after(3, first=0.0, longest=60) == 0.0
