"""The adapter against a real HTTP API: complete lists or errors, one error class per reaction."""

import pytest

from dispatch.backends import NoCapacity, Unavailable
from droplets.cloud import Cloud, Refused, surely_undone
from tests.droplets.conftest import SandboxCloud

SLEEP = "#!/bin/sh\nexec sleep 300\n"


def test_a_droplet_is_created_seen_and_destroyed(cloud: Cloud) -> None:
    made = cloud.create("switchyard-default-1", SLEEP)
    assert made.status == "new" and made.hourly_price is not None
    assert [one.provider_id for one in cloud.droplets()] == [made.provider_id]
    assert [one.provider_id for one in cloud.droplets(name=made.name)] == [made.provider_id]
    cloud.destroy(made.provider_id)
    cloud.destroy(made.provider_id)
    assert cloud.droplet(made.provider_id) is None
    assert cloud.droplets() == []


def test_a_list_is_read_page_by_page(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droplets.cloud.PER_PAGE", 2)
    names = {cloud.create(f"switchyard-default-{n}", SLEEP).name for n in range(5)}
    assert {one.name for one in cloud.droplets()} == names


@pytest.mark.parametrize("status", [429, 500])
def test_a_list_cut_short_is_an_error_and_never_a_shorter_list(
    cloud: Cloud, sandbox: SandboxCloud, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("droplets.cloud.PER_PAGE", 2)
    for n in range(5):
        cloud.create(f"switchyard-default-{n}", SLEEP)
    sandbox.faults({"kind": "truncated_list", "status": status})
    with pytest.raises(Unavailable):
        cloud.droplets()


def test_a_429_says_how_long_to_wait(cloud: Cloud, sandbox: SandboxCloud) -> None:
    sandbox.faults({"kind": "429", "retry_after": 7})
    with pytest.raises(Unavailable) as caught:
        cloud.create("switchyard-default-1", SLEEP)
    assert caught.value.retry_after == 7
    assert surely_undone(caught.value)


@pytest.mark.parametrize("kind", ["500", "503", "reset", "drop_answer"])
def test_what_may_have_worked_is_unavailable_and_not_surely_undone(
    cloud: Cloud, sandbox: SandboxCloud, kind: str
) -> None:
    sandbox.faults({"kind": kind, "method": "POST"})
    with pytest.raises(Unavailable) as caught:
        cloud.create("switchyard-default-1", SLEEP)
    assert not surely_undone(caught.value)


def test_no_call_waits_for_ever(cloud: Cloud, sandbox: SandboxCloud) -> None:
    sandbox.faults({"kind": "hang", "seconds": "30:30"})
    cloud._api().timeout = 0.3
    with pytest.raises(Unavailable):
        cloud.droplets()


def test_a_full_account_is_no_capacity(cloud: Cloud, sandbox: SandboxCloud) -> None:
    sandbox.put("/sandbox/account", {"droplet_limit": 1})
    try:
        cloud.create("switchyard-default-1", SLEEP)
        with pytest.raises(NoCapacity, match="limit"):
            cloud.create("switchyard-default-2", SLEEP)
    finally:
        sandbox.put("/sandbox/account", {"droplet_limit": 25})


def test_a_request_that_is_wrong_is_refused(cloud: Cloud) -> None:
    with pytest.raises(Refused, match="422"):
        cloud.create("no spaces allowed", SLEEP)


def test_the_account_and_the_prices_are_read(cloud: Cloud) -> None:
    assert cloud.droplet_limit() == 25
    assert str(cloud.sizes()["s-4vcpu-8gb"]) == "0.07143"
