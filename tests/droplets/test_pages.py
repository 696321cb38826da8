from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from dispatch.ids import new_id
from dispatch.models import AuditEntry, DropletLife
from droplets import dispatcher
from droplets.models import Orphan, PoolRequest, Worker, WorkerState
from tests.controlplane.pages import text_of
from tests.droplets.factories import make_worker
from tests.droplets.seeding import standing
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
POOL = "/droplets/"


@pytest.fixture
def console() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("maria"))
    return browser


def busy_worker() -> Worker:
    worker = standing(WorkerState.IDLE, minutes=500)  # the first in line
    assert dispatcher.claim(make_assignment()) == worker.pk
    worker.refresh_from_db()
    return worker


def post(console: Client, page: str, worker: Worker, **given: str) -> Any:
    return console.post(reverse(f"droplets:{page}", args=[worker.pk]), given)


# Who gets in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["pool", "drain-pool", "worker", "drain", "decommission"])
def test_strangers_and_guests_do_not_get_in(page: str) -> None:
    worker = standing(WorkerState.IDLE)
    args = [] if "pool" in page else [worker.pk]
    url = reverse(f"droplets:{page}", args=args)
    given = {"reason": "x", "drain": "", "name": worker.name}
    guest = Client()
    guest.force_login(User.objects.create_user("guest"))
    for method in ("get", "post"):
        allowed = method == ("get" if page in ("pool", "worker") else "post")
        strange = getattr(Client(), method)(url, given)
        assert strange.status_code == (302 if allowed else 405)
        assert getattr(guest, method)(url, given).status_code == (403 if allowed else 405)
    worker.refresh_from_db()
    assert (worker.state, worker.draining) == (WorkerState.IDLE, False)
    assert not PoolRequest.objects.exists()


# The pool -------------------------------------------------------------------------------------


def test_it_lists_each_worker_with_its_task_and_price(console: Client) -> None:
    worker = busy_worker()
    page = console.get(POOL)
    text = text_of(page)
    assert f"{worker.name} ◐ busy" in text
    assert "acme/shop" in text and "$0.0714" in text
    assignment = worker.live_assignment()
    assert assignment is not None
    assert reverse("console:task", args=[assignment.task_id]) in page.content.decode()


def test_it_sums_up_the_pool(console: Client) -> None:
    for state in (WorkerState.IDLE, WorkerState.IDLE, WorkerState.PROVISIONING):
        standing(state)
    busy_worker().request_drain("maria", "slow disk")
    counts = console.get(POOL).context["counts"]
    wanted = {"idle": 2, "provisioning": 1, "busy": 1, "draining": 1, "standing": 4}
    assert {name: counts[name] for name in wanted} == wanted


def test_droplets_of_nobody_are_shown(console: Client) -> None:
    Orphan.see("4711", "by-hand")
    assert "4711 by-hand" in text_of(console.get(POOL))


def test_an_empty_pool_says_what_to_do(console: Client) -> None:
    assert "There is no Worker yet" in text_of(console.get(POOL))


def test_polling_gives_the_changing_part_alone(console: Client) -> None:
    standing(WorkerState.IDLE)
    content = console.get(POOL, headers=HTMX).content
    assert b"<html" not in content and b"<form" not in content and b"Workers" in content


def test_the_pool_drains_with_a_reason_and_fills_again(console: Client) -> None:
    worker = standing(WorkerState.IDLE)
    url = reverse("droplets:drain-pool")

    refused = console.post(url, {"reason": " ", "drain": ""})
    assert refused.status_code == 422 and "Say why" in text_of(refused)
    assert not PoolRequest.objects.exists()

    answer = console.post(url, {"reason": "End of the legacy", "drain": ""}, follow=True)
    assert "The pool drains" in text_of(answer) and "“End of the legacy”" in text_of(answer)
    worker.refresh_from_db()
    assert worker.draining and PoolRequest.draining_since() is not None

    answer = console.post(url, {"reason": "Changed our minds", "fill": ""}, follow=True)
    assert "The drain has ended" in text_of(answer)
    assert PoolRequest.draining_since() is None
    done = AuditEntry.objects.filter(subject="pool").order_by("id")
    assert [(one.action, one.actor, one.reason) for one in done] == [
        ("pool.drain", "maria", "End of the legacy"),
        ("pool.fill", "maria", "Changed our minds"),
    ]


# One Worker -----------------------------------------------------------------------------------


def test_a_worker_s_page_tells_its_story(console: Client) -> None:
    worker = busy_worker()
    text = text_of(console.get(reverse("droplets:worker", args=[worker.pk])))
    for words in (worker.name, "◐ busy", worker.provider_id, "$0.0714", "worker.busy"):
        assert words in text


def test_a_task_s_page_leads_to_its_worker(console: Client) -> None:
    worker = busy_worker()
    assignment = worker.live_assignment()
    assert assignment is not None
    page = console.get(reverse("console:task", args=[assignment.task_id])).content.decode()
    url = reverse("droplets:worker", args=[worker.pk])
    assert f'<a href="{url}" title="{worker.name}">' in page


def test_a_worker_drains_with_a_reason(console: Client) -> None:
    worker = standing(WorkerState.IDLE)
    assert post(console, "drain", worker).status_code == 422
    assert not Worker.objects.exclude(drain_requested_at=None).exists()

    assert post(console, "drain", worker, reason="slow disk").status_code == 302

    assert Worker.objects.exclude(drain_requested_at=None).exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("worker.drain", "maria", "slow disk")
    again = console.post(
        reverse("droplets:drain", args=[worker.pk]), {"reason": "more"}, follow=True
    )
    assert "is draining already" in text_of(again)
    assert AuditEntry.objects.count() == 1


def test_an_idle_worker_is_decommissioned_by_its_typed_name(console: Client) -> None:
    worker = standing(WorkerState.IDLE)
    answer = post(console, "decommission", worker, name=worker.name, reason="slow disk")
    assert answer.status_code == 302
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject) == ("worker.decommission", worker.name)
    assert (entry.actor, entry.reason) == ("maria", "slow disk")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "another", "reason": "x"}, "That is not its name"),
        ({"name": "", "reason": "x"}, "Type the Worker's name to confirm"),
        ({"reason": "x"}, "Type the Worker's name to confirm"),
        ({"name": "{name}", "reason": ""}, "Say why"),
        ({"name": "{NAME}", "reason": "x"}, "That is not its name"),
    ],
)
def test_without_the_exact_name_and_a_reason_nothing_happens(
    console: Client, given: dict[str, str], words: str
) -> None:
    worker = standing(WorkerState.IDLE)
    names = {"name": worker.name, "NAME": worker.name.upper()}
    filled = {key: value.format(**names) for key, value in given.items()}
    answer = post(console, "decommission", worker, **filled)
    assert answer.status_code == 422 and words in text_of(answer)
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE
    assert not AuditEntry.objects.exists()


def test_a_worker_on_which_a_task_runs_is_not_decommissioned(console: Client) -> None:
    worker = busy_worker()
    answer = post(console, "decommission", worker, name=worker.name, reason="slow disk")
    assert answer.status_code == 422
    assert "a Task runs there: drain it instead" in text_of(answer)
    worker.refresh_from_db()
    assert worker.state == WorkerState.BUSY
    assert not AuditEntry.objects.exists()


def test_a_worker_that_is_gone_offers_nothing_to_do(console: Client) -> None:
    worker = standing(WorkerState.IDLE)
    worker.retire("drained")
    page = console.get(reverse("droplets:worker", args=[worker.pk]))
    assert b"Decommission" not in page.content
    answer = post(console, "decommission", worker, name=worker.name, reason="again")
    assert answer.status_code == 422 and "has ended already" in text_of(answer)


def test_a_worker_that_never_was_is_a_404(console: Client) -> None:
    assert console.get(reverse("droplets:worker", args=[new_id()])).status_code == 404


# Facts and metrics ----------------------------------------------------------------------------


def test_the_overview_shows_the_pool_in_short(console: Client) -> None:
    for _ in range(3):
        standing(WorkerState.IDLE)
    text = text_of(console.get("/"))
    assert "Workers idle 3 of 20 wanted" in text and "Droplets 3 of 25" in text


def test_the_metrics_count_workers_by_state() -> None:
    standing(WorkerState.IDLE)
    busy_worker().request_drain("maria", "slow disk")
    make_worker(WorkerState.RETIRED, destroyed_at=DropletLife.objects.all()[0].created_at)
    found = {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(Client().get("/metrics").content.decode())
        for sample in family.samples
    }
    assert found["switchyard_droplet_workers", "idle"] == 1
    assert found["switchyard_droplet_workers", "busy"] == 1
    assert found["switchyard_droplet_workers", "retired"] == 0
    assert found["switchyard_droplet_workers_draining", ""] == 1
    assert found["switchyard_droplet_idle_wanted", ""] == 20
    PoolRequest.ask(True, "maria", "the end")
    assert b"switchyard_droplet_idle_wanted 0.0" in Client().get("/metrics").content


# Admin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker", "workerevent", "poolrequest", "orphan"])
def test_the_records_can_be_looked_at_and_never_changed(console: Client, name: str) -> None:
    worker = make_worker(token_digest="f00dfeed" * 8)
    worker.note("worker.provisioning")
    listing = reverse(f"admin:droplets_{name}_changelist")
    assert console.get(listing, {"q": "x"}).status_code == 200
    assert console.get(reverse(f"admin:droplets_{name}_add")).status_code == 403
    page = console.get(reverse("admin:droplets_worker_change", args=[worker.pk]))
    assert b"f00dfeed" not in page.content
