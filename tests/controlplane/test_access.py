from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dispatch.ids import new_id
from tests.controlplane.conftest import PASSWORD
from tests.controlplane.pages import text_of
from tests.factories import make_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both_backends")]

SOME_ID = new_id()
GET_PAGES = [
    ("console:overview", []),
    ("console:tasks", []),
    ("console:task", [SOME_ID]),
    ("console:cancel", [SOME_ID]),
    ("console:log", [SOME_ID, 1, "test"]),
    ("console:artifact", [SOME_ID, 1]),
    ("console:comparison", []),
    ("console:readiness", []),
    ("console:rollout", []),
]
POST_PAGES = [
    ("console:redeliver", [SOME_ID]),
    ("console:cancel", [SOME_ID]),
    ("console:rollout", []),
]


@pytest.mark.parametrize(("name", "args"), GET_PAGES)
def test_a_stranger_is_sent_to_the_login_page_and_back_afterwards(
    name: str, args: list[Any]
) -> None:
    url = reverse(name, args=args)
    response = Client().get(url)
    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={url}"


@pytest.mark.parametrize(("name", "args"), POST_PAGES)
def test_a_stranger_can_post_nothing(name: str, args: list[Any]) -> None:
    response = Client().post(reverse(name, args=args), {"weight": "0", "reason": "x"})
    assert (response.status_code, response["Location"]) == (302, "/login/")


@pytest.mark.parametrize(("name", "args"), GET_PAGES)
def test_who_is_no_operator_is_told_so(name: str, args: list[Any]) -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("guest"))
    response = browser.get(reverse(name, args=args))
    assert response.status_code == 403
    assert "no operator" in text_of(response)


def test_every_page_of_the_console_is_tried_above() -> None:
    from controlplane.console.urls import urlpatterns

    tried = {name.removeprefix("console:") for name, _ in GET_PAGES + POST_PAGES}
    assert {pattern.name for pattern in urlpatterns} == tried | {"login", "logout"}


def test_a_fragment_that_is_polled_after_the_session_ended_sends_its_page_to_the_login() -> None:
    page = "http://testserver/tasks/?state=running"
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    response = Client().get(reverse("console:tasks"), headers=headers)
    assert response["HX-Redirect"] == "/login/?next=%2Ftasks%2F%3Fstate%3Drunning"


@pytest.mark.parametrize(
    ("name", "method"),
    [("console:redeliver", "get"), ("console:overview", "post"), ("console:tasks", "delete")],
)
def test_a_page_serves_its_methods_only(console: Client, name: str, method: str) -> None:
    args = [SOME_ID] if name == "console:redeliver" else []
    assert getattr(console, method)(reverse(name, args=args)).status_code == 405


def test_nothing_is_changed_without_the_form_s_token(operator: User) -> None:
    task = make_task()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.post(reverse("console:cancel", args=[task.pk])).status_code == 403
    task.refresh_from_db()
    assert task.state == "queued"


def test_an_operator_logs_in_and_out(operator: User) -> None:
    browser = Client()
    wrong = browser.post("/login/", {"username": "maria", "password": "wrong"})
    assert "correct username and password" in text_of(wrong)

    answer = browser.post("/login/", {"username": "maria", "password": PASSWORD})
    assert answer["Location"] == "/"
    assert browser.get("/rollout/").status_code == 200

    browser.post("/logout/")
    assert browser.get("/rollout/").status_code == 302


def test_the_login_page_leads_back_to_where_one_wanted_to_go(operator: User) -> None:
    browser = Client()
    page = browser.get("/login/?next=/rollout/").content.decode()
    assert 'name="next" value="/rollout/"' in page
    given = {"username": "maria", "password": PASSWORD, "next": "/rollout/"}
    assert browser.post("/login/", given)["Location"] == "/rollout/"


def test_who_is_no_staff_cannot_log_in(both_backends: None) -> None:
    User.objects.create_user("guest", password=PASSWORD)
    response = Client().post("/login/", {"username": "guest", "password": PASSWORD})
    assert response.status_code == 200
    assert "staff account" in text_of(response)


def test_it_leads_to_no_other_site_after_logging_in(operator: User) -> None:
    given = {"username": "maria", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/login/", given)["Location"] == "/"


def test_times_are_in_the_console_s_zone_and_say_which(console: Client, settings: Any) -> None:
    settings.CONSOLE_TIME_ZONE = "Asia/Kathmandu"
    task = make_task()
    page = console.get(reverse("console:task", args=[task.pk]))
    local = task.created_at + timedelta(hours=5, minutes=45)
    assert f"{local:%Y-%m-%d %H:%M:%S}" in text_of(page)
    assert "All times in Asia/Kathmandu" in text_of(page)


def test_the_page_of_what_is_not_there_is_a_404(console: Client) -> None:
    for name in ("console:task", "console:cancel"):
        assert console.get(reverse(name, args=[SOME_ID])).status_code == 404
