"""The Kubernetes backend in the console, from rows alone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dispatch import backends
from dispatch.ids import new_id
from dispatch.models import Assignment, BackendStatus
from dispatch.outcomes import Category
from kube import flight, pages
from kube.models import Image
from tests.controlplane.pages import text_of, to_the_minute
from tests.kube.seeding import (
    NO_ROOM,
    PULLING,
    placed,
    queued,
    reaching,
    seed_jobs,
    stopping,
    waiting,
)

pytestmark = pytest.mark.django_db
JOBS = "/kubernetes/"


@pytest.fixture(autouse=True)
def nobody_reaches_the_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Web processes have no access to it: a page that asked for the backend would fail."""
    monkeypatch.setenv("SWITCHYARD_KUBECONFIG", "/nowhere/kubeconfig")
    backends.forget()
    yield
    backends.forget()


@pytest.fixture
def console() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("maria"))
    return browser


def url_of(assignment: Assignment) -> str:
    return reverse("kube:job", args=[assignment.external_id])


# Who gets in ----------------------------------------------------------------------------------


def test_strangers_and_guests_do_not_get_in() -> None:
    guest = Client()
    guest.force_login(User.objects.create_user("guest"))
    for url in (JOBS, url_of(placed())):
        assert Client().get(url).status_code == 302
        assert guest.get(url).status_code == 403
        assert guest.post(url).status_code == 405


# Jobs in flight -------------------------------------------------------------------------------


def test_it_lists_each_job_with_its_repository_and_the_phase_it_reached(console: Client) -> None:
    job = reaching("cloned", repository="acme/billing")
    page = console.get(JOBS)
    text = text_of(page)
    assert "acme/billing 1/4 1 cloned builds the image" in text
    assert url_of(job) in page.content.decode()
    assert reverse("console:task", args=[job.task_id]) in page.content.decode()


def test_it_shows_who_builds_which_image_and_how_many_wait_for_it(console: Client) -> None:
    builder = placed(repository="acme/billing")
    run = builder.task.suite_run_id
    Image.wanted_by(builder.pk, suite_run=run, key="a key", reference="example.com/r:1")
    for _ in range(3):
        text = f"waiting for the image that Task {builder.task_id} builds"
        queued().wait_for("a key", text)
    page = console.get(JOBS)
    text = text_of(page)
    assert "3 wait for the image that it builds" in text
    assert "3 wait for an image" in text
    assert "waiting for the image that Task … builds" in text
    assert reverse("console:task", args=[builder.task_id]) in page.content.decode()


def test_a_job_that_waits_says_for_what_and_since_when_and_comes_first(console: Client) -> None:
    reaching("built", repository="acme/first")
    waiting(minutes=4, repository="acme/billing")
    text = text_of(console.get(JOBS))
    assert f"{NO_ROOM} for 4 min" in to_the_minute(text)
    assert text.index("acme/billing") < text.index("acme/first")
    assert "Waiting 1 have a Job that does not run yet" in text


def test_reasons_are_counted_whatever_the_names_in_them(console: Client) -> None:
    for minutes in (3, 9, 5):
        waiting(f'pods "task-{new_id()}-a1-x7k2p" is forbidden: exceeded quota', minutes=minutes)
    waiting(PULLING)
    text = to_the_minute(text_of(console.get(JOBS)))
    assert '3 pods "…" is forbidden: exceeded quota 9 min' in text
    assert f"1 {PULLING}" in text


def test_one_that_is_decided_and_not_released_is_marked_stopping(console: Client) -> None:
    stopping()
    text = text_of(console.get(JOBS))
    assert "↓ stopping …" in text
    assert "Stopping 1 decided, the cluster still holds something" in text
    assert "In flight 0 of 100" in text


def test_what_is_released_or_belongs_elsewhere_is_not_shown(console: Client) -> None:
    gone = stopping(repository="acme/gone")
    gone.release()
    elsewhere = queued(repository="acme/elsewhere")
    Assignment.objects.filter(pk=elsewhere.pk).update(backend="droplets")
    text = text_of(console.get(JOBS))
    assert "acme/gone" not in text and "acme/elsewhere" not in text
    assert "No Job is in flight" in text


def test_waiting_and_stopping_ones_alone_on_request(console: Client) -> None:
    reaching("built", repository="acme/runs")
    waiting(repository="acme/waits")
    stopping(repository="acme/stops")
    for only, shown in (("waiting", "acme/waits"), ("stopping", "acme/stops")):
        text = text_of(console.get(JOBS, {"only": only}))
        others = {"acme/runs", "acme/waits", "acme/stops"} - {shown}
        assert shown in text and not any(other in text for other in others)


def test_a_filter_that_is_none_is_named(console: Client) -> None:
    reaching("built")
    text = text_of(console.get(JOBS, {"only": "red"}))
    assert "only: Select a valid choice. red is not one of the available choices" in text
    assert "acme/shop" in text


def test_what_is_queued_is_counted_with_the_backend_s_status(console: Client) -> None:
    now = timezone.now()
    for _ in range(3):
        queued()
    BackendStatus.objects.create(
        name="kubernetes", unavailable_since=now - timedelta(minutes=7), message="no route to host",
        retry_at=now + timedelta(seconds=30),
    )  # fmt: skip
    text = to_the_minute(text_of(console.get(JOBS)))
    assert "Queued 3 the oldest came" in text
    assert "The cluster is unavailable for 7 min: no route to host · Next try" in text
    assert "3 Assignments wait to be placed" in text


def test_more_than_fit_are_cut_and_it_says_so(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SHOWN_JOBS", 2)
    for _ in range(3):
        reaching("built")
    text = text_of(console.get(JOBS))
    assert "In flight 3 of 100" in text and "The first 2 are shown" in text


def test_polling_gives_the_changing_part_alone(console: Client) -> None:
    job = reaching("built")
    for url in (JOBS, url_of(job)):
        response = console.get(url, headers={"HX-Request": "true"})
        assert b"<html" not in response.content and b"acme" in response.content
        assert "HX-Request" in response["Vary"]


def test_it_asks_the_database_a_bounded_number_of_questions(
    console: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        seed_jobs()
    with django_assert_max_num_queries(10):
        console.get(JOBS)


# One Job --------------------------------------------------------------------------------------


def test_a_job_s_page_tells_its_story(console: Client) -> None:
    job = reaching("services_ready", repository="acme/billing")
    job.note("agent.services_ready", seconds=12)
    page = console.get(url_of(job))
    text = text_of(page)
    name, _, uid = str(job.external_id).partition("/")
    assert name in text and uid in text and f"pod-{job.pk}" in text
    assert "acme/billing shard 1 of 4, attempt 1" in text
    for phase in ("queued", "placed", "claimed", "cloned", "built", "services ready"):
        assert phase in text
    assert "agent.services_ready seconds 12" in text
    assert f"kubectl -n switchyard-workers describe job {name}" in text


def test_a_job_s_page_says_what_it_does(console: Client) -> None:
    assert "It starts its pod since" in text_of(console.get(url_of(placed())))
    assert "It clones the repository since" in text_of(console.get(url_of(reaching("claimed"))))


def test_a_job_s_page_says_what_it_waits_for(console: Client) -> None:
    text = to_the_minute(text_of(console.get(url_of(waiting(minutes=4)))))
    assert f"It waits for 4 min: {NO_ROOM}" in text


def test_the_page_of_a_job_that_is_gone_says_how_it_ended(console: Client) -> None:
    job = stopping(Category.FAILED)
    assert "the cluster still holds something of it" in text_of(console.get(url_of(job)))
    job.release()
    text = text_of(console.get(url_of(job)))
    assert "The cluster holds nothing of it any more" in text and "kubectl" not in text
    assert "The tests ran and did not all pass." in text
    assert b"hx-get" not in console.get(url_of(job)).content


@pytest.mark.parametrize(
    "path", ["task-{task}-a1/other-uid/", "task-{other}-a1/{uid}/", "task-{task}-a2/{uid}/", "x/y/"]
)
def test_a_job_that_never_was_is_a_404(console: Client, path: str) -> None:
    job = placed()
    uid = str(job.external_id).partition("/")[2]
    wrong = path.format(task=job.task_id, other=new_id(), uid=uid)
    assert console.get(f"{JOBS}{wrong}").status_code == 404


def test_a_job_s_name_that_holds_no_id_is_a_404(console: Client) -> None:
    assert console.get(f"{JOBS}task-{'a' * 36}-a1/uid/").status_code == 404


# Elsewhere in the console ---------------------------------------------------------------------


def test_the_overview_shows_the_jobs_in_short(console: Client) -> None:
    reaching("built")
    stopping()
    assert "Jobs in flight 2 of 100 Stopping 1" in text_of(console.get("/"))


def test_a_task_s_page_leads_to_its_job(console: Client) -> None:
    job = reaching("built")
    page = console.get(reverse("console:task", args=[job.task_id]))
    assert url_of(job) in page.content.decode()


# Pure -----------------------------------------------------------------------------------------


def test_the_phase_is_the_last_one_that_was_reached() -> None:
    assert flight.flight(queued()).phase == "queued"
    for phase in ("claimed", "tests_started", "reported"):
        job = reaching(phase)
        found = flight.flight(job)
        assert (found.phase, found.since) == (phase, getattr(job, f"{phase}_at"))


def test_a_story_leaves_out_what_was_not_reached_and_measures_the_rest() -> None:
    job = placed()
    start = job.created_at
    job.placed_at, job.built_at = start + timedelta(seconds=2), start + timedelta(seconds=9)
    told = [(step.phase, step.seconds) for step in flight.story(job)]
    assert told == [("queued", 0.0), ("placed", 2.0), ("built", 7.0)]
