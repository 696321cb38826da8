"""Draining and decommissioning Workers, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver

from droplets import dispatcher
from droplets.models import PoolRequest, Worker, WorkerState
from tests.browser import Browser
from tests.droplets.seeding import standing
from tests.factories import make_assignment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DECOMMISSION = "form[action$='/decommission/']"


@pytest.fixture
def browser(chrome: webdriver.Chrome, live_server: Any, db: None) -> Iterator[Browser]:
    """An operator's, on the Droplets page, with one idle Worker in it."""
    client = Client()
    client.force_login(User.objects.create_superuser("maria"))
    browser = Browser(chrome, live_server.url)
    browser.take_session(client.cookies["sessionid"].value)
    browser.open("/droplets/")
    yield browser
    browser.forget()


@pytest.fixture
def worker(browser: Browser) -> Worker:
    worker = standing(WorkerState.IDLE)
    browser.expect(worker.name)
    browser.follow(worker.name)
    return worker


def test_a_worker_is_drained_with_a_reason(browser: Browser, worker: Worker) -> None:
    browser.press("Drain this Worker")
    browser.expect("Say why")
    browser.fill("Reason", "slow disk", within="form[action$='/drain/']")
    browser.press("Drain this Worker")
    browser.expect("drains: it takes nothing new")
    browser.follow("Droplets")
    browser.expect("draining")
    worker.refresh_from_db()
    assert worker.draining


def test_a_worker_is_decommissioned_by_its_right_name_only(
    browser: Browser, worker: Worker
) -> None:
    browser.fill("The Worker's name, typed", worker.name[:-1], within=DECOMMISSION)
    browser.fill("Reason", "slow disk", within=DECOMMISSION)
    browser.press("Decommission for good")
    browser.expect("That is not its name")
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE

    browser.fill("The Worker's name, typed", worker.name, within=DECOMMISSION)
    browser.press("Decommission for good")
    browser.expect("is retired; its droplet is being destroyed")
    assert "Decommission for good" not in browser.text()
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED


def test_what_is_typed_stays_while_the_page_refreshes_itself(
    browser: Browser, worker: Worker
) -> None:
    browser.fill("The Worker's name, typed", "half a na", within=DECOMMISSION)
    assert dispatcher.claim(make_assignment()) == worker.pk
    browser.expect("busy")
    field = browser.field("The Worker's name, typed", DECOMMISSION)
    assert field.get_property("value") == "half a na"


def test_a_worker_on_which_a_task_runs_is_not_decommissioned(
    browser: Browser, worker: Worker
) -> None:
    assert dispatcher.claim(make_assignment()) == worker.pk
    browser.fill("The Worker's name, typed", worker.name, within=DECOMMISSION)
    browser.fill("Reason", "slow disk", within=DECOMMISSION)
    browser.press("Decommission for good")
    browser.expect("a Task runs there: drain it instead")
    worker.refresh_from_db()
    assert worker.state == WorkerState.BUSY


def test_the_pool_is_drained_and_filled_again(browser: Browser, worker: Worker) -> None:
    browser.open("/droplets/")
    browser.fill("Reason", "End of the legacy")
    browser.press("Drain the pool")
    browser.expect("The pool drains")
    assert PoolRequest.draining_since() is not None
    browser.fill("Reason", "Changed our minds")
    browser.press("End the drain")
    browser.expect("The drain has ended")
    assert PoolRequest.draining_since() is None


@pytest.mark.parametrize("page", ["/droplets/", "/droplets/{worker}/"])
def test_a_narrow_window_needs_no_scrolling_sideways(
    browser: Browser, worker: Worker, page: str
) -> None:
    browser.driver.set_window_size(500, 900)
    browser.open(page.format(worker=worker.pk))
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(script) <= 0
