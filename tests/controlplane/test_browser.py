"""The operators' main paths through the console, in a real browser."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from selenium import webdriver
from selenium.webdriver.common.by import By

from dispatch.models import LogChunk, LogStream, TrafficSplit
from dispatch.outcomes import Category
from tests.browser import Browser
from tests.controlplane.conftest import PASSWORD
from tests.controlplane.seeding import Day, seed_day

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stranger(chrome: webdriver.Chrome, both_backends: None, live_server: Any) -> Iterator[Browser]:
    browser = Browser(chrome, live_server.url)
    yield browser
    browser.forget()


@pytest.fixture
def browser(stranger: Browser, operator: User, settings: Any) -> Browser:
    """Logged in, on the overview."""
    settings.SESSION_COOKIE_SECURE = False
    client = Client()
    client.force_login(operator)
    stranger.take_session(client.cookies["sessionid"].value)
    stranger.open("/")
    return stranger


@pytest.fixture
def day(browser: Browser) -> Day:
    return seed_day()


def test_an_operator_logs_in_and_out(stranger: Browser, operator: User, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    stranger.open("/rollout/")
    stranger.fill("Username", "maria")
    stranger.fill("Password", "wrong")
    stranger.press("Log in")
    stranger.expect("correct username and password")
    stranger.fill("Username", "maria")
    stranger.fill("Password", PASSWORD)
    stranger.press("Log in")
    stranger.expect("The weight now")
    stranger.press("Log out")
    stranger.expect("For operators")


def test_an_operator_finds_a_task_and_reads_its_story(browser: Browser, day: Day) -> None:
    browser.follow("Tasks")
    browser.expect("northwind/warehouse-api")
    browser.fill("Search", "build-48230")
    browser.press("Filter")
    browser.follow(str(day.failed.pk)[-12:])
    browser.expect("shard 1 of 4")
    for words in ("Why here?", "Checkout charges VAT for customers in the EU", "412 examples"):
        assert words in browser.text()
    browser.follow("system")
    browser.expect("HEAD is now at")
    assert noise(browser) == []


def test_a_task_s_page_follows_it_to_its_end(browser: Browser, day: Day) -> None:
    browser.open(f"/tasks/{day.running.pk}/")
    browser.expect("running")
    stream = LogStream.objects.get(assignment__task=day.running)
    line = b"A line that came later\n"
    LogChunk.objects.create(stream=stream, start=stream.length, data=line)
    LogStream.objects.filter(pk=stream.pk).update(length=stream.length + len(line))
    browser.expect("A line that came later")
    attempt = day.running.assignments.get()
    attempt.close(Category.PASSED)
    attempt.release()
    browser.expect("Every test of this shard passed.")
    browser.wait(lambda: "Cancel…" not in browser.text(), "it can still be cancelled")
    assert noise(browser) == []


def test_an_operator_cancels_a_task(browser: Browser, day: Day) -> None:
    browser.open(f"/tasks/{day.queued.pk}/")
    browser.follow("Cancel…")
    browser.press("Cancel the Task")
    browser.expect("The Task is cancelled")
    day.queued.refresh_from_db()
    assert day.queued.state == "cancelled"


def test_an_operator_sets_the_weight_and_is_told_when_it_is_refused(browser: Browser) -> None:
    browser.follow("Rollout")
    browser.fill("Weight in percent", "250")
    browser.press("Set the weight")
    browser.expect("Ensure this value is less than or equal to 100")
    assert "Say why the weight changes" in browser.text()
    assert not TrafficSplit.objects.exists()

    browser.fill("Weight in percent", "12.5")
    browser.fill("Reason", "First step")
    browser.press("Set the weight")
    browser.expect("The weight is 12.500 % now")
    assert TrafficSplit.objects.get().reason == "First step"
    assert noise(browser) == ["422"]


def test_an_operator_compares_the_backends_for_a_time_of_their_own(
    browser: Browser, day: Day
) -> None:
    for weight, hours in ((0, 20), (25_000, 10)):
        moment = timezone.now() - timedelta(hours=hours)
        TrafficSplit.objects.filter(weight=weight).update(at=moment)
    browser.follow("Comparison")
    browser.expect("Phase by phase")
    marks = browser.driver.find_elements(By.CSS_SELECTOR, ".chart > svg g.change line")
    picture = browser.driver.find_element(By.CSS_SELECTOR, ".chart > svg").rect
    assert len(marks) == 4  # both changes, in both plots
    for mark in marks:
        assert picture["x"] - 1 <= mark.rect["x"] <= picture["x"] + picture["width"] + 1
    columns = browser.driver.find_elements(By.CSS_SELECTOR, ".chart > svg > rect")
    assert columns and all(column.rect["height"] > 0 for column in columns)
    assert "A week of baseline looks good" in browser.text()

    choose(browser, "2026-08-07T10:00", "2026-08-07T09:00")
    browser.expect("This is not after the beginning")
    choose(browser, "2026-08-07T08:00", "2026-08-07T09:00")
    browser.expect("No Task ended in this time")
    browser.follow("Since the last change of weight")
    browser.expect("Tasks that ended from")
    assert noise(browser) == ["422"]


def choose(browser: Browser, since: str, until: str) -> None:
    """What a person picks in the browser's own fields, whose keys differ from land to land."""
    script = "document.getElementById(arguments[0]).value = arguments[1]"
    for field, moment in (("id_from", since), ("id_to", until)):
        browser.driver.execute_script(script, field, moment)
    browser.press("Show this time")


def test_the_overview_keeps_itself_fresh(browser: Browser) -> None:
    browser.open("/")
    browser.wait(lambda: "loops in trouble" not in browser.text(), "loops were in trouble")
    day = seed_day()
    browser.expect("1 failed")
    browser.press("Send again")
    browser.expect("will be sent again")
    day.webhook.refresh_from_db()
    assert day.webhook.failed_at is None


def test_when_the_session_has_ended_a_page_that_polls_asks_to_log_in(
    browser: Browser, day: Day
) -> None:
    browser.open(f"/tasks/{day.running.pk}/")
    browser.driver.delete_all_cookies()
    browser.expect("Password")
    browser.fill("Username", "maria")
    browser.fill("Password", PASSWORD)
    browser.press("Log in")
    browser.expect("acme/billing")


@pytest.mark.parametrize(
    "path", ["/", "/tasks/", "/rollout/", "/comparison/", "/readiness/", "/tasks/{task}/"]
)
def test_a_narrow_window_needs_no_scrolling_sideways(browser: Browser, day: Day, path: str) -> None:
    browser.driver.set_window_size(500, 900)
    browser.open(path.format(task=day.failed.pk))
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(script) <= 0


def noise(browser: Browser) -> list[str]:
    """What the browser complained about: statuses, or whole messages."""
    entries = browser.driver.get_log("browser")
    return [
        next((status for status in ("422",) if status in entry["message"]), entry["message"])
        for entry in entries
    ]
