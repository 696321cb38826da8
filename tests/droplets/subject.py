"""The droplet backend as the contract suite sees it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.utils import timezone

from dispatch.backends import Backend
from droplets.backend import DropletBackend
from droplets.models import Worker, WorkerState
from tests.droplets.factories import make_worker


class Subject:
    name = "droplets"
    suite_run: Mapping[str, Any] = {}
    marks: Sequence[pytest.MarkDecorator] = ()

    def __init__(self) -> None:
        self.backend: Backend = DropletBackend()

    def grow(self, count: int) -> None:
        for _ in range(count):
            make_worker(ready_at=timezone.now())

    def finish_stopping(self) -> None:
        """The pool's loop destroys the droplets of retired Workers."""
        retired = Worker.objects.filter(state=WorkerState.RETIRED)
        retired.update(destroyed_at=timezone.now())
