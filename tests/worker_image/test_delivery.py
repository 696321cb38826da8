"""What happens on the wire and in the logs: outages, sizes, secrets."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from sandbox.samples import Sample
from tests.waiting import wait_until
from tests.worker_image.conftest import (
    Agent,
    MakeRepository,
    StartAgent,
    item,
    sample_item,
)
from tests.worker_image.control_plane import Answer, ControlPlane, Recorded

Samples = dict[str, Sample]

COUNT_FOR_A_WHILE = """
    for n in $(seq 1 40); do echo "line $n"; sleep 0.05; done
    printf '{"summary": {"example_count": 1}}' > "$SWITCHYARD_RESULTS"
"""


def test_an_outage_while_it_works_loses_nothing_and_keeps_the_order(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = f"{COUNT_FOR_A_WHILE}\nuntil [ -e {go} ]; do sleep 0.05; done; echo end"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    wait_until(lambda: "line 3\n" in control_plane.text("test_output"))
    control_plane.stop()
    go.touch()
    (folder,) = agent.work_dir.iterdir()
    wait_until(lambda: "Script done" in (folder / "tests.log").read_text())
    control_plane.start()
    assert agent.end() == 0
    lines = control_plane.text("test_output").splitlines()
    assert lines[:41] == [f"line {n}" for n in range(1, 41)] + ["end"]
    assert control_plane.names()[-3:] == [
        "POST json_output",
        "POST task_finished_events",
        "DELETE runner",
    ]


@pytest.mark.parametrize("status", [503, 429])
def test_a_call_is_sent_again_until_it_is_answered(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, status: int
) -> None:
    troubles: dict[str, int] = {}

    def answer(call: Recorded) -> Answer | None:
        troubles[call.name] = troubles.get(call.name, 0) + 1
        return (status, b"") if call.method != "GET" and troubles[call.name] <= 2 else None

    control_plane.answer = answer
    control_plane.items = [sample_item(samples["passing"])]
    assert start_agent(SWITCHYARD_POLL_SECONDS="0.05").end() == 0
    assert control_plane.names() == [
        "POST worker_events ready_signal_received",
        "POST worker_events assignment_acknowledged",
        "POST task_events runner_ready",
        "POST github_tokens",
        "POST task_events repository_cloned",
        "POST task_events pre_script_started",
        "POST task_events pre_script_finished",
        "POST task_events test_suite_started",
        "POST json_output",
        "POST task_finished_events",
        "DELETE runner",
    ]


def test_a_refused_call_is_not_sent_again_and_the_work_goes_on(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    refused: list[str] = []

    def answer(call: Recorded) -> Answer | None:
        if call.name in ("POST task_events repository_cloned", "POST test_output"):
            refused.append(call.name)
            return 413, b""
        return None

    control_plane.answer = answer
    control_plane.items = [sample_item(samples["passing"])]
    agent = start_agent()
    assert agent.end() == 0
    assert refused.count("POST task_events repository_cloned") == 1
    assert "POST test_output" in refused
    assert control_plane.has("POST task_finished_events")
    assert "was answered 413" in agent.output[0]


def test_an_idle_agent_survives_a_restart_of_the_control_plane(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = []
    agent = start_agent()
    wait_until(lambda: control_plane.has("GET worker_assignments"))
    control_plane.stop()
    control_plane.items = [sample_item(samples["passing"])]
    wait_until(lambda: agent.process.poll() is None)
    control_plane.start()
    assert agent.end() == 0
    assert control_plane.has("POST task_finished_events")


def test_an_agent_that_starts_before_the_control_plane_waits_for_it(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.stop()
    agent = start_agent()
    assert agent.process.stdout
    assert "trying again" in agent.process.stdout.readline()
    control_plane.items = [sample_item(samples["passing"])]
    control_plane.start()
    assert agent.end() == 0
    assert control_plane.has("POST task_finished_events")


def peak_memory_mib(agent: Agent) -> float:
    status = Path(f"/proc/{agent.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def test_a_huge_log_takes_constant_memory_and_keeps_head_and_tail(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    wait_for_go = f"until [ -e {go} ]; do sleep 0.05; done"
    command = f"seq -f 'line %.0f of many' 1 4000000; touch {done}; {wait_for_go}"
    cap = 4 * 1024 * 1024
    control_plane.items = [sample_item(samples["passing"], command=command, log_cap_bytes=cap)]
    agent = start_agent()
    wait_until(done.exists)
    assert peak_memory_mib(agent) < 64
    go.touch()
    assert agent.end() == 0
    lines = control_plane.text("test_output").splitlines()
    assert cap - 1000 < len(control_plane.log("test_output")) < cap + 1000
    (cut,) = (at for at, line in enumerate(lines) if "bytes are left out here" in line)
    head, tail = lines[:cut], lines[cut + 1 : -2]
    assert head == [f"line {n} of many" for n in range(1, len(head) + 1)]
    first = 4_000_001 - len(tail)
    assert tail == [f"line {n} of many" for n in range(first, 4_000_001)]
    assert "Script done" in lines[-1]
    bodies = [base64.b64decode(call.body) for call in control_plane.named("POST test_output")]
    assert max(map(len, bodies)) <= 256 * 1024


def test_bytes_that_are_no_text_arrive_as_they_are(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    command = r"printf 'a\377\000\376b\n'"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    start_agent().end()
    assert control_plane.log("test_output").startswith(b"a\xff\x00\xfeb\n")


def test_half_a_line_is_held_back_until_it_is_whole(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = f"echo one; printf half; until [ -e {go} ]; do sleep 0.05; done; echo ' a line'"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    wait_until(lambda: control_plane.has("POST test_output"))
    polls = len(control_plane.named("GET worker_assignments"))
    wait_until(lambda: len(control_plane.named("GET worker_assignments")) > polls)
    assert control_plane.log("test_output") == b"one\n"
    go.touch()
    agent.end()
    assert control_plane.log("test_output").startswith(b"one\nhalf a line\n")


def test_secrets_are_taken_out_of_every_stream(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    secret = "s3cret/value+1"
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    tell = f'echo "<$KEY>" "<{encoded}>" "<{quote(secret, safe="")}>"; echo "$PEM"\n'
    env_vars = {"KEY": secret, "PEM": "first-line\nsecond-line\n", "FLAG": "true"}
    url, commit = make_repository({".saturnci/pre.sh": "#!/bin/sh\n" + tell})
    control_plane.items = [item(url, commit, command=tell + "echo true", env_vars=env_vars)]
    start_agent().end()
    for stream in ("system_logs", "test_output"):
        text = control_plane.text(stream)
        assert text.count("[REDACTED]") == 5, text
        assert secret not in text and encoded[6:-6] not in text and "-line" not in text
    assert "true\n" in control_plane.text("test_output")
