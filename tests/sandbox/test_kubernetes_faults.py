"""Faults of calls and lists: each kind does what it says, so often as it says, and nothing else."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.conformance.cluster import MERGE
from tests.sandbox.kubernetes_api import NODES, Api


def codes(api: Api, count: int, path: str = NODES) -> list[int]:
    return [api.call("GET", path).status for _ in range(count)]


def outcomes(api: Api, what: str) -> Counter[str]:
    return Counter(api.state()["calls"].get(what, {}).get("outcomes"))


def test_a_rule_strikes_only_its_method_path_and_client_and_only_so_often(
    api: Api,
) -> None:
    api.faults({"kind": "500", "method": "GET", "path": "^/api/v1/nod", "after": 1, "count": 2})
    assert codes(api, 5) == [200, 500, 500, 200, 200]
    assert codes(api, 1, api.at("secrets")) == [200]
    (rule,) = api.cluster.session.get(f"{api.cluster.url}/sandbox/faults").json()
    assert (rule["seen"], rule["fired"]) == (5, 2)
    api.faults({"kind": "500", "client": "^kubelet"})
    assert codes(api, 1) == [200]
    api.faults({"kind": "500", "client": "^python-requests"})
    assert codes(api, 1) == [500]


def test_a_probability_draws_the_same_from_the_same_seed(api: Api) -> None:
    rule = {"kind": "503", "probability": 0.5, "seed": 11}
    api.faults(rule)
    first = codes(api, 40)
    api.faults(rule)
    assert codes(api, 40) == first
    assert 8 <= first.count(503) <= 32


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "no"}, "rule 1: kind is none of"),
        ({"kind": "500", "seconds": 1}, "rule 1: seconds is unknown to 500"),
        ({"kind": "latency", "seconds": "x"}, "rule 1: seconds must be a number"),
        ({"kind": "500", "path": "("}, "rule 1: path must be a regular expression"),
        ({"kind": "image_pull", "cause": "bad"}, "rule 1: cause must be one of"),
        ("500", "rule 1: a rule is a JSON object"),
    ],
)
def test_a_rule_that_is_not_valid_is_refused_and_the_old_ones_stay(
    api: Api, rule: object, said: str
) -> None:
    api.faults({"kind": "500"})
    answer = api.call("PUT", "/sandbox/faults", [rule])
    assert (answer.status, answer.message.startswith(said)) == (422, True)
    assert codes(api, 1) == [500]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("409", "Conflict"),
        ("410", "Expired"),
        ("429", "TooManyRequests"),
        ("500", "InternalError"),
        ("503", "ServiceUnavailable"),
    ],
)
def test_a_status_is_answered_as_a_status_object(api: Api, kind: str, reason: str) -> None:
    api.faults({"kind": kind})
    answer = api.call("GET", NODES)
    assert (answer.status, answer.body["kind"], answer.reason) == (int(kind), "Status", reason)


def test_429_says_when_to_try_again(api: Api) -> None:
    api.faults({"kind": "429", "retry_after": 7})
    answer = api.cluster.session.get(api.cluster.url + NODES)
    assert answer.headers["Retry-After"] == "7"
    assert answer.json()["details"]["retryAfterSeconds"] == 7


def test_a_quota_conflict_can_be_told_in_the_words_of_the_real_one(api: Api) -> None:
    message = 'Operation cannot be fulfilled on resourcequotas "limits"'
    api.faults({"kind": "409", "method": "POST", "message": message, "count": 1})
    assert api.add_secret("s").message == message
    assert api.add_secret("s").status == 201


def test_a_reset_and_a_hang_come_before_any_work(api: Api) -> None:
    api.faults({"kind": "reset", "method": "POST"})
    with pytest.raises(requests.ConnectionError):
        api.add_secret("s")
    api.faults({"kind": "hang", "method": "POST", "seconds": 0.2})
    with pytest.raises(requests.ConnectionError):
        api.add_secret("s")
    assert api.secrets() == []


def test_an_answer_can_be_lost_after_the_work_was_done(api: Api) -> None:
    api.faults({"kind": "drop_answer", "method": "POST", "count": 1})
    with pytest.raises(requests.ConnectionError):
        api.add_secret("a")
    api.faults({"kind": "hang_answer", "method": "POST", "count": 1, "seconds": 0.2})
    with pytest.raises(requests.ConnectionError):
        api.add_secret("b")
    assert api.secrets() == ["a", "b"]
    assert api.add_secret("a").reason == "AlreadyExists"


def test_a_call_can_be_answered_with_an_error_after_it_has_worked(api: Api) -> None:
    api.faults({"kind": "500", "worked": True, "method": "POST", "count": 1})
    assert api.add_secret("a").status == 500
    assert api.secrets() == ["a"]
    assert api.add_secret("b").status == 201


def test_a_client_that_gives_up_does_not_undo_what_it_asked_for(api: Api) -> None:
    api.faults({"kind": "latency", "method": "POST", "count": 1, "seconds": 0.5})
    with pytest.raises(requests.ReadTimeout):
        api.cluster.session.post(
            api.cluster.url + api.at("secrets"), json={"metadata": {"name": "s"}}, timeout=0.1
        )
    api.cluster.wait(lambda: api.secrets() == ["s"])


def test_latency_delays_a_call_and_no_other(api: Api) -> None:
    api.faults({"kind": "latency", "path": "nodes", "seconds": "0.4:0.5"})
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        slow = pool.submit(codes, api, 1)
        assert codes(api, 3, api.at("secrets")) == [200, 200, 200]
        assert not slow.done()
        assert slow.result() == [200]
    assert time.monotonic() - started >= 0.4


def test_a_list_can_leave_objects_out(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.add_secret(name)
    api.faults({"kind": "omit", "name": "^b$", "count": 1})
    assert api.secrets() == ["a", "c"]
    api.faults({"kind": "omit", "objects": 2, "count": 1})
    assert len(api.secrets()) == 1
    assert api.secrets() == ["a", "b", "c"]


def test_a_list_can_show_what_was(api: Api) -> None:
    api.add_secret("a")
    time.sleep(1.1)  # what is shown is what was there a second ago
    old = api.version()
    api.add_secret("b")
    api.call("DELETE", api.at("secrets", "a"))
    api.faults({"kind": "stale", "seconds": 1})
    found = api.must("GET", api.at("secrets"))
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    assert int(found["metadata"]["resourceVersion"]) <= int(old)
    api.faults()
    assert api.secrets() == ["b"]


def test_an_outage_ends_watches_and_by_itself(api: Api) -> None:
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.must("PUT", "/sandbox/outage", {"seconds": 0.5})
        assert api.call("GET", NODES).reason == "ServiceUnavailable"
        assert api.call("GET", "/readyz").status == 503
        with pytest.raises(requests.RequestException):
            list(events)
    api.cluster.wait(lambda: api.call("GET", NODES).status == 200)
    api.must("PUT", "/sandbox/outage", {"seconds": 100})
    assert codes(api, 1) == [503]
    api.must("PUT", "/sandbox/outage", {"seconds": 0})
    assert codes(api, 1) == [200]


def test_a_full_quota_refuses_jobs_and_keeps_pods_from_being_made(api: Api) -> None:
    api.faults({"kind": "quota_full", "resource": "jobs"})
    refused = api.call("POST", api.at("jobs"), {"metadata": {"name": "x"}, "spec": {}})
    assert refused.status == 422
    body = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "y"}]}
    job = {"metadata": {"name": "task"}, "spec": {"template": {"spec": body}}}
    assert api.call("POST", api.at("jobs"), job).status == 403
    api.faults({"kind": "quota_full", "resource": "pods"})
    assert api.call("POST", api.at("jobs"), job).status == 201
    api.cluster.wait(lambda: "FailedCreate" in api.reasons())
    assert api.pods() == []
    api.faults()
    api.cluster.wait(api.pods)


def test_calls_are_counted_by_what_became_of_them(api: Api) -> None:
    before = outcomes(api, "POST create secrets")
    api.add_secret("s")
    api.add_secret("s")
    after = outcomes(api, "POST create secrets")
    assert after - before == Counter({"201": 1, "409": 1})
    api.call("PATCH", api.at("secrets", "s"), {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)
    assert outcomes(api, "PATCH patch secrets") == {"200": 1}
