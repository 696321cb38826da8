"""Droplets are processes: they outlive the sandbox and end, whole trees, with the droplet."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.digitalocean import processes
from sandbox.digitalocean.machine import Machine
from sandbox.launching import ROOT
from tests.sandbox.digitalocean_client import Running, eventually, processes_of

SLEEPER = "exec sleep 600"
# Children, a child with its own session and no environment, and one whose parent is gone.
FAMILY = """
sleep 601 &
setsid env -i sleep 602 &
(env -i setsid sh -c 'sleep 603 & sleep 604' &)
trap '' TERM HUP INT
while :; do sleep 1; done
"""


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if processes.read_process(pid)]


def wait_family(api: Running, id: int) -> list[int]:
    """Process 1, the script, and its six descendants (the last sleep comes and goes)."""
    return list(eventually(lambda: (p := api.droplet(id)["pids"]) and len(p) >= 7 and p))


def test_destroy_ends_the_whole_tree_before_it_answers_and_frees_the_disk(
    run: Callable[..., Running], state: Path
) -> None:
    api = run()
    id = api.create(user_data=FAMILY)
    pids = wait_family(api, id)
    assert api.call("DELETE", f"/v2/droplets/{id}").status_code == 204
    assert alive(pids) == []
    eventually(lambda: not (state / "droplets" / str(id)).exists())
    assert api.droplet(id)["status"] == "destroyed"


def test_a_folder_without_permissions_is_removed_too(
    run: Callable[..., Running], state: Path
) -> None:
    api = run()
    id = api.create(user_data="mkdir -p a/b && touch a/b/c && chmod 500 a/b && chmod 0 a")
    api.wait_agent(id, "exited")
    api.call("DELETE", f"/v2/droplets/{id}")
    eventually(lambda: not (state / "droplets" / str(id)).exists())


def test_killing_the_agent_ends_its_tree_and_leaves_the_droplet_active(
    run: Callable[..., Running],
) -> None:
    api = run()
    id = api.create(user_data=FAMILY)
    other = api.create(name="other", user_data=SLEEPER)
    api.wait_agent(other)
    pids = wait_family(api, id)
    answer = api.call("PUT", f"/sandbox/droplets/{id}/kill-agent").json()
    assert answer["killed"] >= 7
    assert alive(pids) == []
    assert api.droplet(id)["agent"] == "killed"
    assert api.droplet(other)["agent"] == "running"
    assert api.call("GET", f"/v2/droplets/{id}").json()["droplet"]["status"] == "active"
    assert api.call("PUT", "/sandbox/droplets/1/kill-agent").status_code == 404


def kill_some(machine: Machine, count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kill a machine and be cut short after so many processes; their pids."""
    usual = os.kill
    killed: list[int] = []

    def kill(pid: int, number: int) -> None:
        if number == signal.SIGKILL:
            if len(killed) == count:
                raise InterruptedError
            killed.append(pid)
        usual(pid, number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", kill)
        with pytest.raises(InterruptedError):
            machine.kill()
    return killed


@pytest.mark.parametrize("count", range(7))
def test_a_kill_that_is_cut_short_leaves_nothing_that_cannot_be_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    machine = Machine(tmp_path / "droplets" / "1", f"{tmp_path}/1")
    child = machine.start(FAMILY, {})
    assert child
    family = eventually(lambda: (m := processes.members({machine.mark})) and len(m) >= 7 and m)
    before = [process.pid for process in family]
    try:
        killed = kill_some(machine, count, monkeypatch)
        eventually(lambda: not alive(killed))
        found = {process.pid for process in processes.members({machine.mark})}
        assert set(alive(before)) <= found
        machine.kill()
        assert alive(before) == []
    finally:
        for pid in alive(before):
            os.kill(pid, signal.SIGKILL)
    assert child.wait(timeout=10) == -signal.SIGKILL


def test_agents_live_on_when_the_sandbox_is_killed_and_are_found_again(
    run: Callable[..., Running],
) -> None:
    api = run()
    id = api.create(user_data=f"echo started\n{FAMILY}")
    pids = wait_family(api, id)[:2]
    api.kill()
    assert alive(pids) == pids
    api = run()
    assert set(pids) <= set(api.droplet(id)["pids"])
    assert api.droplet(id)["agent"] == "running"
    assert api.syslog(id).count("started") == 1
    assert api.call("DELETE", f"/v2/droplets/{id}").status_code == 204
    assert alive(pids) == []


def test_an_agent_that_died_while_the_sandbox_was_away_stays_dead(
    run: Callable[..., Running],
) -> None:
    api = run()
    id = api.create(user_data=f"echo started\n{SLEEPER}")
    api.wait_agent(id)
    pids = eventually(lambda: (p := api.droplet(id)["pids"]) and len(p) == 2 and p)
    api.kill()
    for pid in pids:
        os.kill(pid, 9)
    eventually(lambda: not alive(pids))
    api = run()
    late = api.create(name="late", user_data=SLEEPER)
    api.wait_agent(late)
    assert api.droplet(id)["agent"] == "killed"
    assert api.syslog(id) == "started\n"


def test_a_kill_right_after_an_answer_forgets_nothing(run: Callable[..., Running]) -> None:
    api = run("--minute-limit=0")
    expected: set[int] = set()
    for round in range(4):
        made = [api.create(name=f"w-{round}-{i}", user_data=SLEEPER) for i in range(3)]
        api.call("DELETE", f"/v2/droplets/{made[0]}")
        api.kill()
        expected |= set(made[1:])
        api = run("--minute-limit=0")
        listed = api.call("GET", "/v2/droplets").json()["droplets"]
        assert {droplet["id"] for droplet in listed} == expected
    for id in expected:
        api.wait_agent(id)
        assert len(api.droplet(id)["pids"]) <= 2
    assert api.calls("POST /v2/droplets") == 12


def test_the_user_data_runs_once_however_often_the_sandbox_is_killed(
    run: Callable[..., Running],
) -> None:
    api = run("--agent-seconds=0")
    ids = [api.create(name=f"w-{i}", user_data=f"echo started\n{SLEEPER}") for i in range(4)]
    for _ in range(4):
        api.kill()
        api = run("--agent-seconds=0")
    for id in ids:
        api.wait_output(id, "started")
        assert api.syslog(id) == "started\n"


def test_a_droplet_destroyed_while_its_sandbox_died_is_cleaned_up_on_restart(
    run: Callable[..., Running], state: Path
) -> None:
    api = run()
    id = api.create(user_data=SLEEPER)
    api.wait_agent(id)
    api.call("DELETE", f"/v2/droplets/{id}")
    api.kill()
    run()
    eventually(lambda: not (state / "droplets" / str(id)).exists())
    assert processes_of(state) == []


def test_stopping_leaves_the_droplets_unless_told_to_destroy_them(
    run: Callable[..., Running], state: Path
) -> None:
    api = run()
    id = api.create(user_data=SLEEPER)
    pids = api.wait_agent(id)["pids"]
    api.server.stop(destroy=False)
    assert alive(pids) == pids
    assert not (state / "server.json").exists()
    api = run("--destroy-on-exit")
    assert api.droplet(id)["agent"] == "running"
    api.server.stop(destroy=False)
    assert processes_of(state) == []
    assert list((state / "droplets").iterdir()) == []


def command(state: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "sandbox.digitalocean", "--state", str(state), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_destroy_all_works_with_the_sandbox_running_and_with_it_dead(
    run: Callable[..., Running], state: Path
) -> None:
    api = run()
    api.wait_agent(api.create(user_data=FAMILY))
    assert json.loads(command(state, "--destroy-all").stdout) == {"destroyed": 1}
    assert processes_of(state) == []
    api.wait_agent(api.create(user_data=FAMILY))
    api.kill()
    assert processes_of(state) != []
    assert json.loads(command(state, "--destroy-all").stdout) == {"destroyed": 1}
    assert processes_of(state) == []
    assert list((state / "droplets").iterdir()) == []
    assert json.loads(command(state, "--destroy-all").stdout) == {"destroyed": 0}


def test_two_sandboxes_never_share_a_state_directory(
    run: Callable[..., Running], state: Path
) -> None:
    run()
    second = command(state, "--token", "t")
    assert second.returncode == 1
    assert "is in use by a running sandbox" in second.stderr


def test_a_port_that_is_taken_is_said_so(run: Callable[..., Running], tmp_path: Path) -> None:
    port = run().server.port
    answer = command(tmp_path / "other", "--token=t", f"--port={port}")
    assert answer.returncode == 1
    assert answer.stderr == f"port {port} cannot be had: Address already in use\n"


def test_a_wrong_option_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    state = tmp_path / "none"
    for options, message in [
        ([], "--token is required"),
        (["--token=t", "--boot-seconds=9:3"], "needs 0 <= lo <= hi"),
        (["--token=t", "--speed=0"], "is no number above 0"),
        (["--token=t", "--port=99999"], "is no port"),
        (["--token=t", "--env=NAME"], "is not of the form NAME=VALUE"),
        (["--token=t", "--price=huge=1"], '"huge" is none of'),
        (["--token=t", "--image=x=y"], "is no image id"),
        (["--token=t", "--fault=kind"], "is no JSON object"),
        (["--token=t", '--fault={"kind": "boom"}'], 'field "kind" is none of'),
    ]:
        answer = command(state, *options)
        assert (options, answer.returncode) == (options, 2)
        assert message in answer.stderr
        assert not state.exists()
