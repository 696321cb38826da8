"""Booting, running the user data once, and the power actions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.span import Span
from tests.sandbox.digitalocean_client import Clocked, Running, eventually

SLEEPER = "exec sleep 600"


def status(api: Clocked | Running, id: int) -> str:
    return str(api.call("GET", f"/v2/droplets/{id}").json()["droplet"]["status"])


def act(api: Clocked | Running, id: int, kind: str, **more: object) -> dict[str, object]:
    answer = api.call("POST", f"/v2/droplets/{id}/actions", {"type": kind, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["action"])


def test_a_droplet_boots_and_starts_its_agent_when_the_clock_says_so(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked(boot_seconds=Span(40, 40), agent_seconds=Span(30, 30))
    id = api.create(user_data=SLEEPER)
    created = api.clock.now()
    api.clock.advance(39)
    assert status(api, id) == "new"
    api.clock.advance(1)
    assert status(api, id) == "active"
    (action,) = api.call("GET", f"/v2/droplets/{id}/actions").json()["actions"]
    assert (action["type"], action["status"]) == ("create", "completed")
    assert action["started_at"] < action["completed_at"]
    api.clock.advance(29)
    assert api.droplet(id)["agent"] == "not started"
    api.clock.advance(1)
    assert api.wait_agent(id)["agent_started_at"] is not None
    assert api.clock.now() == created + 70


def test_boot_times_are_drawn_by_the_seed_and_shortened_by_the_speed(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked(seed=7, speed=10.0)
    ids = [api.create(name=f"w-{i}") for i in range(20)]
    due = [
        api.sandbox.store.read("SELECT boot_due_at FROM droplet WHERE id = ?", id)[0][0]
        for id in ids
    ]
    waits = [at - api.clock.now() for at in due]
    assert all(3 <= wait <= 6 for wait in waits)
    assert len(set(waits)) == 20
    settings = api.sandbox.settings
    assert waits[0] == pytest.approx(settings.draw(settings.boot_seconds, f"{ids[0]}:boot"))


def test_user_data_runs_in_a_place_of_its_own_with_the_operators_variables(
    run: Callable[..., Running], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_OPERATOR", "x")
    api = run("--env=AGENT={directory}/agent", "--env=WHO={droplet_name}/{droplet_id}")
    script = '#!/bin/bash\nexport WORKER_ID=7\nprintf "%s|" ready; pwd; env; ls -a; echo oops >&2\n'
    id = api.create(name="w-9", user_data=script)
    assert api.wait_agent(id, "exited")["exit_code"] == 0
    home = state / "droplets" / str(id) / "home"
    output = api.syslog(id)
    lines = output.splitlines()
    assert lines[0] == f"ready|{home}"
    assert {f"HOME={home}", "WORKER_ID=7", f"AGENT={home.parent}/agent"} <= set(lines)
    assert {f"TMPDIR={home.parent}/tmp", f"WHO=w-9/{id}", "oops"} <= set(lines)
    assert "SECRET_OF_THE_OPERATOR" not in output


def test_a_script_that_fails_leaves_the_droplet_active(run: Callable[..., Running]) -> None:
    api = run()
    id = api.create(user_data="exit 3")
    assert api.wait_agent(id, "exited")["exit_code"] == 3
    assert status(api, id) == "active"


def test_a_droplet_without_user_data_runs_nothing(run: Callable[..., Running]) -> None:
    api = run()
    id = api.create()
    eventually(lambda: status(api, id) == "active")
    assert api.droplet(id)["agent"] == "not started"


def test_power_off_cuts_at_once_and_power_on_does_not_run_the_user_data_again(
    run: Callable[..., Running],
) -> None:
    api = run()
    id = api.create(user_data=f"echo run\n{SLEEPER}")
    api.wait_output(id, "run")
    action = act(api, id, "power_off")
    assert (action["status"], action["type"]) == ("in-progress", "power_off")
    assert api.droplet(id)["pids"] == []
    eventually(lambda: status(api, id) == "off")
    assert api.call("GET", f"/v2/actions/{action['id']}").json()["action"]["status"] == "completed"
    again = api.call("POST", f"/v2/droplets/{id}/actions", {"type": "power_off"})
    assert (again.status_code, again.json()["message"]) == (422, "Droplet is already powered off.")
    act(api, id, "power_on")
    eventually(lambda: status(api, id) == "active")
    act(api, id, "reboot")
    eventually(lambda: status(api, id) == "active")
    assert api.droplet(id)["agent"] == "killed"
    assert api.syslog(id) == "run\n"


def test_a_droplet_cut_off_before_its_agent_started_starts_it_after_power_on(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked(boot_seconds=Span(10, 10), agent_seconds=Span(100, 100))
    id = api.create(user_data=SLEEPER)
    api.clock.advance(20)
    act(api, id, "power_off")
    api.clock.advance(200)
    assert status(api, id) == "off"
    assert api.droplet(id)["agent"] == "not started"
    act(api, id, "power_on")
    api.clock.advance(10)
    assert status(api, id) == "active"
    assert api.droplet(id)["agent"] == "not started"
    api.clock.advance(100)
    api.wait_agent(id)


def test_shutdown_only_promises_that_it_was_issued(clocked: Callable[..., Clocked]) -> None:
    api = clocked(boot_seconds=Span(1, 1), agent_seconds=Span(1, 1))
    deaf = "trap 'echo asked' TERM\necho ready\nwhile :; do sleep 0.05; done"
    id = api.create(user_data=deaf)
    api.clock.advance(1)
    assert status(api, id) == "active"
    api.clock.advance(1)
    api.wait_output(id, "ready")
    action = act(api, id, "shutdown")
    api.clock.advance(6)
    done = api.call("GET", f"/v2/droplets/{id}/actions/{action['id']}").json()["action"]
    assert (done["status"], status(api, id)) == ("completed", "active")
    api.wait_output(id, "asked")
    assert api.droplet(id)["agent"] == "running"
    api.clock.advance(15)
    assert status(api, id) == "off"
    # What did not listen is gone with the machine all the same.
    eventually(lambda: api.droplet(id)["pids"] == [])


def test_a_second_action_waits_for_the_first(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    id = api.create()
    refused = api.call("POST", f"/v2/droplets/{id}/actions", {"type": "reboot"})
    assert refused.status_code == 422
    assert refused.json()["message"] == "Droplet already has a pending event."
    api.clock.advance(60)
    act(api, id, "rename", name="w-2")
    api.clock.advance(10)
    assert api.call("GET", f"/v2/droplets/{id}").json()["droplet"]["name"] == "w-2"
    on = api.call("POST", f"/v2/droplets/{id}/actions", {"type": "power_on"})
    assert on.json()["message"] == "Droplet is already powered on."


@pytest.mark.parametrize("body", [{}, {"type": "explode"}, {"type": "reboot", "hard": True}])
def test_an_action_that_is_none_is_a_422(clocked: Callable[..., Clocked], body: object) -> None:
    api = clocked()
    id = api.create()
    api.clock.advance(60)
    assert api.call("POST", f"/v2/droplets/{id}/actions", body).status_code == 422
    assert api.call("POST", "/v2/droplets/1/actions", {"type": "reboot"}).status_code == 404


def test_an_action_is_found_under_its_own_droplet_only(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    one, two = api.create(name="a"), api.create(name="b")
    action = api.call("GET", f"/v2/droplets/{one}/actions").json()["actions"][0]["id"]
    assert api.call("GET", f"/v2/droplets/{one}/actions/{action}").status_code == 200
    assert api.call("GET", f"/v2/droplets/{two}/actions/{action}").status_code == 404
    api.call("DELETE", f"/v2/droplets/{one}")
    # A create that never came to its end is an error once the droplet is gone.
    ended = api.call("GET", f"/v2/actions/{action}").json()["action"]
    assert ended["status"] == "errored"
    assert api.call("GET", "/v2/actions").json()["meta"]["total"] == 3
