"""The bill: by the second, from the create to the destroy."""

from collections.abc import Callable

import pytest

from sandbox.digitalocean.clock import ManualClock
from tests.sandbox.digitalocean_client import Clocked


def lines(api: Clocked) -> dict[int, tuple[float, float]]:
    bill = api.call("GET", "/sandbox/bill").json()
    assert bill["total"] == pytest.approx(sum(line["cost"] for line in bill["droplets"]))
    return {line["id"]: (line["seconds"], line["cost"]) for line in bill["droplets"]}


def test_a_droplet_costs_its_seconds_off_or_on_until_it_is_destroyed(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    id = api.create(size="s-4vcpu-8gb")
    api.clock.advance(60)
    assert api.call("POST", f"/v2/droplets/{id}/actions", {"type": "power_off"}).status_code == 201
    api.clock.advance(3540)
    assert api.call("GET", f"/v2/droplets/{id}").json()["droplet"]["status"] == "off"
    assert lines(api) == {id: (3600.0, 0.07143)}
    api.clock.advance(3600)
    api.call("DELETE", f"/v2/droplets/{id}")
    api.clock.advance(100_000)
    assert lines(api) == {id: (7200.0, 0.14286)}


def test_the_least_is_a_cent_and_60_seconds(clocked: Callable[..., Clocked]) -> None:
    api = clocked(prices={"c-8": 720}, droplet_limit=25)
    cheap, dear = api.create(size="c-2"), api.create(size="c-8")
    api.clock.advance(10)
    api.call("DELETE", f"/v2/droplets/{cheap}")
    api.call("DELETE", f"/v2/droplets/{dear}")
    assert lines(api) == {cheap: (10.0, 0.01), dear: (10.0, 12.0)}


def test_a_droplet_keeps_the_price_it_was_created_at(
    clocked: Callable[..., Clocked], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = clocked()
    id = api.create(size="c-2")
    api.sandbox.catalog.prices["c-2"] *= 2
    api.clock.advance(3600)
    assert lines(api)[id] == (3600.0, 0.0625)


def test_a_manual_clock_only_moves_when_it_is_told() -> None:
    clock = ManualClock(5.0)
    clock.advance(2)
    assert (clock.now(), clock.now()) == (7.0, 7.0)
