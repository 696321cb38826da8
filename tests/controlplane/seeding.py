"""A control plane in the middle of its day, for pages and screenshots.

Everything moves through the models' own verbs; only afterwards the times are shifted back.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from dispatch.ids import new_id
from dispatch.models import (
    ApiClient,
    Artifact,
    Assignment,
    DropletLife,
    LogChunk,
    LogStream,
    LoopBeat,
    ResultFile,
    SuiteRun,
    Task,
    Webhook,
)
from dispatch.models.assignment import PHASES
from dispatch.outcomes import Category
from dispatch.placement import DECISION_COLUMNS, adopt, decide_for, spec_of
from dispatch.rollout import Actor, set_weight
from tests.factories import make_client, make_suite_run, make_task

# Seconds from acceptance to: placed, claimed, the six phases, closed, released.
TYPICAL = (0.4, 3.1, 9.6, 48.0, 61.5, 63.0, 187.4, 188.0, 203.0)
COLUMNS = ("placed_at", *(f"{phase}_at" for phase in PHASES), "closed_at", "released_at")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c"
    "6360606060000000050001a5f645400000000049454e44ae426082"
)


@dataclass(frozen=True, kw_only=True)
class Day:
    """The Tasks that pages are shown for."""

    passed: Task
    failed: Task
    lost: Task
    running: Task
    queued: Task
    webhook: Webhook


def seed_day() -> Day:
    client = make_client(webhook_url="http://127.0.0.1:1/hooks")
    _weights()
    for number in range(14):
        make_run(client, number, age=timedelta(minutes=6 + 4 * number))
    failed = make_run(client, 20, category=Category.FAILED, age=timedelta(minutes=5))
    add_reports(failed)
    lost = make_run(client, 21, category=Category.AGENT_LOST, age=timedelta(minutes=30))
    _run(lost.assignments.get(number=2), Category.PASSED, timedelta(minutes=20), TYPICAL)
    running = make_run(client, 22, category=None, age=timedelta(seconds=95))
    add_log(running, "test", LOG * 3)
    queued = make_task(_suite_run(23), client=client)
    loop_beats()
    return Day(
        passed=Task.objects.filter(state="passed").earliest("id"),
        failed=failed,
        lost=lost,
        running=running,
        queued=queued,
        webhook=_failed_webhook(failed),
    )


def _weights() -> None:
    """A baseline, and 25 % where both backends are there."""
    actor = Actor(name="maria", kind="person")
    set_weight(0, actor=actor, reason="Baseline: everything on droplets for a week")
    if set(settings.ROLLOUT.values()) <= set(settings.BACKENDS):
        set_weight(25_000, actor=actor, reason="A week of baseline looks good: a quarter")


def loop_beats(age: timedelta = timedelta(seconds=1)) -> None:
    """As if every loop had come round a moment ago."""
    from dispatch.controller import all_loops

    for loop in all_loops():
        LoopBeat.record(loop.name, seconds=0.004, every=loop.every)
    LoopBeat.objects.update(at=timezone.now() - age)


def _suite_run(number: int) -> SuiteRun:
    repositories = ("acme/shop", "acme/billing", "northwind/warehouse-api")
    suite_run = make_suite_run(
        account="acme" if number % 3 < 2 else "northwind",
        repository=repositories[number % 3],
        branch=("main", "feature/checkout-vat", "renovate/rails-8.x")[number % 3],
        suite_run_id=f"build-{48210 + number}",
        commit=f"{(number * 7919 + 1) * 104729:x}".rjust(40, "b"),
    )
    adopt(suite_run, decide_for(suite_run, spec_of(suite_run, None, None)))
    suite_run.save(update_fields=DECISION_COLUMNS)
    return suite_run


def make_run(
    client: ApiClient,
    number: int,
    *,
    category: str | None = Category.PASSED,
    age: timedelta,
) -> Task:
    """One Task that was accepted `age` ago and ended with the category, or still runs."""
    task = make_task(_suite_run(number), client=client)
    stretch = 0.7 + (number * 37 % 60) / 100
    _run(task.assignments.get(), category, age, tuple(one * stretch for one in TYPICAL))
    task.refresh_from_db()
    return task


def _run(
    attempt: Assignment, category: str | None, age: timedelta, seconds: tuple[float, ...]
) -> None:
    worker = new_id()
    attempt.place(str(worker))
    attempt.deliver()
    attempt.claim("boot-1")
    reached = PHASES[1:] if category in (Category.PASSED, Category.FAILED) else PHASES[1:5]
    for phase in reached:
        attempt.reach(phase)
        attempt.note(f"agent.{phase}")
    if category:
        attempt.close(category)
        attempt.release()
    if attempt.backend == "droplets":
        _ledger(worker, attempt, age)
    _shift(attempt, timezone.now() - age, dict(zip(COLUMNS, seconds, strict=True)))


def _shift(attempt: Assignment, start: datetime, offsets: dict[str, float]) -> None:
    """Spread what happened just now over the past."""
    attempt.refresh_from_db()
    moments = {
        column: start + timedelta(seconds=offset)
        for column, offset in offsets.items()
        if getattr(attempt, column) is not None
    }
    rows = Assignment.objects.filter(pk=attempt.pk)
    heard_at = moments.get("closed_at", timezone.now())
    rows.update(created_at=start, heard_at=heard_at, **moments)
    if attempt.number == 1:
        Task.objects.filter(pk=attempt.task_id).update(created_at=start)
        attempt.task.events.filter(seq=1).update(at=start)
    if "closed_at" in moments:
        ended = Task.objects.filter(pk=attempt.task_id, finished_at__isnull=False)
        ended.update(finished_at=moments["closed_at"])
    events = attempt.task.events.filter(assignment=attempt).order_by("seq")
    for event, moment in zip(events, moments.values(), strict=False):
        attempt.task.events.filter(pk=event.pk).update(at=moment)


def _ledger(worker: Any, attempt: Assignment, age: timedelta) -> None:
    DropletLife.objects.create(
        worker_id=worker,
        name=f"switchyard-default-{str(worker)[-12:]}",
        provider_id=str(int(worker) % 10**9),
        region="nyc1",
        size="s-4vcpu-8gb",
        hourly_price=Decimal("0.07143"),
        assignment_id=attempt.pk,
        created_at=timezone.now() - age - timedelta(minutes=4),
        destroyed_at=timezone.now() if attempt.closed_at else None,
    )


def _failed_webhook(task: Task) -> Webhook:
    webhook = task.webhooks.order_by("-sequence")[0]
    rows = Webhook.objects.filter(pk=webhook.pk)
    rows.update(
        next_attempt_at=None, attempts=12, last_status=503, last_error="Service Unavailable",
        failed_at=timezone.now() - timedelta(minutes=2),
    )  # fmt: skip
    others = Webhook.objects.exclude(pk=webhook.pk)
    others.update(next_attempt_at=None, attempts=1, delivered_at=timezone.now(), last_status=204)
    webhook.refresh_from_db()
    return webhook


def add_log(task: Task, name: str, text: str) -> LogStream:
    data = text.encode()
    attempt = task.assignments.latest("number")
    stream = LogStream.objects.create(assignment=attempt, name=name, length=len(data))
    half = len(data) // 2
    for start, piece in ((0, data[:half]), (half, data[half:])):
        LogChunk.objects.create(stream=stream, start=start, data=piece)
    return stream


def add_reports(task: Task) -> None:
    """A failed run's logs, results and screenshot."""
    attempt = task.assignments.latest("number")
    add_log(task, "system", "Cloning into 'repository'...\nHEAD is now at bbbb Charge VAT\n")
    add_log(task, "build", "Step 1/6 : FROM ruby:3.3-slim\nStep 2/6 : RUN bundle install\n")
    add_log(task, "test", LOG)
    ResultFile.objects.create(
        assignment=attempt, name="rspec.json", data=json.dumps(REPORT).encode(), complete=True,
        example_count=412, failure_count=2, pending_count=3,
    )  # fmt: skip
    Artifact.objects.create(
        assignment=attempt, name="failures_checkout_vat.png", content_type="image/png", data=PIXEL
    )
    rows = Assignment.objects.filter(pk=attempt.pk)
    rows.update(exit_code=1, example_count=412, failure_count=2)


LOG = (
    "Run options: include {:focus=>true}\nRandomized with seed 1234\n\n"
    + "".join(f"\x1b[32m.\x1b[0m Checkout example {number} passed\n" for number in range(60))
    + "\x1b[31mF\x1b[0m Checkout charges VAT for customers in the EU – 19 %\n"
    + "Finished in 2 minutes 4.1 seconds\n412 examples, 2 failures, 3 pending\n"
)
REPORT: dict[str, Any] = {
    "version": "3.13.0",
    "examples": [
        {"id": "./spec/a_spec.rb[1:1]", "full_description": "Cart adds up", "status": "passed"},
        {
            "full_description": "Checkout charges VAT for customers in the EU",
            "status": "failed",
            "file_path": "./spec/system/checkout_spec.rb",
            "line_number": 48,
            "exception": {
                "class": "RSpec::Expectations::ExpectationNotMetError",
                "message": 'expected to find text "119.00 €" in "Total 100.00 €"',
            },
        },
        {
            "full_description": "Checkout <script>alert(1)</script> keeps the basket",
            "status": "failed",
            "file_path": "./spec/system/checkout_spec.rb",
            "line_number": 71,
            "exception": {
                "class": "NoMethodError",
                "message": "undefined method `basket' for nil",
            },
        },
    ],
    "summary": {"example_count": 412, "failure_count": 2, "pending_count": 3},
}
