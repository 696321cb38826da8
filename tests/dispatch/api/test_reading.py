from typing import Any

import pytest

from dispatch.models import Assignment, Task
from dispatch.outcomes import Category, TaskState
from tests.dispatch.api.calling import Api

NOBODY = "01900000-0000-7000-8000-000000000000"


def created(api: Api, count: int = 1, **overrides: Any) -> list[str]:
    """Ids of new Tasks, oldest first."""
    options = {"order_count": count} | overrides
    return [api.create(order_index=n, **options).json["id"] for n in range(1, count + 1)]


def listed(api: Api, **query: Any) -> list[str]:
    answer = api.get("/api/v1/tasks", **query)
    assert answer.status == 200, answer.content
    return [task["id"] for task in answer.json["tasks"]]


def test_tasks_are_listed_newest_first_page_by_page(api: Api) -> None:
    ids = created(api, 5)
    pages, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = api.get("/api/v1/tasks", **query).json
        pages.append([task["id"] for task in answer["tasks"]])
        cursor = answer["next"]

    newest = ids[::-1]
    assert pages == [newest[:2], newest[2:4], newest[4:]]
    assert cursor is None


def test_a_full_last_page_has_no_next(api: Api) -> None:
    created(api, 2)

    assert api.get("/api/v1/tasks", limit=2).json["next"] is None


def test_pages_stay_whole_while_tasks_arrive(api: Api) -> None:
    ids = created(api, 3)
    first = api.get("/api/v1/tasks", limit=2).json
    created(api, suite_run_id="later")

    second = api.get("/api/v1/tasks", limit=2, cursor=first["next"]).json

    assert [task["id"] for task in second["tasks"]] == [ids[0]]


def test_filters_narrow_the_list(api: Api) -> None:
    [one] = created(api, account="a", suite_run_id="r1", repository="a/x", labels={"team": "core"})
    [two] = created(api, account="a", suite_run_id="r2", repository="a/y", labels={"team": "web"})
    [three] = created(api, account="b", suite_run_id="r1", repository="a/x", labels={"x": "1=2"})
    Task.move(Task.objects.get(pk=two).pk, TaskState.RUNNING)

    assert listed(api, account="a") == [two, one]
    assert listed(api, suite_run_id="r1") == [three, one]
    assert listed(api, account="a", suite_run_id="r1") == [one]
    assert listed(api, repository="a/y") == [two]
    assert listed(api, state="running") == [two]
    assert listed(api, state="queued") == [three, one]
    assert listed(api, label="team=core") == [one]
    assert listed(api, label="x=1=2") == [three]
    assert listed(api, label=["team=core", "x=1=2"]) == []
    assert listed(api, label="team=") == []
    assert listed(api, backend="fake") == [three, two, one]
    assert listed(api, backend="other") == []


def test_tasks_are_found_by_the_time_of_their_creation(api: Api) -> None:
    first, second = created(api, 2)
    at = Task.objects.get(pk=second).created_at.isoformat()

    assert listed(api, created_before=at) == [first]
    assert listed(api, created_after=Task.objects.get(pk=first).created_at.isoformat()) == [second]


def test_the_backend_is_that_of_the_newest_primary_attempt(api: Api) -> None:
    [task_id] = created(api)
    first = Assignment.objects.get()
    first.close(Category.AGENT_LOST)
    Assignment.objects.filter(number=2).update(backend="other")
    Assignment.objects.create(
        task_id=first.task_id, number=3, purpose="shadow", backend="shadowland"
    )

    assert api.get(f"/api/v1/tasks/{task_id}").json["backend"] == "other"
    assert listed(api, backend="other") == [task_id]
    assert api.get("/api/v1/tasks").json["tasks"][0]["backend"] == "other"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"state": "sleeping"}, "state"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"label": "team"}, "label[0]"),
        ({"label": ["a=b"] * 11}, "label"),
        ({"acount": "a"}, "acount"),
        ({"state": ["queued", "running"]}, "state"),
        ({"account": "\0"}, "account"),
    ],
)
def test_a_bad_query_is_refused_by_name(api: Api, query: dict[str, Any], field: str) -> None:
    answer = api.get("/api/v1/tasks", **query)

    assert (answer.status, list(answer.errors)) == (422, [field])


def test_a_task_is_read_with_its_attempts(api: Api) -> None:
    [task_id] = created(api)
    Assignment.objects.get().close(Category.AGENT_LOST)

    task = api.get(f"/api/v1/tasks/{task_id}").json

    assert [attempt["number"] for attempt in task["attempts"]] == [1, 2]
    assert task["attempts"][0]["category"] == "agent_lost"
    assert task["attempts"][0]["closed_at"] is not None
    assert (task["state"], task["attempts"][1]["closed_at"]) == ("queued", None)


def test_a_task_that_is_not_there_is_told_so(api: Api) -> None:
    assert list(api.get(f"/api/v1/tasks/{NOBODY}").errors) == ["id"]


def test_events_are_read_in_order_and_from_a_number_on(api: Api) -> None:
    [task_id] = created(api)
    for number in range(4):
        Task.note(Task.objects.get().pk, "task.noted", number=number)

    first = api.get(f"/api/v1/tasks/{task_id}/events", limit=3).json
    rest = api.get(f"/api/v1/tasks/{task_id}/events", limit=3, after=first["next"]).json

    assert [event["seq"] for event in first["events"]] == [1, 2, 3]
    assert [event["seq"] for event in rest["events"]] == [4, 5]
    assert rest["next"] is None
    assert first["events"][0]["type"] == "task.queued"
    assert first["events"][0]["detail"] == {"attempt": 1, "backend": "fake", "rule": "only"}
    assert rest["events"][1]["detail"] == {"number": 3}


@pytest.mark.parametrize("query", [{"after": -1}, {"limit": 1001}, {"after": "x"}, {"from": 1}])
def test_a_bad_query_for_events_is_refused(api: Api, query: dict[str, Any]) -> None:
    [task_id] = created(api)

    answer = api.get(f"/api/v1/tasks/{task_id}/events", **query)

    assert (answer.status, list(answer.errors)) == (422, list(query))
