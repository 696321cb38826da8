"""Destroys the droplets of Workers that have ended, and verifies that they are gone.

Before anything is destroyed our own rows say so, and a live read of that one droplet agrees with
them by id and name. A list is never enough.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dispatch import wake
from dispatch.backends import BackendError, Unavailable
from droplets.cloud import Cloud, Droplet
from droplets.config import config
from droplets.models import Worker, WorkerState
from droplets.pool import adopt, health

MOST_AT_ONCE = 25
RETRY_SECONDS = 10.0

logger = logging.getLogger(__name__)


def destroy_ended() -> None:
    """One step of the loop."""
    if health.resting:
        return
    cloud = Cloud(config())
    just_tried = Q(destroy_tried_at__gt=timezone.now() - timedelta(seconds=RETRY_SECONDS))
    ended = Worker.standing().filter(~just_tried, state__in=(WorkerState.RETIRED, WorkerState.LOST))
    for worker in ended.order_by("destroy_tried_at", "id")[:MOST_AT_ONCE]:
        try:
            destroy(worker, cloud)
        except Unavailable as error:
            health.failed(error)
            return
        except BackendError as error:
            logger.error("%s could not be destroyed: %s", worker.name, error)


def destroy(worker: Worker, cloud: Cloud) -> None:
    """Destroy one Worker's droplet, unless it is gone already. Safe to repeat."""
    if worker.live_assignment():
        return
    Worker.objects.filter(pk=worker.pk).update(destroy_tried_at=timezone.now())
    droplet = _live_read(worker, cloud)
    if droplet is None:
        return
    if droplet.name != worker.name:
        logger.error("Droplet %s is %s, not %s", worker.provider_id, droplet.name, worker.name)
        return
    cloud.destroy(droplet.provider_id)
    worker.life().filter(destroyed_at=None).update(destroyed_at=timezone.now())
    if cloud.droplet(droplet.provider_id) is None:
        _gone(worker)


def _live_read(worker: Worker, cloud: Cloud) -> Droplet | None:
    """The droplet as it is now; None when there is nothing (left) to destroy."""
    if worker.provider_id:
        droplet = cloud.droplet(worker.provider_id)
        if droplet is None:
            _gone(worker)
        return droplet
    return _look_by_name(worker, cloud)


def _look_by_name(worker: Worker, cloud: Cloud) -> Droplet | None:
    """One whose droplet was never seen: it may still turn up, until the boot timeout is over."""
    found = [one for one in cloud.droplets(name=worker.name) if one.name == worker.name]
    if found:
        adopt(worker, found[0])
        worker.refresh_from_db()
        return cloud.droplet(found[0].provider_id)
    patience = timedelta(seconds=config().boot_timeout)
    if worker.create_tried_at is None or timezone.now() - worker.create_tried_at > patience:
        _gone(worker)
    return None


def _gone(worker: Worker) -> None:
    """A live read found no droplet: the Worker is history."""
    now = timezone.now()
    with transaction.atomic():
        if not Worker.standing().filter(pk=worker.pk).update(destroyed_at=now):
            return
        worker.note("worker.gone")
        worker.life().filter(destroyed_at=None).update(destroyed_at=now)
        worker.life().update(verified_gone_at=now, end_reason=worker.end_reason)
        worker.life().update(assignment_id=worker.assignment_id)
    wake.send("workers")
    wake.send("closed")
