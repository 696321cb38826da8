"""Whether silence counts: only while agents could be heard without a break."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatch.hearing import LONGEST_GAP, Hearing

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
SILENCE = timedelta(seconds=90)
STEP = timedelta(seconds=5)


def listen(hearing: Hearing, since: datetime, until: datetime) -> None:
    """A look every few seconds, and somebody is heard at each."""
    while since <= until:
        hearing.note(since, True)
        since += STEP


def test_silence_counts_once_agents_could_be_heard_for_longer() -> None:
    hearing, end = Hearing(), BEGIN + SILENCE
    listen(hearing, BEGIN, end)
    assert not hearing.lasts(end, SILENCE)
    listen(hearing, end + STEP, end + STEP)
    assert hearing.lasts(end + STEP, SILENCE)


def test_it_begins_anew_when_nobody_could_be_heard() -> None:
    hearing, end = Hearing(), BEGIN + 2 * SILENCE
    listen(hearing, BEGIN, end)
    hearing.note(end + STEP, False)
    hearing.note(end + 2 * STEP, True)
    assert not hearing.lasts(end + 2 * STEP, SILENCE)


@pytest.mark.parametrize("extra,counts", [(0, True), (1, False)])
def test_it_begins_anew_after_a_time_in_which_nobody_looked(extra: int, counts: bool) -> None:
    """The database was away, or this process was stopped: agents may have been silent because
    nobody could take what they said."""
    hearing, end = Hearing(), BEGIN + 2 * SILENCE
    listen(hearing, BEGIN, end)
    back = end + LONGEST_GAP + timedelta(seconds=extra)
    hearing.note(back, True)
    assert hearing.lasts(back, SILENCE) is counts
    listen(hearing, back + STEP, back + SILENCE + STEP)
    assert hearing.lasts(back + SILENCE + STEP, SILENCE)
