"""The commands for keys, the weight and the story of a decision."""

import io
import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook as Verifier

from dispatch import backends, encryption, placement
from dispatch.models import ApiClient, ApiKey, SuiteRun, TrafficSplit
from dispatch.outcomes import Category
from tests.factories import make_assignment, make_suite_run, make_task

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(name, *arguments, stdout=output)
    return output.getvalue()


def printed(name: str, *arguments: str) -> Any:
    return json.loads(run(name, *arguments, "--json"))


# create-api-key -------------------------------------------------------------------------------


def test_a_key_is_printed_once_and_works() -> None:
    facts = printed("create-api-key", "--client", "rails", "--scopes", "tasks:read, tasks:write")

    key = ApiKey.find(facts["secret"])
    assert key is not None
    assert (key.client.name, key.scopes) == ("rails", ["tasks:read", "tasks:write"])
    assert facts["expires_at"] is None
    assert facts["secret"] not in str(ApiKey.objects.values())


def test_a_client_may_have_several_keys() -> None:
    for name in ("web", "worker"):
        run("create-api-key", "--client", "rails", "--scopes", "tasks:read", "--name", name)

    assert ApiClient.objects.count() == 1
    assert {key.name for key in ApiKey.objects.all()} == {"web", "worker"}


def test_a_key_may_expire() -> None:
    printed("create-api-key", "--client", "a", "--scopes", "tasks:read", "--expires-days", "30")

    expires_at = ApiKey.objects.get().expires_at
    assert expires_at is not None
    assert 29 <= (expires_at - timezone.now()).days <= 30


def test_a_webhook_secret_is_made_and_printed_once() -> None:
    facts = printed(
        "create-api-key",
        *("--client", "rails", "--scopes", "tasks:read"),
        *("--webhook-url", "https://rails.example.com/hooks", "--webhook-secret-generate"),
    )

    client = ApiClient.objects.get()
    assert client.webhook_url == "https://rails.example.com/hooks"
    assert encryption.decrypt(client.webhook_secret) == facts["webhook_secret"]
    assert Verifier(facts["webhook_secret"]).sign("a", timezone.now(), "b").startswith("v1,")


def test_a_webhook_secret_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))

    facts = printed(
        "create-api-key",
        *("--client", "rails", "--scopes", "tasks:read"),
        *("--webhook-url", "http://127.0.0.1:3000/hooks", "--webhook-secret-stdin"),
    )

    assert "webhook_secret" not in facts
    assert encryption.decrypt(ApiClient.objects.get().webhook_secret) == secret


def test_a_further_key_leaves_the_webhooks_as_they_are() -> None:
    ApiClient.objects.create(name="rails", webhook_url="http://a/", webhook_secret=b"x")

    run("create-api-key", "--client", "rails", "--scopes", "tasks:read")

    assert ApiClient.objects.get().webhook_url == "http://a/"


URL = ("--webhook-url", "http://127.0.0.1/")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--scopes", "tasks:delete"], "--scopes"),
        (["--scopes", ","], "--scopes"),
        (["--client", " "], "--client"),
        (["--client", "x" * 101], "--client"),
        (["--expires-days", "0"], "--expires-days"),
        (["--webhook-secret-generate"], "--webhook-url"),
        ([*URL], "--webhook-url"),
        (["--webhook-url", "ftp://a/", "--webhook-secret-generate"], "--webhook-url"),
        (["--webhook-url", "http://a:b@c/", "--webhook-secret-generate"], "--webhook-url"),
        (["--webhook-url", "http://[/", "--webhook-secret-generate"], "--webhook-url"),
        ([*URL, "--webhook-secret-stdin"], "webhook secret"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_stored(
    arguments: list[str], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("whsec_short\n"))
    given = ["--client", "rails", "--scopes", "tasks:read", *arguments]

    with pytest.raises(CommandError, match=option):
        run("create-api-key", *given)

    assert not ApiClient.objects.exists()


# weight ---------------------------------------------------------------------------------------


@pytest.fixture
def both(settings: Settings) -> None:
    settings.BACKENDS = {"old": "dispatch.fake.ENTRY", "new": "dispatch.fake.ENTRY"}
    settings.ROLLOUT = {"old": "old", "new": "new"}
    backends.forget()


def test_the_weight_is_shown_and_set(both: None) -> None:
    assert "Nobody has set a weight yet" in run("weight")
    assert printed("weight")["weight"] == 0

    said = run("weight", "--set", "2500", "--reason", "first step", "--actor", "anna")

    assert "2500 (2.500 %) to new" in said
    entry = TrafficSplit.objects.get()
    assert (entry.actor, entry.actor_kind, entry.reason) == ("anna", "person", "first step")
    shown = printed("weight")
    assert (shown["weight"], shown["configuration_version"]) == (2500, entry.pk)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--set", "1", "--actor", "a"], "--reason"),
        (["--set", "1", "--reason", "x"], "--actor"),
        (["--set", "100001", "--reason", "x", "--actor", "a"], "--set"),
        (["--set", "-1", "--reason", "x", "--actor", "a"], "--set"),
        (["--reason", "x"], "--set"),
        (["--set", "much"], "--set"),
    ],
)
def test_a_wrong_weight_is_refused_by_option(both: None, arguments: list[str], option: str) -> None:
    with pytest.raises(CommandError, match=option):
        run("weight", *arguments)

    assert not TrafficSplit.objects.exists()


# why ------------------------------------------------------------------------------------------


def test_why_tells_the_decision_and_that_it_comes_out_again() -> None:
    task = make_task(
        make_suite_run(suite_run_id="b1", backend="fake", rule="only", routing_key="b1")
    )

    told = run("why", str(task.pk))
    facts = printed("why", str(task.pk))

    assert "the same comes out again" in told
    assert facts["agrees"] is True
    assert facts["stored"]["rule"] == facts["recomputed"]["rule"] == "only"


def test_why_tells_what_took_a_task_to_the_other_backend(both_backends: None) -> None:
    suite_run = make_suite_run(suite_run_id="b1")
    decision = placement.decide_for(suite_run, placement.spec_of(suite_run, None, None))
    placement.adopt(suite_run, decision)
    suite_run.save()
    attempt = make_assignment(suite_run)
    task = str(attempt.task_id)
    assert printed("why", task)["fell_back"] == []
    attempt.close(Category.REJECTED, "No such key.")

    (move,) = printed("why", task)["fell_back"]
    told = run("why", task)

    other = move["to"]
    assert {move["from"], other} == {"droplets", "kubernetes"}
    assert f"Fell back from {move['from']} to {other} (rejected): No such key." in told


def test_why_ends_with_1_where_something_else_comes_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = make_task(
        make_suite_run(suite_run_id="b1", backend="fake", rule="only", routing_key="b1")
    )
    SuiteRun.objects.update(bucket=5)

    with pytest.raises(SystemExit) as end:
        call_command("why", str(task.pk))

    assert end.value.code == 1
    assert "DIFFERS  bucket: stored 5, recomputed None" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["7", "01900000-0000-7000-8000-000000000000"])
def test_why_of_no_task_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match=text):
        run("why", text)


# comparison -----------------------------------------------------------------------------------


def test_the_comparison_goes_phase_by_phase(capsys: pytest.CaptureFixture[str]) -> None:
    for category in ("passed", "agent_lost"):
        attempt = make_task().assignments.get()
        attempt.place(str(attempt.pk))
        attempt.claim("boot")
        attempt.reach("cloned")
        attempt.close(category)
    run("comparison")
    text = " ".join(capsys.readouterr().out.split())
    assert "Phase by phase, p50 / p95" in text
    assert re.search(r"│ cloning │[^a-z]*[\d.]+ s / too few \(n=1\)", text)
    assert re.search(r"│ agent_lost │[ 0│]*1 │", text)
    assert re.search(r"│ first attempts without a verdict │[^a-z]*(0 of 0 │ )?1 of 2", text)
    (row,) = [row for row in printed("comparison") if row["backend"] == "droplets"]
    assert (row["failures"], row["phases"]["cloning"]["n"]) == ({"agent_lost": 1}, 1)
