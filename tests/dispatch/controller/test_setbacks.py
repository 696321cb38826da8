"""One Assignment whose start always fails keeps nobody else back, and does not wait for ever."""

import time

import pytest
from pytest_django import Settings

from dispatch.backends import Rejected, Unavailable
from dispatch.controller import health
from dispatch.controller.placing import Placing
from dispatch.controller.setbacks import LONGEST_PUT_OFF, Setbacks
from dispatch.encryption import encrypt_mapping
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Task, TaskSecret
from dispatch.outcomes import Category
from tests.dispatch.controller.conftest import Pair, finish, queued
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.05)


def placed(placing: Placing, count: int) -> bool:
    """Whether so many are placed, after one more step."""
    placing.step()
    return Assignment.objects.filter(external_id__isnull=False).count() == count


def test_those_behind_one_that_always_fails_are_placed(fake: FakeBackend) -> None:
    bad, *others = [queued() for _ in range(8)]
    fake.errors[bad.pk] = Unavailable("500 a webhook has failed")
    placing = Placing("fake")
    wait_until(lambda: placed(placing, len(others)))
    finish(placing)
    assert Assignment.by_id(bad.pk).external_id is None


def test_it_is_placed_when_its_trouble_is_over(fake: FakeBackend) -> None:
    bad = queued()
    fake.errors[bad.pk] = Unavailable("500")
    placing = Placing("fake")
    placing.step()
    wait_until(lambda: BackendStatus.objects.filter(unavailable_since__isnull=False).exists())
    del fake.errors[bad.pk]
    wait_until(lambda: placed(placing, 1))
    finish(placing)


def test_while_it_is_put_off_its_backend_is_not_taken_for_well(fake: FakeBackend) -> None:
    bad = queued()
    fake.errors[bad.pk] = Unavailable("500")
    placing = Placing("fake")
    placing.step()
    finish(placing)
    wait_until(lambda: not health.of("fake").resting)
    placing.step()
    assert BackendStatus.objects.get().unavailable_since is not None
    bad.task.cancel(actor="rails")
    placing.step()
    assert BackendStatus.objects.get().unavailable_since is None, "nobody waits for it any more"


def test_it_goes_to_the_other_backend_though_this_one_takes_the_rest(
    pair: Pair, settings: Settings
) -> None:
    settings.FALLBACK_AFTER_SECONDS = 0.5
    bad, good = queued(backend="new"), queued(backend="new")
    pair.new.errors[bad.pk] = Unavailable("500 a webhook has failed")
    placing = Placing("new")

    def fell_back() -> bool:
        placing.step()
        return Task.objects.filter(pk=bad.task_id, fell_back_at__isnull=False).exists()

    wait_until(fell_back)
    finish(placing)
    closed, following = Assignment.objects.filter(task=bad.task).order_by("number")
    assert (closed.category, following.backend) == (Category.API_UNAVAILABLE, "old")
    assert "500 a webhook has failed" in closed.sentence
    assert Assignment.by_id(good.pk).external_id is not None


@pytest.mark.parametrize("error", [Unavailable, Rejected])
def test_what_a_backend_says_is_kept_without_the_tasks_secrets(
    fake: FakeBackend, error: type[Unavailable] | type[Rejected]
) -> None:
    bad = queued()
    secret = encrypt_mapping({"API_KEY": "s3cr3t-value"})
    TaskSecret.objects.create(task=bad.task, ciphertext=secret)
    fake.errors[bad.pk] = error("422 data: s3cr3t-value is not fine")
    placing = Placing("fake")
    placing.step()
    finish(placing)
    said = [Assignment.by_id(bad.pk).sentence, *BackendStatus.objects.values_list("message")]
    assert "is not fine" in str(said) and "s3cr3t-value" not in str(said)


def test_it_is_put_off_longer_each_time_up_to_a_limit(fake: FakeBackend) -> None:
    setbacks, bad = Setbacks(), queued()
    pauses = []
    for _ in range(12):
        began = time.monotonic()
        setbacks.failed(bad.pk, rest=3.0)
        pauses.append(round(setbacks._until[bad.pk] - began - 3.0, 1))
    assert pauses[:5] == [1.0, 2.0, 4.0, 8.0, LONGEST_PUT_OFF]
    assert set(pauses[5:]) == {LONGEST_PUT_OFF}
    setbacks.settled(bad.pk)
    assert not setbacks.failing()
