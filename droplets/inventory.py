"""Compares the Workers with the droplets that DigitalOcean has: every difference is looked at.

A list only raises a suspicion; a live read of the one droplet decides. Droplets that carry our
tag and belong to no Worker are noticed and shown, never destroyed: our rows do not say so.
"""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from dispatch.backends import Unavailable
from dispatch.hearing import agents_reach_us
from droplets.cloud import Cloud, Droplet
from droplets.config import config
from droplets.models import Orphan, Worker, WorkerState
from droplets.pool import adopt, health

RUNNING = (WorkerState.PROVISIONING, WorkerState.IDLE, WorkerState.BUSY)


def compare() -> None:
    """One step of the loop."""
    give_up_unready()
    if health.resting:
        return
    cloud = Cloud(config())
    try:
        droplets = {droplet.provider_id: droplet for droplet in cloud.droplets()}
        for worker in Worker.standing().filter(state__in=RUNNING).exclude(provider_id=""):
            look_at(worker, droplets.get(worker.provider_id), cloud)
        _note_orphans(list(droplets.values()))
    except Unavailable as error:
        health.failed(error)


def give_up_unready() -> None:
    """Workers whose agent did not call within the boot timeout, although it could have. Imported
    ones wait for ever: their droplets were not made by us and may still serve somebody else."""
    before = timezone.now() - timedelta(seconds=config().boot_timeout)
    rows = Worker.standing().filter(state=WorkerState.PROVISIONING, created_at__lt=before)
    late = list(rows.filter(imported=False))
    if not late or not agents_reach_us(config().api_host):
        return
    for worker in late:
        uncalled = Q(state=WorkerState.PROVISIONING)
        worker.lose("its agent did not call in time after the boot", uncalled)


def look_at(worker: Worker, listed: Droplet | None, cloud: Cloud) -> None:
    """Act on one Worker: note that it is up, or lose it when it is really gone or switched off."""
    if listed and listed.status in ("new", "active"):
        if listed.status == "active" and worker.active_at is None:
            facts = {"active_at": timezone.now(), "ip_address": listed.ip_address}
            Worker.objects.filter(pk=worker.pk, active_at=None).update(**facts)
        return
    droplet = cloud.droplet(worker.provider_id)
    if droplet is None:
        worker.lose("its droplet does not exist any more")
    elif droplet.status not in ("new", "active"):
        worker.lose(f"its droplet is {droplet.status}")


def _note_orphans(droplets: list[Droplet]) -> None:
    """Adopt the droplets of Workers that lack one; remember those that belong to nobody."""
    ours = Worker.objects.filter(provider_id__in=[droplet.provider_id for droplet in droplets])
    known = set(ours.values_list("provider_id", flat=True))
    strays = [droplet for droplet in droplets if droplet.provider_id not in known]
    for droplet in strays:
        worker = Worker.standing().filter(name=droplet.name, provider_id="").first()
        if worker:
            adopt(worker, droplet)
        else:
            Orphan.see(droplet.provider_id, droplet.name)
    listed = Q(provider_id__in=[droplet.provider_id for droplet in strays])
    Orphan.objects.exclude(listed).delete()
