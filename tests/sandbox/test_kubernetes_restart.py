"""A cluster that is killed and started again forgets nothing that it has answered."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conformance.cluster import Event
from tests.sandbox.kubernetes_api import Api, Running

Start = Callable[..., Running]


def secret(api: Api, name: str) -> str:
    """The version in which it was made."""
    answer = api.add_secret(name)
    assert answer.status == 201
    return str(answer.body["metadata"]["resourceVersion"])


def seen(api: Api, since: str, count: int) -> list[tuple[str, str]]:
    with api.cluster.watch(api.at("secrets"), resourceVersion=since) as events:
        found: list[Event] = [event for _, event in zip(range(count), events, strict=False)]
    return [(event.type, event.name) for event in found]


def test_objects_are_there_in_the_version_that_was_answered(run_kubernetes: Start) -> None:
    first = run_kubernetes("--nodes", "1")
    made = first.create_job()
    first.cluster.wait(lambda: first.phases() == ["Running"])
    (pod,), job = first.pods(), first.job()
    first.kill()
    again = run_kubernetes("--nodes", "1")
    assert again.job() == job
    assert [pod["metadata"]["uid"] for pod in again.pods()] == [pod["metadata"]["uid"]]
    assert job["metadata"]["uid"] == made["metadata"]["uid"]


def test_versions_go_on(run_kubernetes: Start) -> None:
    first = run_kubernetes()
    before = secret(first, "a")
    first.kill()
    assert int(secret(run_kubernetes(), "b")) > int(before)


def test_a_watch_goes_on_from_before_the_kill(run_kubernetes: Start) -> None:
    first = run_kubernetes()
    since = secret(first, "a")
    secret(first, "b")
    first.must("DELETE", first.at("secrets", "b"))
    first.kill()
    again = run_kubernetes()
    secret(again, "c")
    assert seen(again, since, 3) == [("ADDED", "b"), ("DELETED", "b"), ("ADDED", "c")]


def test_what_was_compacted_stays_410(run_kubernetes: Start) -> None:
    first = run_kubernetes()
    old = secret(first, "a")
    secret(first, "b")
    first.must("PUT", "/sandbox/compact")
    first.kill()
    again = run_kubernetes()
    with again.cluster.watch(again.at("secrets"), resourceVersion=old) as events:
        assert next(events).object["code"] == 410
    assert again.secrets() == ["a", "b"]


def test_every_answer_that_was_given_holds(run_kubernetes: Start) -> None:
    """Killed in the middle of many creates at once."""
    first = run_kubernetes()
    names = [f"s-{number:03}" for number in range(400)]

    def create(name: str) -> str | None:
        url = first.cluster.url + first.at("secrets")
        header = {"Authorization": first.cluster.session.headers["Authorization"]}
        try:
            answer = requests.post(
                url, json={"metadata": {"name": name}}, headers=header, timeout=20
            )
        except requests.RequestException:
            return None
        if name == names[60]:
            first.server.process.kill()
        return name if answer.status_code == 201 else None

    with ThreadPoolExecutor(4) as pool:
        answered = {name for name in pool.map(create, names) if name}
    first.kill()
    assert names[60] in answered
    assert len(answered) < len(names)
    assert answered <= set(run_kubernetes().secrets())


def test_a_token_that_was_made_is_kept(run_kubernetes: Start) -> None:
    first = run_kubernetes()
    first.kill()
    assert run_kubernetes().server.token == first.server.token


def test_a_deadline_that_passed_meanwhile_is_enforced(run_kubernetes: Start) -> None:
    first = run_kubernetes("--nodes", "1")
    first.create_job(activeDeadlineSeconds=1)
    first.kill()
    again = run_kubernetes("--nodes", "1")
    again.cluster.wait(lambda: again.conditions() == ["FailureTarget", "Failed"])


def test_faults_go_on_where_they_were(run_kubernetes: Start) -> None:
    first = run_kubernetes()
    first.faults({"kind": "500", "method": "POST", "count": 2})
    assert first.add_secret("a").status == 500
    first.kill()
    again = run_kubernetes()
    assert [again.add_secret("a").status for _ in range(2)] == [500, 201]


def test_a_place_that_is_in_use_is_not_shared(run_kubernetes: Start) -> None:
    running = run_kubernetes()
    with pytest.raises(RuntimeError, match="did not start"):
        run_kubernetes()
    assert running.add_secret("a").status == 201


def test_faults_can_be_given_from_the_start(run_kubernetes: Start) -> None:
    rules = [{"kind": "409", "path": "secrets", "count": 1}, {"kind": "429", "path": "configmaps"}]
    api = run_kubernetes(*(word for rule in rules for word in ("--fault", json.dumps(rule))))
    assert [api.add_secret("a").status for _ in range(2)] == [409, 201]
    assert api.call("GET", api.at("configmaps")).status == 429


def test_a_fault_that_is_none_keeps_it_from_starting(run_kubernetes: Start, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        run_kubernetes("--fault", '{"kind": "sloth"}')
    assert "--fault: kind is none of" in (tmp_path / "kubernetes" / "sandbox.log").read_text()
