"""What the cluster does by itself, under a clock that a test moves: not before it is due."""

from collections.abc import Callable

import pytest

from tests.conformance.cluster import MERGE
from tests.sandbox.kubernetes_api import NODES, Clocked

Start = Callable[..., Clocked]


@pytest.fixture
def api(clocked_kubernetes: Start) -> Clocked:
    return clocked_kubernetes(nodes=1)


def runs(api: Clocked) -> str:
    """The name of the Job's pod, once it runs."""
    api.cluster.wait(lambda: api.phases() == ["Running"])
    return str(api.pods()[0]["metadata"]["name"])


def gone(api: Clocked) -> bool:
    return api.call("GET", api.at("jobs", "task")).status == 404


def settle(api: Clocked) -> None:
    """Timers and their consequences run before calls that come after them; an object that is made
    and seen has been through all of them."""
    name = f"settled-{api.clock.now():.0f}"
    api.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    api.advance(api.sandbox.settings.namespace_delay)
    path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    api.cluster.wait(lambda: api.call("GET", path).status == 200)


def test_a_finished_job_goes_after_its_time_to_live_and_not_before(api: Clocked) -> None:
    api.create_job(ttlSecondsAfterFinished=3600)
    pod = runs(api)
    ended = {"status": {"phase": "Succeeded"}}
    api.must("PATCH", api.at("pods", f"{pod}/status"), ended, kind=MERGE)
    api.cluster.wait(lambda: "Complete" in api.conditions())
    api.advance(3590)
    settle(api)
    assert not gone(api)
    api.advance(10)
    api.cluster.wait(lambda: gone(api))
    assert api.pods() == []


def assert_it_ends_after_600_seconds(api: Clocked) -> None:
    runs(api)
    api.advance(590)
    settle(api)
    assert api.conditions() == []
    api.advance(10)
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])


def test_a_deadline_ends_a_job_and_not_before(api: Clocked) -> None:
    api.create_job(activeDeadlineSeconds=600)
    assert_it_ends_after_600_seconds(api)


def test_a_suspended_job_has_all_its_time_when_it_is_released(api: Clocked) -> None:
    api.create_job(suspend=True, activeDeadlineSeconds=600)
    api.advance(6000)
    settle(api)
    assert api.conditions() == ["Suspended"]
    api.must("PATCH", api.at("jobs", "task"), {"spec": {"suspend": False}}, kind=MERGE)
    assert_it_ends_after_600_seconds(api)


def test_a_silent_node_is_lost_after_its_grace_and_not_before(api: Clocked) -> None:
    def ready() -> str:
        conditions = api.must("GET", f"{NODES}/hollow-1")["status"]["conditions"]
        return str(next(c["status"] for c in conditions if c["type"] == "Ready"))

    api.cluster.wait(lambda: ready() == "True")
    api.faults({"kind": "lost_node"})
    api.advance(45)
    settle(api)
    assert ready() == "True"
    api.advance(5)
    api.cluster.wait(lambda: ready() == "Unknown")


def test_events_are_kept_for_an_hour(api: Clocked) -> None:
    api.create_job()
    runs(api)
    api.cluster.wait(lambda: "SuccessfulCreate" in api.reasons())
    api.advance(3500)
    settle(api)
    assert "SuccessfulCreate" in api.reasons()
    api.advance(500)
    api.cluster.wait(lambda: "SuccessfulCreate" not in api.reasons())


def test_a_watch_may_resume_for_five_minutes_and_is_410_after_ten(api: Clocked) -> None:
    old = api.version()
    api.add_secret("a")
    api.advance(290)
    settle(api)
    with api.cluster.watch(api.at("secrets"), resourceVersion=old) as events:
        assert next(events).name == "a"
    api.advance(400)
    settle(api)
    with api.cluster.watch(api.at("secrets"), resourceVersion=old) as events:
        assert next(events).object["code"] == 410
