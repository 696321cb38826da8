"""What happens to a pod's logs and reports on the wire: outages, sizes, secrets, restarts."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.waiting import wait_until
from tests.worker_image.agent_plane import TOKEN, AgentPlane, Answer, Taken, work_order
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.pods import Container, Pod

WRITE_RESULTS = (
    """printf '{"examples": [], "summary": {"example_count": 1}}' > "$SWITCHYARD_RESULTS"; """
)


def wait_file(path: Path) -> str:
    return f"until [ -e {path} ]; do sleep 0.05; done; "


def begin(pod: Pod) -> tuple[Container, Container]:
    """The pod, up to the start of its tests' container: the agent and that one."""
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    return agent, pod.start_tests()


def test_an_outage_loses_nothing_and_keeps_the_order(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> None:
    go, told = tmp_path / "go", tmp_path / "told"
    command = f"{WRITE_RESULTS} echo one; {wait_file(go)} seq 1 1000; touch {told}"
    plane.order = work_order(*make_repository({}), command=command)
    pod = make_pod()
    agent, tests = begin(pod)
    wait_until(lambda: plane.text("test") == "one\n")
    plane.stop()
    go.touch()
    wait_until(told.exists)
    wait_until(lambda: "trying again" in agent.output())
    plane.start()
    pod.finish(agent, tests)
    assert plane.text("test").splitlines() == ["one", *map(str, range(1, 1001))]
    assert plane.names()[-3:] == ["events tests_finished", "results", "finish"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_call_is_made_again_until_it_is_answered(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, status: int
) -> None:
    troubles: dict[str, int] = {}

    def answer(call: Taken) -> Answer | None:
        troubles[call.name] = troubles.get(call.name, 0) + 1
        return (status, {}) if troubles[call.name] == 1 else None

    plane.answer = answer
    plane.order = work_order(*make_repository({}), command=f"{WRITE_RESULTS} echo one")
    make_pod().run()
    assert plane.text("test") == "one\n"
    assert plane.names() == [
        "claim",
        "git-token",
        *("events cloned", "events services_ready"),
        *("events pre_script_started", "events pre_script_finished"),
        *("events tests_started", "events tests_finished"),
        "results",
        "finish",
    ]


def test_an_answer_of_something_in_between_is_none(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    seen: list[str] = []

    def answer(call: Taken) -> Answer | None:
        seen.append(call.name)
        return (200, "<html>") if seen.count(call.name) == 1 else None

    plane.answer = answer
    plane.order = work_order(*make_repository({}), command="true")
    make_pod().run()
    assert plane.has("finish") and seen.count("claim") == 2


def peak_memory_mib(container: Container) -> float:
    status = Path(f"/proc/{container.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def test_a_million_lines_take_constant_memory_and_keep_head_and_tail(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    cap = 4 * 1024 * 1024
    command = "seq -f 'line %.0f of many' 1 1000000"
    plane.order = work_order(*make_repository({}), command=command, log_cap_bytes=cap)
    pod = make_pod(variables={"KEY": "a-secret-value"})
    agent, tests = begin(pod)
    assert tests.end() == 0
    assert peak_memory_mib(agent) < 64
    lines = plane.text("test").splitlines()
    assert cap - 1000 < len(plane.log("test")) < cap + 1000
    (cut,) = (at for at, line in enumerate(lines) if "bytes are left out here" in line)
    head, tail = lines[:cut], lines[cut + 1 :]
    assert head == [f"line {n} of many" for n in range(1, len(head) + 1)]
    first = 1_000_001 - len(tail)
    assert tail == [f"line {n} of many" for n in range(first, 1_000_001)]
    assert max(len(call.body) for call in plane.named("logs test")) <= 256 * 1024


def test_bytes_that_are_no_text_and_a_last_line_without_an_end_arrive(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    command = r"printf 'a\377\000\376b\nend'"
    plane.order = work_order(*make_repository({}), command=command)
    make_pod().run()
    assert plane.log("test") == b"a\xff\x00\xfeb\nend\n"


def test_a_line_longer_than_any_chunk_arrives_whole(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    command = "for n in $(seq 1 70); do printf '%05000d' $n; sleep 0.01; done; echo; echo end"
    plane.order = work_order(*make_repository({}), command=command)
    make_pod().run()
    wanted = "".join(f"{n:05000d}" for n in range(1, 71))
    assert plane.text("test") == f"{wanted}\nend\n"


def test_secrets_are_taken_out_of_every_stream_in_whatever_dress(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    secret = "s3cret/value+1"
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    tell = f'echo "<$KEY>" "<{encoded}>" "<{quote(secret, safe="")}>"; echo "$PEM"\n'
    variables = {"KEY": secret, "PEM": "first-line\nsecond-line\n"}
    url, commit = make_repository({".saturnci/pre.sh": "#!/bin/sh\n" + tell})
    plane.order = work_order(url, commit, command=f"{tell} echo {TOKEN}")
    pod = make_pod(variables=variables, SWITCHYARD_BUILD="1")
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    pod.build(f"ARG KEY={secret}\nARG {encoded}\n")
    pod.finish(agent, pod.start_tests())
    for stream, count in (("system", 5), ("build", 2), ("test", 6)):
        text = plane.text(stream)
        assert text.count("[REDACTED]") == count, text
        assert secret not in text and encoded[6:-6] not in text and "-line" not in text


def test_a_secret_across_the_border_of_two_chunks_is_taken_out(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> None:
    """The first half waits until the rest has come, also in a line that never seems to end."""
    go = tmp_path / "go"
    long = "printf '%070000d' 0"
    command = (
        f"echo one; printf 'KEY=a-secret'; {wait_file(go)} printf -- '-value\\n';"
        f" {long}; printf a-sec; sleep 0.3; echo ret-value"
    )
    plane.order = work_order(*make_repository({}), command=command)
    pod = make_pod(variables={"KEY": "a-secret-value"})
    agent, tests = begin(pod)
    wait_until(lambda: plane.text("test") == "one\n")
    heartbeats = len(plane.named("heartbeat"))
    wait_until(lambda: len(plane.named("heartbeat")) > heartbeats + 3)
    assert plane.text("test") == "one\n"
    go.touch()
    pod.finish(agent, tests)
    assert plane.text("test") == f"one\nKEY=[REDACTED]\n{'0' * 70000}[REDACTED]\n"


def test_the_detail_of_an_event_is_free_of_secrets(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    script = "#!/bin/sh\necho $KEY\nexit 1\n"
    plane.order = work_order(*make_repository({".saturnci/pre.sh": script}))
    make_pod(variables={"KEY": "a-secret-value"}).run()
    detail = plane.only("events pre_script_failed").json["detail"]
    assert "[REDACTED]" in detail and "a-secret" not in detail


def test_nothing_that_the_tests_leave_makes_the_agent_send_what_only_it_can_read(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    """Links, pipes and devices in a folder that the tests may write to."""
    pod = make_pod()
    token, results = pod.folder / "token", "$SWITCHYARD_OUT_DIR/results"
    command = (
        f"ln -s {token} {results}/a.json; mkfifo {results}/b.json; ln -s / {results}/c.json;"
        f" ln -s {pod.folder} {results}/d; rm -r $SWITCHYARD_OUT_DIR/artifacts;"
        f" ln -s {pod.folder} $SWITCHYARD_OUT_DIR/artifacts; echo done"
    )
    plane.order = work_order(*make_repository({"x.env": ""}), command=command)
    pod.run()
    assert plane.text("test") == "done\n"
    assert not plane.has("results") and not plane.has("artifacts")
    assert plane.has("finish")
    assert "a.json is not sent" in plane.text("system")
    assert TOKEN.encode() not in b"".join(call.body for call in plane.calls)


# The agent's container is started again ---------------------------------------------------------


@pytest.mark.parametrize("moment", ["cloning", "pre", "testing", "finishing"])
def test_an_agent_that_is_started_again_goes_on_where_it_was(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    tmp_path: Path,
    moment: str,
) -> None:
    here, go = tmp_path / "here", tmp_path / "go"
    pause = f"touch {here}; {wait_file(go)}"
    pre = f"#!/bin/sh\necho prepare\necho pre >> ran\n{pause if moment == 'pre' else ''}\n"
    command = f"echo test >> ran; {WRITE_RESULTS} echo one; "
    command += f"{pause if moment == 'testing' else ''} echo two"
    plane.order = work_order(*make_repository({".saturnci/pre.sh": pre}), command=command)

    def answer(call: Taken) -> Answer | None:
        if moment == "finishing" and call.name == "finish" and not go.exists():
            here.touch()
            return 503, {}
        return None

    plane.answer = answer
    pod = make_pod()
    agent = pod.start_agent()
    if moment == "cloning":
        pod.wait_for("ctl/claimed")
        agent.kill()
        agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    tests = pod.start_tests()
    if moment != "cloning":
        wait_until(here.exists)
        if moment == "testing":
            wait_until(lambda: plane.text("test") == "one\n")
        agent.kill()
        go.touch()
        agent = pod.start_agent()
    pod.finish(agent, tests)
    assert (pod.image / "ran").read_text() == "pre\ntest\n"
    assert plane.text("test") == "one\ntwo\n"
    assert plane.text("system").count("prepare\n") == 1
    assert len(plane.named("finish")) == 1
    assert plane.only("finish").json["exit_code"] == 0
    assert {call.json["instance"] for call in plane.named("claim")} == {"pod-1"}
    reports = [call.json for call in plane.refused if call.name == "finish"]
    assert all(report == plane.only("finish").json for report in reports)


def contains(plane: AgentPlane, text: bytes) -> bool:
    return text in plane.log("test")


def test_a_restart_sends_no_log_twice_and_leaves_none_out(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> None:
    steps = [tmp_path / f"go-{number}" for number in range(4)]
    command = "".join(
        f"seq {n * 20000} {n * 20000 + 19999}; {wait_file(steps[n])}" for n in range(4)
    )
    plane.order = work_order(*make_repository({}), command=command)
    pod = make_pod()
    agent, tests = begin(pod)
    for number, step in enumerate(steps):
        wanted = f"\n{number * 20000 + 9999}\n".encode()
        wait_until(partial(contains, plane, wanted))
        agent.kill()
        step.touch()
        agent = pod.start_agent()
    pod.finish(agent, tests)
    assert plane.text("test").splitlines() == [str(n) for n in range(80000)]
    sent = sum(len(call.body) for call in plane.named("logs test"))
    assert sent < 1.5 * len(plane.log("test"))


def test_the_timeout_goes_on_over_a_restart(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), timeout_seconds=3)
    pod = make_pod()
    agent = pod.start_agent()
    for _ in range(2):
        pod.wait_for("work/journal.json")
        agent.kill()
        agent = pod.start_agent()
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert plane.has("events timed_out")
