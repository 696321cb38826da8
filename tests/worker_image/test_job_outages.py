"""A pod goes on through whatever the way to the control plane does to its calls."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import accumulate, takewhile

import pytest

from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane, Answer, Taken, work_order
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.test_job_delivery import WRITE_RESULTS, begin, peak_memory_mib
from worker_image.switchyard_agent.job import api
from worker_image.switchyard_agent.job.settings import Caller
from worker_image.switchyard_agent.stopping import Deadline

COMMAND = f"{WRITE_RESULTS} mkdir -p tmp/capybara; echo png > tmp/capybara/a.png; seq 1 2000"
COURSE = [
    *("claim", "git-token", "events cloned", "events services_ready"),
    *("events pre_script_started", "events pre_script_finished"),
    *("events tests_started", "events tests_finished", "results", "artifacts", "finish"),
]


def first_only(trouble: str) -> Callable[[str], str]:
    """The trouble, the first time that something of this name is asked for."""
    seen: Counter[str] = Counter()

    def strike(name: str) -> str:
        seen[name] += 1
        return trouble if seen[name] == 1 else ""

    return strike


def assert_told_once(plane: AgentPlane) -> None:
    """Everything is there, in its order, and what came twice can be told to be the same."""
    assert list(dict.fromkeys(plane.names())) == COURSE
    assert plane.text("test") == "".join(f"{n}\n" for n in range(1, 2001))
    for name in COURSE:
        calls = plane.named(name)
        if name.startswith("events "):
            assert len({call.json["seq"] for call in calls}) == 1
        assert len({call.body for call in calls}) == 1
        assert len({call.headers.get("X-Filename") for call in calls}) == 1


@pytest.mark.parametrize("trouble", ["reset", "cut", "late"])
def test_a_call_that_has_worked_and_was_never_answered_counts_once(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, trouble: str
) -> None:
    strike = first_only(trouble)
    plane.trouble = lambda call: strike(call.name)
    plane.order = work_order(*make_repository({}), command=COMMAND)
    make_pod(SWITCHYARD_HTTP_TIMEOUT_SECONDS="0.5").run()
    assert_told_once(plane)
    assert min(len(plane.named(name)) for name in COURSE) > 1


def test_a_connection_that_is_reset_in_the_middle_of_a_call_is_tried_again(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    strike = first_only("deaf")
    plane.deaf_to = lambda name: bool(strike(name))
    plane.order = work_order(*make_repository({}), command=COMMAND)
    make_pod().run()
    assert_told_once(plane)
    assert {len(plane.named(name)) for name in COURSE} == {1}


@pytest.mark.parametrize("away_at", ["claim", "git-token", "logs test", "results", "finish"])
def test_a_control_plane_that_goes_away_is_waited_for(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, away_at: str
) -> None:
    gone: list[str] = []

    def answer(call: Taken) -> Answer | None:
        if call.name == away_at and not gone:
            gone.append(call.name)
            plane.stop()
            return 503, {}
        return None

    plane.answer = answer
    plane.order = work_order(*make_repository({}), command=COMMAND)
    pod = make_pod()
    agent, clone = pod.start_agent(), pod.start_clone()

    def tries() -> int:
        return agent.output().count("trying again") + clone.output().count("trying again")

    def come_back() -> None:
        wait_until(lambda: gone and tries() >= 3)
        plane.start()

    if away_at in ("claim", "git-token"):
        come_back()
    assert clone.end() == 0, clone.output()
    tests = pod.start_tests()
    if away_at not in ("claim", "git-token"):
        come_back()
    pod.finish(agent, tests)
    assert_told_once(plane)


def test_over_minutes_the_pauses_between_tries_grow_and_no_two_agents_keep_step() -> None:
    caller = Caller(
        control_plane_url="http://127.0.0.1:9",
        assignment_id="7",
        token="t",
        deadline_seconds=3600,
        http_timeout_seconds=1,
    )

    def tries_of(seconds: float) -> list[float]:
        pauses = api.connect(caller, Deadline()).pauses()
        return list(takewhile(lambda at: at < seconds, accumulate(pauses)))

    one, other = tries_of(300), tries_of(300)
    assert 15 <= len(one) <= 40
    assert one[0] <= 0.5 and max(b - a for a, b in zip(one, one[1:], strict=False)) <= 20
    assert one != other


def test_it_comes_back_no_sooner_than_it_was_asked_to(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    asked: list[float] = []

    def answer(call: Taken) -> Answer | None:
        if call.name != "claim":
            return None
        asked.append(time.monotonic())
        return (429, {}) if len(asked) == 1 else None

    plane.answer, plane.retry_after = answer, 2
    plane.order = work_order(*make_repository({}), command="true")
    make_pod().run()
    assert 2 <= asked[1] - asked[0] < 10


def test_a_control_plane_that_never_comes_back_is_left_at_the_deadline(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.answer = lambda call: (503, {}) if call.name == "finish" else None
    plane.order = work_order(*make_repository({}), command="true", timeout_seconds=4)
    pod = make_pod(SWITCHYARD_REPORT_SECONDS="1")
    agent, tests = begin(pod)
    pod.finish(agent, tests)
    assert "/finish: answered 503, and no time is left" in agent.output()
    assert not plane.has("finish") and plane.refused


# Logs --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_log_of_a_hundred_megabytes_takes_constant_memory_and_arrives_whole(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    size, line = 100_000_000, b"a line of a log, with \xff\xfe: bytes that are no text\n"
    words = line.decode("latin-1").strip().replace("\xff\xfe", r"\377\376")
    command = f"yes \"$(printf '{words}')\" | head -c {size}"
    plane.order = work_order(*make_repository({}), command=command, log_cap_bytes=2 * size)
    pod = make_pod(variables={"KEY": "a-secret-value"})
    agent, tests = begin(pod)
    assert tests.end(110) == 0
    assert peak_memory_mib(agent) < 64
    whole, rest = divmod(size, len(line))
    assert plane.log_size("test") in (size, size + 1)
    log = plane.log("test")
    assert log[: 1000 * len(line)] == line * 1000 and log.count(line) == whole
    assert log.endswith(line[:rest] + (b"\n" if rest else b""))


def test_an_agent_that_is_started_again_sends_the_rest_of_a_builders_log(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), command="true")
    pod = make_pod(SWITCHYARD_BUILD="1")
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    (pod.steps / "build.log").write_text("first\nsecond")
    wait_until(lambda: plane.text("build") == "first\n")
    agent.kill()
    agent = pod.start_agent()
    pod.build("first\nsecond\nthird\n", digest="sha256:" + "0" * 64)
    pod.finish(agent, pod.start_tests())
    assert plane.text("build") == "first\nsecond\nthird\n"
    assert {call.json["seq"] for call in plane.named("events build_started")} == {1}
    assert len(plane.named("finish")) == 1
