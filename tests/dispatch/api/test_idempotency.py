"""The Idempotency-Key, over real HTTP, with real threads, and with processes that are killed."""

import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client

from dispatch.models import IdempotencyKey, SuiteRun, Task
from tests.dispatch.api.calling import Answer, Api, Site, issue_key, task_body


def test_the_same_request_gets_the_same_answer_again(api: Api) -> None:
    first = api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")
    again = api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")

    assert (first.status, again.status) == (201, 201)
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert Task.objects.count() == 1


def test_another_spelling_of_the_same_body_is_the_same_request(api: Api) -> None:
    turned = dict(reversed(task_body().items()))

    first = api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")
    again = api.post("/api/v1/tasks", turned, Idempotency_Key="one")

    assert first.content == again.content


@pytest.mark.parametrize("change", [{"order_index": 2}, {"suite_run_id": "build-2"}])
def test_another_body_is_refused(api: Api, change: dict[str, Any]) -> None:
    api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")

    answer = api.post("/api/v1/tasks", task_body(**change), Idempotency_Key="one")

    assert (answer.status, list(answer.errors)) == (422, ["Idempotency-Key"])
    assert Task.objects.count() == 1


def test_another_address_is_refused(api: Api) -> None:
    weight = {"weight": 0, "reason": "start"}
    api.post("/api/v1/rollout/weight", weight, Idempotency_Key="one")

    answer = api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")

    assert (answer.status, list(answer.errors)) == (422, ["Idempotency-Key"])
    assert not Task.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    answer = api.post("/api/v1/tasks", task_body(), Idempotency_Key=key)

    assert (answer.status, list(answer.errors)) == (400, ["Idempotency-Key"])
    assert not Task.objects.exists()


def test_errors_are_not_stored(api: Api) -> None:
    api.create(order_index=2)
    conflict = api.post("/api/v1/tasks", task_body(order_index=2), Idempotency_Key="one")
    assert conflict.status == 409

    answer = api.post("/api/v1/tasks", task_body(order_index=3), Idempotency_Key="one")

    assert answer.status == 201
    assert IdempotencyKey.objects.count() == 1


def test_each_client_has_keys_of_its_own(api: Api) -> None:
    other = Api(Client(), issue_key("other"))
    api.post("/api/v1/tasks", task_body(), Idempotency_Key="one")

    answer = other.post("/api/v1/tasks", task_body(account="globex"), Idempotency_Key="one")

    assert (answer.status, answer.json["account"]) == (201, "globex")


def test_without_a_key_the_same_request_is_a_conflict(api: Api) -> None:
    assert (api.create().status, api.create().status) == (201, 409)


# Over real HTTP -------------------------------------------------------------------------------


def at_once(site: Site, bodies: list[dict[str, Any]], **headers: str) -> list[Answer]:
    """One thread for each body; all of them start together."""
    start = threading.Barrier(len(bodies))

    def send(body: dict[str, Any]) -> Answer:
        start.wait(timeout=10)
        return site.call("POST", "/api/v1/tasks", body, **headers)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


def test_concurrent_duplicates_get_one_answer(site: Site) -> None:
    for number in range(5):
        body = task_body(suite_run_id=f"build-{number}")
        answers = at_once(site, [body] * 8, Idempotency_Key=f"key-{number}")

        assert {answer.status for answer in answers} == {201}, answers
        assert len({answer.content for answer in answers}) == 1
        replayed = [a for a in answers if "idempotency-replayed" in a.headers]
        assert len(replayed) == 7
    assert Task.objects.count() == 5


def test_of_concurrent_different_bodies_one_wins(site: Site) -> None:
    bodies = [task_body(order_index=index) for index in (1, 2, 3, 4)]

    answers = at_once(site, bodies, Idempotency_Key="one")

    assert sorted(answer.status for answer in answers) == [201, 422, 422, 422]
    assert Task.objects.count() == 1


def test_shards_that_arrive_together_share_one_suite_run(site: Site) -> None:
    for number in range(5):
        shared = {"suite_run_id": f"build-{number}", "order_count": 8}
        bodies = [task_body(order_index=index, **shared) for index in range(1, 9)]

        answers = at_once(site, bodies)

        assert {answer.status for answer in answers} == {201}, answers
    assert (SuiteRun.objects.count(), Task.objects.count()) == (5, 40)


def test_of_concurrent_claims_of_an_order_index_one_wins(site: Site) -> None:
    answers = at_once(site, [task_body(order_index=3)] * 6)

    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert Task.objects.count() == 1


def test_batches_in_opposite_order_do_not_lock_each_other_out(site: Site) -> None:
    site.call("POST", "/api/v1/tasks", task_body(order_index=10_000, order_count=10_000))
    shards = [{"order_index": index} for index in range(1, 200)]
    shared = {name: value for name, value in task_body().items() if name != "order_index"}
    bodies = [shared | {"order_count": 10_000, "tasks": order} for order in (shards, shards[::-1])]

    def send(body: dict[str, Any]) -> Answer:
        return site.call("POST", "/api/v1/suite_runs", body)

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(answer.status for answer in pool.map(send, bodies * 2))

    assert statuses == [201, 409, 409, 409]
    assert Task.objects.count() == 200


@pytest.mark.slow
def test_a_killed_process_leaves_all_or_nothing_and_the_same_key_ends_it(site: Site) -> None:
    """Killed at a random moment of many requests; each is repeated until it is answered."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(6):
        shared = {"suite_run_id": f"build-{number}"}
        bodies = [task_body(order_index=index, **shared) for index in (1, 2, 3, 4)]
        with ThreadPoolExecutor(len(bodies)) as pool:
            answers = [pool.submit(insist, site, body) for body in bodies]
            time.sleep(chance.uniform(0, 0.05))  # the moment of the crash, not a wait
            site.process.kill()
            whole_or_nothing()
            site.start()
            done = [answer.result(timeout=60) for answer in answers]

        assert {answer.status for answer in done} == {201}
        stored = Task.objects.filter(suite_run__suite_run_id=f"build-{number}")
        assert {answer.json["id"] for answer in done} == {str(task.pk) for task in stored}
    whole_or_nothing()


def insist(site: Site, body: dict[str, Any]) -> Answer:
    """Send until there is an answer, as a client with a key may."""
    key = f"{body['suite_run_id']}-{body['order_index']}"
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            return site.call("POST", "/api/v1/tasks", body, Idempotency_Key=key)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
    raise AssertionError("no answer in 40 seconds")


def whole_or_nothing() -> None:
    for task in Task.objects.all():
        assert task.assignments.count() == 1
        assert [event.seq for event in task.events.all()] == [1]
        assert hasattr(task, "secret")
    assert IdempotencyKey.objects.count() == Task.objects.count()
    assert not SuiteRun.objects.filter(tasks=None).exists()
