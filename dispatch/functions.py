"""The background functions: what the controller asks the qcluster to do.

Each may be run twice, and killed at any point.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django_q.tasks import async_task

from dispatch import retention, webhooks
from dispatch.models import LoopBeat

RETENTION_SECONDS = 30.0


def probe() -> None:
    """The sign of life that the supervisor of the qcluster looks for."""
    LoopBeat.record("functions")


def deliver_webhooks(client_id: int, ids: Sequence[UUID], until: datetime, holder: str) -> None:
    webhooks.deliver(client_id, ids, until, holder)
    probe()  # whoever waits behind slow endpoints is no less alive


def apply_retention() -> None:
    """For a while; where something is left, the rest follows in a function of its own."""
    if not retention.apply(RETENTION_SECONDS):
        async_task("dispatch.functions.apply_retention")
