"""When a Worker is let go after its Assignment was closed, and what the Ruby agent cannot run."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.backends import TaskSpec
from dispatch.models import Assignment
from droplets import backend as backend_module
from droplets.backend import DropletBackend
from droplets.config import config
from droplets.models import Worker, WorkerState
from tests.droplets.factories import make_worker
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db

SPEC = TaskSpec(account="acme", repository="acme/shop", commit="a" * 40)


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def stopped(seen: float = 300, **facts: Any) -> str:
    """The state of a Worker after `stop` of its Assignment with these facts."""
    worker = make_worker(ready_at=ago(500), last_seen_at=ago(seen))
    assignment = make_assignment()
    assignment.place(str(worker.pk))
    assignment.deliver()
    Worker.move(worker.pk, WorkerState.BUSY, changes={"assignment_id": assignment.pk})
    Assignment.objects.filter(pk=assignment.pk).update(**facts)
    DropletBackend().stop(Assignment.by_id(assignment.pk))
    worker.refresh_from_db()
    return worker.state


def test_after_its_finish_the_agent_has_the_grace_for_its_last_logs() -> None:
    finished = {"category": "passed", "closed_at": ago(60)}
    assert stopped(**finished, finished_at=ago(5), seen=1) == "busy"
    assert stopped(**finished, finished_at=ago(16), seen=1) == "retired"


def test_before_its_finish_it_is_left_alone_while_it_is_heard() -> None:
    decided = {"category": "passed", "closed_at": ago(60)}
    assert stopped(**decided, seen=5) == "busy"
    assert stopped(**decided, seen=16) == "retired"


def test_one_that_was_stopped_by_us_is_let_go_after_the_grace_however_loud_it_is() -> None:
    assert stopped(category="timeout", closed_at=ago(5), seen=1) == "busy"
    assert stopped(category="timeout", closed_at=ago(16), seen=1) == "retired"


@pytest.fixture
def ruby(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(config(), agent="ruby")
    monkeypatch.setattr(backend_module, "config", lambda: settings)


@pytest.mark.parametrize(
    "facts,word",
    [
        ({"command": "make test"}, "command"),
        ({"test_files": ("spec/a_spec.rb",)}, "test_files"),
        ({"paths": {"dockerfile": "Dockerfile"}}, "paths.dockerfile"),
        ({"clone_url": "https://git.example.com/shop.git"}, "clone_url"),
    ],
)
def test_the_ruby_agent_knows_one_way_only(ruby: None, facts: dict[str, Any], word: str) -> None:
    (reason,) = DropletBackend().eligible(dataclasses.replace(SPEC, **facts)).reasons
    assert reason.startswith(word)


def test_the_ruby_agent_runs_a_plain_task(ruby: None) -> None:
    assert DropletBackend().eligible(SPEC)
