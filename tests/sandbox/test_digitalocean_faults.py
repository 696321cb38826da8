"""Faults: each kind does what it says, so often as it says, and nothing else."""

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import digitalocean
import pytest
import requests
from digitalocean.baseapi import DataReadError, JSONReadError

from sandbox.span import Span
from tests.sandbox.digitalocean_client import Clocked, Running

SLEEPER = "exec sleep 600"
Client = Clocked | Running


def codes(api: Client, count: int, path: str = "/v2/account") -> list[int]:
    return [api.call("GET", path).status_code for _ in range(count)]


def names(api: Client) -> list[str]:
    return [d["name"] for d in api.call("GET", "/v2/droplets").json()["droplets"]]


def test_a_rule_strikes_only_its_method_and_path_and_only_so_often(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    api.faults({"kind": "500", "method": "GET", "path": "^/v2/acc", "after": 1, "count": 2})
    assert codes(api, 5) == [200, 500, 500, 200, 200]
    assert codes(api, 1, "/v2/sizes") == [200]
    (rule,) = api.call("GET", "/sandbox/faults").json()
    assert (rule["seen"], rule["fired"]) == (5, 2)
    api.faults()
    assert api.call("GET", "/sandbox/faults").json() == []


def test_a_probability_draws_the_same_from_the_same_seed(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    rule = {"kind": "503", "probability": 0.5, "seed": 11}
    api.faults(rule)
    first = codes(api, 40)
    api.faults(rule)
    assert codes(api, 40) == first
    assert 8 <= first.count(503) <= 32
    api.faults({**rule, "seed": 12})
    assert codes(api, 40) != first


def test_rules_and_their_counters_outlive_a_kill(run: Callable[..., Running]) -> None:
    api = run('--fault={"kind": "500", "path": "account", "count": 2}')
    assert codes(api, 1) == [500]
    api.kill()
    assert codes(run(), 2) == [500, 200]


def test_the_library_sees_429_500_and_503_as_errors_without_a_status(
    run: Callable[..., Running],
) -> None:
    api = run()
    manager = digitalocean.Manager(token=api.token)
    api.faults({"kind": "429", "retry_after": 7, "path": "account"})
    with pytest.raises(DataReadError, match="rate limit"):
        manager.get_account()
    refused = api.call("GET", "/v2/account")
    assert (refused.headers["retry-after"], refused.headers["ratelimit-remaining"]) == ("7", "0")
    api.faults({"kind": "500"})
    with pytest.raises(DataReadError):
        manager.get_account()
    api.faults({"kind": "503", "html": True})
    with pytest.raises(JSONReadError):
        manager.get_account()


def test_a_reset_comes_before_any_work(run: Callable[..., Running]) -> None:
    api = run()
    api.faults({"kind": "reset", "method": "POST"})
    with pytest.raises(requests.ConnectionError, match="reset"):
        api.order()
    assert names(api) == []
    assert api.state()["calls"]["POST /v2/droplets"]["outcomes"] == {"no answer": 1}


def test_a_dropped_answer_comes_after_the_work_was_done(run: Callable[..., Running]) -> None:
    api = run()
    api.faults({"kind": "drop_answer", "method": "POST", "count": 1})
    droplet = digitalocean.Droplet(
        token=api.token, name="w-1", region="nyc3", size="c-2", image="debian-12-x64"
    )
    with pytest.raises(requests.ConnectionError):
        droplet.create()
    assert names(api) == ["w-1"]
    id = api.create(name="w-2")
    api.faults({"kind": "drop_answer", "method": "DELETE", "count": 1})
    with pytest.raises(requests.ConnectionError):
        api.call("DELETE", f"/v2/droplets/{id}")
    assert api.call("DELETE", f"/v2/droplets/{id}").status_code == 404


def test_a_call_can_hang_before_or_after_its_work(run: Callable[..., Running]) -> None:
    api = run()
    for kind, expected in (("hang", []), ("hang_answer", ["w-1"])):
        api.faults({"kind": kind, "method": "POST", "seconds": 30, "count": 1})
        headers = {"Authorization": f"Bearer {api.token}"}
        body = {"name": "w-1", "size": "c-2", "image": "debian-12-x64"}
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{api.url}/v2/droplets", json=body, headers=headers, timeout=0.3)
        assert names(api) == expected


def test_latency_delays_a_call_and_no_other(run: Callable[..., Running]) -> None:
    api = run()
    api.faults({"kind": "latency", "path": "sizes", "seconds": "0.4:0.5"})
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        slow = pool.submit(api.call, "GET", "/v2/sizes")
        assert codes(api, 3) == [200, 200, 200]
        assert not slow.done()
        assert slow.result().status_code == 200
    assert time.monotonic() - started >= 0.4


def test_an_outage_answers_503_everywhere_until_it_ends(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    api.call("PUT", "/sandbox/outage", {"seconds": 30})
    assert codes(api, 2) == [503, 503]
    assert api.order().status_code == 503
    api.clock.advance(30)
    assert codes(api, 1) == [200]
    api.call("PUT", "/sandbox/outage", {"seconds": 30})
    api.call("PUT", "/sandbox/outage", {"seconds": 0})
    assert codes(api, 1) == [200]
    assert api.call("PUT", "/sandbox/outage", {"seconds": "x"}).status_code == 422


def test_an_outage_outlives_a_kill_and_droplets_live_on_in_it(run: Callable[..., Running]) -> None:
    api = run()
    id = api.create(user_data=SLEEPER)
    api.call("PUT", "/sandbox/outage", {"seconds": 600})
    api.wait_agent(id)
    api.kill()
    api = run()
    assert codes(api, 1) == [503]
    assert api.droplet(id)["agent"] == "running"


def test_a_list_can_leave_a_droplet_out_with_or_without_an_honest_total(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    ids = [api.create(name=f"w-{i}") for i in range(3)]
    api.faults({"kind": "omit", "droplets": 2})
    page = api.call("GET", "/v2/droplets").json()
    assert (len(page["droplets"]), page["meta"]["total"]) == (1, 1)
    api.faults({"kind": "omit", "name": "^w-1$", "honest_total": True})
    page = api.call("GET", "/v2/droplets").json()
    assert [d["id"] for d in page["droplets"]] == [ids[0], ids[2]]
    assert page["meta"]["total"] == 3
    assert api.call("GET", f"/v2/droplets/{ids[1]}").status_code == 200


def test_a_list_can_show_the_past(clocked: Callable[..., Clocked]) -> None:
    api = clocked(boot_seconds=Span(10, 10))
    old = api.create(name="old")
    api.clock.advance(20)
    gone = api.create(name="gone")
    api.clock.advance(20)
    api.call("DELETE", f"/v2/droplets/{old}")
    api.create(name="fresh")
    api.faults({"kind": "stale", "seconds": 15})
    page = api.call("GET", "/v2/droplets").json()
    assert [(d["name"], d["status"]) for d in page["droplets"]] == [
        ("old", "active"),
        ("gone", "new"),
    ]
    assert api.call("GET", f"/v2/droplets/{gone}").json()["droplet"]["status"] == "active"


def test_a_droplet_can_be_born_never_to_become_active(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    api.faults({"kind": "never_active", "name": "bad"})
    bad, good = api.create(name="bad-1"), api.create(name="good-1")
    api.clock.advance(100_000)
    status = {d["id"]: d["status"] for d in api.call("GET", "/v2/droplets").json()["droplets"]}
    assert status == {bad: "new", good: "active"}
    assert api.call("DELETE", f"/v2/droplets/{bad}").status_code == 204


def test_a_droplet_can_boot_without_ever_starting_its_agent(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    api.faults({"kind": "no_agent", "count": 1})
    bad = api.create(name="bad", user_data=SLEEPER)
    good = api.create(name="good", user_data=SLEEPER)
    api.clock.advance(1000)
    api.wait_agent(good)
    assert api.droplet(bad)["agent"] == "not started"
    assert api.droplet(bad)["status"] == "active"


def test_an_agent_can_be_killed_at_a_random_time(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    api.faults({"kind": "kill_agent", "seconds": "100:200", "name": "bad"})
    bad = api.create(name="bad", user_data=SLEEPER)
    good = api.create(name="good", user_data=SLEEPER)
    api.clock.advance(120)
    api.wait_agent(bad)
    api.wait_agent(good)
    api.clock.advance(99)
    assert api.droplet(bad)["agent"] == "running"
    api.clock.advance(101)
    api.wait_agent(bad, "killed")
    assert api.droplet(good)["agent"] == "running"


def test_a_droplet_can_ignore_a_shutdown(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    api.faults({"kind": "ignore_shutdown"})
    id = api.create()
    api.clock.advance(60)
    assert api.call("POST", f"/v2/droplets/{id}/actions", {"type": "shutdown"}).status_code == 201
    api.clock.advance(1000)
    droplet = api.call("GET", f"/v2/droplets/{id}").json()["droplet"]
    (action, _) = api.call("GET", f"/v2/droplets/{id}/actions").json()["actions"]
    assert (action["status"], droplet["status"]) == ("completed", "active")


@pytest.mark.parametrize(
    "rules",
    [
        {},
        ["500"],
        [{}],
        [{"kind": "boom"}],
        [{"kind": "200"}],
        [{"kind": "500", "chance": 1}],
        [{"kind": "500", "seconds": 3}],
        [{"kind": "500", "probability": 1.5}],
        [{"kind": "500", "probability": "x"}],
        [{"kind": "500", "count": 0}],
        [{"kind": "500", "path": "("}],
        [{"kind": "500", "method": "BREW"}],
        [{"kind": "latency", "seconds": "5:1"}],
        [{"kind": "hang", "seconds": 10_000}],
        [{"kind": "truncated_list", "status": 404}],
    ],
)
def test_a_wrong_rule_is_refused_and_changes_nothing(
    clocked: Callable[..., Clocked], rules: object
) -> None:
    api = clocked()
    api.faults({"kind": "503", "path": "sizes"})
    answer = api.call("PUT", "/sandbox/faults", rules)
    assert answer.status_code == 422, answer.text
    assert [rule["kind"] for rule in api.call("GET", "/sandbox/faults").json()] == ["503"]


def test_answers_keep_the_connection_open(run: Callable[..., Running]) -> None:
    api = run()
    connection = http.client.HTTPConnection("127.0.0.1", api.server.port, timeout=10)
    connection.connect()
    first = connection.sock
    for method, path, expected in [
        ("GET", "/v2/account", 200),
        ("GET", "/v2/droplets/1", 404),
        ("DELETE", "/v2/droplets/1", 404),
        ("POST", "/v2/droplets", 422),
        ("DELETE", f"/v2/droplets/{api.create()}", 204),
        ("GET", "/sandbox/state", 200),
    ]:
        headers = {"Authorization": f"Bearer {api.token}"}
        connection.request(method, path, body=b"{}", headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert (path, answer.status) == (path, expected)
        assert connection.sock is first
    connection.close()
