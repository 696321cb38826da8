"""What web tells of the Kubernetes backend comes from rows alone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.models import Assignment
from kube import metrics
from kube.models import StrayJob, Watched
from kube.worker import KubernetesWorker
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db


def samples() -> dict[str, float]:
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def held(pending: str = "") -> Assignment:
    assignment = make_assignment(make_suite_run(backend="kubernetes"))
    assignment.place(f"task-{assignment.pk}/uid")
    assignment.waits(pending)
    return assignment


def test_a_watch_that_says_nothing_grows_old() -> None:
    Watched.note("jobs", timezone.now() - timedelta(seconds=7))
    Watched.note("pods", timezone.now() - timedelta(seconds=700))
    found = samples()
    assert 7 <= found["switchyard_watch_age_secondsjobs"] < 60
    assert 700 <= found["switchyard_watch_age_secondspods"] < 760
    assert dict(metrics.facts())["Watches heard"].startswith("70")


def test_a_controller_notes_when_it_last_heard_of_each_kind(
    worker: KubernetesWorker,
) -> None:
    metrics.note_watches(worker)
    assert not Watched.objects.exists(), "nothing was listed yet"
    worker.observe([])
    metrics.note_watches(worker)
    assert set(metrics.ages()) == {"jobs", "pods"}
    worker.jobs._heard_at -= 100
    metrics.note_watches(worker)
    assert metrics.ages()["jobs"] >= 100 > metrics.ages()["pods"]


def test_lists_do_not_hide_that_a_watch_is_silent(worker: KubernetesWorker) -> None:
    worker.observe([])
    worker.jobs._heard_at -= 100
    worker.observe([])
    assert worker.jobs.silent_for >= 100
    worker.jobs._take({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}})
    assert worker.jobs.silent_for < 100


def test_jobs_are_counted_by_what_they_do() -> None:
    held()
    held("no room")
    StrayJob.keep_only({"uid": "task-x"})
    found = samples()
    assert found["switchyard_kube_jobs_held"] == 2
    assert found["switchyard_kube_jobs_waiting"] == 1
    assert found["switchyard_kube_jobs_stray"] == 1
    assert found["switchyard_kube_jobs_limit"] == 100


def test_the_overview_says_it_in_short() -> None:
    held("no room")
    facts = dict(metrics.facts())
    assert facts == {"Watches heard": "never"}
    StrayJob.keep_only({"uid": "task-x"})
    assert dict(metrics.facts())["Jobs of no Assignment"] == "1"
