"""The Jobs in flight, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver

from dispatch.outcomes import Category
from tests.browser import Browser
from tests.kube.seeding import NO_ROOM, reaching, seed_jobs, waiting

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser(chrome: webdriver.Chrome, live_server: Any, settings: Any) -> Iterator[Browser]:
    """An operator's, on the page of the Jobs, with one in it that runs."""
    settings.SESSION_COOKIE_SECURE = False
    reaching("cloned", repository="acme/first")
    client = Client()
    client.force_login(User.objects.create_superuser("maria"))
    browser = Browser(chrome, live_server.url)
    browser.take_session(client.cookies["sessionid"].value)
    browser.open("/kubernetes/")
    yield browser
    browser.forget()


def test_the_jobs_in_flight_keep_themselves_fresh_and_are_filtered(browser: Browser) -> None:
    browser.expect("builds the image")
    job = waiting(repository="acme/later")
    browser.expect("acme/later")
    assert NO_ROOM in browser.text()
    browser.follow("Waiting only")
    browser.expect("acme/later")
    assert "acme/first" not in browser.text()
    job.waits("")
    browser.expect("No Job waits")
    assert browser.driver.get_log("browser") == []


def test_a_job_s_page_follows_it_to_its_end(browser: Browser) -> None:
    job = waiting(repository="acme/later")
    browser.expect("acme/later")
    browser.follow(f"{job.task_id}"[-9:])
    browser.expect("It waits for 4 min 0")
    job.waits("")
    job.claim("pod-7")
    browser.expect("It clones the repository since")
    assert "pod-7" in browser.text()
    job.close(Category.PASSED)
    browser.expect("the cluster still holds something of it")
    job.release()
    browser.expect("The cluster holds nothing of it any more.")
    browser.follow(job.task.suite_run.suite_run_id)
    browser.expect("shard 1 of 4")
    assert browser.driver.get_log("browser") == []


def test_a_narrow_window_needs_no_scrolling_sideways(browser: Browser) -> None:
    seed_jobs()
    browser.driver.set_window_size(500, 900)
    browser.open("/kubernetes/")
    browser.expect("In flight")
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(script) <= 0
    hidden = (
        "return [...document.querySelectorAll('.stack')].map(t => t.scrollWidth - t.clientWidth)"
    )
    assert max(browser.driver.execute_script(hidden)) <= 1
