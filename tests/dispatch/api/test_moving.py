"""GET /api/v1/readiness: which repositories can move, for programs."""

import pytest
from django.test import Client

from dispatch.models import SuiteRun
from tests.dispatch.api.calling import Api, issue_key, task_body

REASON = "service db, privileged: is not allowed; remove it"


@pytest.fixture
def two(api: Api) -> Api:
    """A repository that can move, with two suite runs, and one that cannot."""
    api.create(suite_run_id="a1", repository="acme/shop")
    api.create(suite_run_id="a2", repository="acme/shop")
    api.create(suite_run_id="b1", repository="acme/billing")
    SuiteRun.objects.update(rule="hash", reasons=[])
    held = SuiteRun.objects.filter(repository="acme/billing")
    held.update(rule="eligibility", reasons=[f"kubernetes: {REASON}"])
    return api


def test_it_says_which_repositories_can_move_and_what_holds_the_others_back(two: Api) -> None:
    answer = two.get("/api/v1/readiness")

    assert answer.status == 200
    assert answer.json["new_backend"] == "kubernetes"
    assert (answer.json["ready"], answer.json["repositories"]) == (1, 2)
    assert (answer.json["able"], answer.json["asked"], answer.json["suite_runs"]) == (2, 3, 3)
    assert answer.json["percent_able"] == pytest.approx(66.67, abs=0.01)
    held, ready = answer.json["report"]
    assert (held["repository"], held["ready"], held["reasons"]) == ("acme/billing", False, [REASON])
    assert (ready["repository"], ready["ready"], ready["reasons"]) == ("acme/shop", True, [])
    assert (ready["suite_runs"], ready["able"]) == (2, 2)


def test_without_suite_runs_there_is_nothing_to_say(api: Api) -> None:
    answer = api.get("/api/v1/readiness").json
    assert (answer["repositories"], answer["percent_able"], answer["report"]) == (0, None, [])


def test_what_other_clients_sent_is_not_shown(two: Api) -> None:
    other = Api(Client(), issue_key("other"))
    assert other.get("/api/v1/readiness").json["report"] == []
    answer = other.post("/api/v1/tasks", task_body(suite_run_id="c", repository="acme/own"))
    assert answer.status == 201
    assert [line["repository"] for line in other.get("/api/v1/readiness").json["report"]] == [
        "acme/own"
    ]


@pytest.mark.parametrize("days", ["0", "-1", "367", "many", "1.5", ""])
def test_a_bad_number_of_days_is_refused_by_name(api: Api, days: str) -> None:
    answer = api.get("/api/v1/readiness", days=days)
    assert (answer.status, list(answer.errors)) == (422, ["days"])


def test_it_needs_the_scope_to_read_the_rollout(two: Api) -> None:
    stranger = Api(Client(), issue_key("rails", scopes=("tasks:read",)))
    assert stranger.get("/api/v1/readiness").status == 403
