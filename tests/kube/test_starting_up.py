"""What keeps a pod from coming up has its grace, counted from when that wait began."""

from typing import Any

import pytest

from dispatch.outcomes import Category
from kube.causes import pull_end
from kube.reading import RUNS, Grace, Reading
from kube.status import read
from tests.kube.pods import (
    NOW,
    condition,
    container,
    event,
    job,
    pod,
    running,
    terminated,
    waiting,
)

Json = dict[str, Any]

NOT_FOUND = 'failed to pull and unpack image "x": x: not found'
PRIVATE = "pull access denied, repository does not exist: insufficient_scope: authorization failed"
STATUS_CODE = "pulling from host x failed with status code [manifests 1]:"
NO_HOST = "dial tcp: lookup registry: no such host"


def reading(found: Json, *events: Json) -> Reading:
    return read(job(), [found], list(events), NOW, Grace())


def ended(found: Json, *events: Json) -> Category | None:
    return reading(found, *events).ended


# Pulls ----------------------------------------------------------------------------------------


def pulling(name: str, message: str = NOT_FOUND, reason: str = "ErrImagePull") -> Json:
    return container(name, **waiting(reason, message))


def since(seconds: float, *statuses: Json) -> Json:
    """Everything before was done so many seconds ago."""
    found = pod(*statuses, age=seconds)
    for status in found["status"]["initContainerStatuses"]:
        for state in status["state"].values():
            state |= {key: _at(seconds) for key in ("startedAt", "finishedAt") if key in state}
    return found


def _at(seconds: float) -> str:
    return str(condition("x", at=seconds)["lastTransitionTime"])


@pytest.mark.parametrize(
    "message,category",
    [
        ("rpc error: x: not found", "image_pull_not_found"),
        ("insufficient_scope: authorization failed", "image_pull_auth"),
        ("unexpected status: 401 Unauthorized", "image_pull_auth"),
        (f"{STATUS_CODE} 401 Unauthorized", "image_pull_auth"),
        (f"{STATUS_CODE} 403 Forbidden", "image_pull_auth"),
        (f"{STATUS_CODE} 500 Internal Server Error", "image_pull_network"),
        (NO_HOST, "image_pull_network"),
    ],
)
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize("name", ["agent", "kaniko", "seed-test", "worker", "test"])
def test_a_pull_of_ours_has_a_minute_and_then_its_own_cause(
    name: str, reason: str, message: str, category: str
) -> None:
    full = f"Back-off pulling image: ErrImagePull: {message}" if "Off" in reason else message
    young = reading(since(59, pulling(name, full, reason)))
    assert young.ended is None and message in young.pending
    assert ended(since(61, pulling(name, full, reason))) == category
    assert pull_end(message) == category


@pytest.mark.parametrize("name", ["redis", "seed-db", "migrate"])
@pytest.mark.parametrize(
    "message",
    [NOT_FOUND, PRIVATE, f"{STATUS_CODE} 401 Unauthorized", f"{STATUS_CODE} 403 Forbidden"],
)
def test_a_customers_image_that_is_not_found_is_the_customers(name: str, message: str) -> None:
    found = reading(since(61, pulling(name, message)))
    assert found.ended == Category.SERVICE_FAILED
    assert f"service {name.removeprefix('seed-')} " in found.detail


@pytest.mark.parametrize(
    "message,category",
    [(NO_HOST, "image_pull_network"), ("unexpected status: 401 Unauthorized", "image_pull_auth")],
)
def test_trouble_with_a_customers_registry_is_ours_to_try_again(
    message: str, category: str
) -> None:
    assert ended(since(61, pulling("redis", message))) == category


def test_the_tests_image_has_its_minute_from_when_the_build_and_the_services_were_done() -> None:
    old = pod(pulling("test"), age=900, conditions=(condition("Initialized", at=59),))
    assert ended(old) is None
    old = pod(pulling("test"), age=900, conditions=(condition("Initialized", at=61),))
    assert ended(old) == Category.IMAGE_PULL_NOT_FOUND


def test_the_builders_image_has_its_minute_from_the_end_of_the_clone() -> None:
    def cloned(seconds: float) -> Json:
        clone = container("clone", **terminated(0, at=seconds))
        return pod(clone, pulling("kaniko"), age=300)

    assert ended(cloned(59)) is None
    assert ended(cloned(61)) == Category.IMAGE_PULL_NOT_FOUND


@pytest.mark.parametrize("seconds,category", [(59, None), (61, "service_failed")])
def test_behind_a_service_that_was_slow_to_get_ready_the_events_tell_when_the_pull_began(
    seconds: float, category: str | None
) -> None:
    db = container("db", **running(200))
    found = pod(db, pulling("redis"), age=900)
    began = event("Pulling", 'Pulling image "redis:7"', of="redis", first=seconds, last=1)
    of_another = event("Pulling", 'Pulling image "postgres:16"', of="db", first=1, last=1)
    assert ended(found) == Category.SERVICE_FAILED
    assert ended(found, began, of_another) == category


def test_a_back_off_that_says_no_cause_is_explained_by_the_events() -> None:
    found = since(61, pulling("redis", 'Back-off pulling image "redis:7"', "ImagePullBackOff"))
    told = event("Failed", f'Failed to pull image "redis:7": {NOT_FOUND}', of="redis", last=20)
    later = event("Failed", "Error: ImagePullBackOff", of="redis", last=5)
    assert ended(found, told, later) == Category.SERVICE_FAILED


# Configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError"])
def test_a_container_that_cannot_be_made_has_a_moment_from_its_turn_on(reason: str) -> None:
    broken = container("clone", **waiting(reason, 'secret "task-1-a1" not found'))
    assert ended(since(14, broken)) is None
    found = reading(since(16, broken))
    assert found.ended == Category.CONFIG_ERROR and "not found" in found.detail


@pytest.mark.parametrize("name,category", [("redis", "service_failed"), ("test", "config_error")])
def test_a_name_that_is_none_is_whose_image_it_is(name: str, category: str) -> None:
    assert ended(since(16, container(name, **waiting("InvalidImageName")))) == category


@pytest.mark.parametrize("code,category", [(2, "config_error"), (1, "agent_lost")])
def test_an_agent_that_keeps_crashing_is_noticed(code: int, category: str) -> None:
    last = terminated(code, message="Traceback")["terminated"]
    crashing = container("agent", restarts=3, last=last, **waiting("CrashLoopBackOff"))
    assert ended(pod(crashing)) == category
    crashing["restartCount"] = 2
    assert ended(pod(crashing)) is None


# Services -------------------------------------------------------------------------------------


def crashing(name: str, code: int = 1, restarts: int = 3, **facts: Any) -> Json:
    last = terminated(code, message="FATAL: no password", **facts)["terminated"]
    return container(name, restarts=restarts, last=last, **waiting("CrashLoopBackOff"))


def test_a_service_that_keeps_crashing_is_named_with_its_last_words() -> None:
    found = reading(pod(crashing("db")))
    assert found.ended == Category.SERVICE_FAILED
    assert "db" in found.detail and "FATAL: no password" in found.detail
    assert ended(pod(crashing("db", restarts=2))) is None


def test_the_end_of_its_last_run_tells_so_too_where_a_node_shows_that_instead() -> None:
    for code, restarts, category in ((1, 3, "service_failed"), (1, 2, None), (0, 3, None)):
        shown = terminated(code, message="FATAL: no password")
        redis = container("redis", restarts=restarts, **shown)
        assert ended(pod(redis, container("worker", **running()))) == category
    for code, category in ((1, "agent_lost"), (2, "config_error"), (0, None)):
        assert ended(pod(container("agent", restarts=3, **terminated(code)))) == category


def test_a_service_that_crashes_while_the_tests_run_leaves_it_to_their_verdict() -> None:
    up = [container(name, **running()) for name in ("worker", "test")]
    assert ended(pod(crashing("redis"), *up, phase="Running")) is None


def test_a_service_that_does_its_work_and_ends_well_is_no_failure() -> None:
    worker = container("worker", **running())
    assert ended(pod(crashing("redis", code=0), worker)) is None
    assert ended(pod(crashing("redis", code=0))) == Category.SERVICE_FAILED


def test_a_service_that_cannot_be_started_is_the_customers() -> None:
    found = reading(pod(crashing("redis", 128, reason="StartError")))
    assert found.ended == Category.SERVICE_FAILED


def test_a_service_that_is_not_ready_yet_is_waited_for() -> None:
    found = reading(pod(container("db", **running(170, started=False))))
    assert found == Reading(pending="The service db is not ready yet.")
    assert reading(pod(container("db", **running(170)), container("redis", **running()))) == RUNS


@pytest.mark.parametrize(
    "code,lasted",
    [(137, 200), (143, 185), (0, 185), (1, 180), (137, 9)],
    ids=["killed", "ended", "ended well", "ended badly", "killed in quicker time"],
)
def test_a_service_that_was_killed_by_its_startup_probe_never_gets_ready(
    code: int, lasted: float
) -> None:
    last = terminated(code, lasted=lasted, message="starting up")["terminated"]
    again = container("db", restarts=1, last=last, **running(3, started=False))
    found = reading(pod(again))
    assert found.ended == Category.SERVICE_FAILED
    assert "db never gets ready" in found.detail and "180 s" in found.detail
    assert "starting up" in found.detail


def test_what_its_healthcheck_said_is_told_where_it_is_known() -> None:
    last = terminated(0, lasted=5)["terminated"]
    again = container("db", restarts=1, last=last, **running(3, started=False))
    killing = event("Killing", "Container db failed startup probe, will be restarted", of="db")
    unhealthy = event("Unhealthy", "Startup probe failed: no response", of="db")
    assert ended(pod(again)) is None
    found = reading(pod(again), unhealthy, killing)
    assert found.ended == Category.SERVICE_FAILED and "no response" in found.detail


def test_one_crash_while_it_starts_is_forgiven() -> None:
    last = terminated(1, lasted=9)["terminated"]
    again = container("db", restarts=1, last=last, **running(3, started=False))
    assert ended(pod(again)) is None
