"""WorkerPool: keeps the wanted number of idle Workers, and makes and adopts their droplets.

A droplet is asked for at most once under one Worker's name. When the answer is lost, the name is
looked for; what is not found is given up, and another Worker is made in its place: two agents
under one name would both be given the same Assignment.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from dispatch import tokens
from dispatch.backends import BackendError, NoCapacity, Unavailable
from dispatch.controller.health import Health
from dispatch.models import DropletLife
from droplets.cloud import Cloud, Droplet, Refused, surely_undone
from droplets.config import config
from droplets.models import PoolRequest, Worker, WorkerState

MOST_AT_ONCE = 10
PAUSE_WHEN_REFUSED = 15.0

health = Health("DigitalOcean API")
creation = Health("DigitalOcean droplet creation")


def keep() -> None:
    """One step: let draining Workers go, make or give up rows, and ask for droplets."""
    let_go()
    resize()
    cloud = Cloud(config())
    try:
        if not health.resting:
            look_for_lost_answers(cloud)
        if not health.resting and not creation.resting:
            ask_for_droplets(cloud)
        health.answered()
    except Unavailable as error:
        health.failed(error)
    except (NoCapacity, Refused) as error:
        creation.failed(Unavailable(str(error), retry_after=PAUSE_WHEN_REFUSED))


def let_go() -> None:
    """Draining Workers: what was not handed out goes back, and whoever holds nothing retires."""
    ended = (WorkerState.RETIRED, WorkerState.LOST)
    draining = Worker.standing().filter(drain_requested_at__isnull=False).exclude(state__in=ended)
    for worker in draining:
        if worker.state == WorkerState.BUSY:
            worker.withdraw("the Worker drains")
        if worker.retire("drained"):
            worker.life().update(quiet_at=timezone.now())


def resize() -> None:
    """Make rows for missing Workers; retire idle ones that are too many, the newest first."""
    settings = config()
    standing = Worker.standing()
    usable = standing.filter(drain_requested_at=None)
    coming = usable.filter(state__in=(WorkerState.PROVISIONING, WorkerState.IDLE)).count()
    wanted = 0 if PoolRequest.draining_since() else settings.idle
    for _ in range(min(wanted - coming, settings.limit - standing.count())):
        _make_worker()
    surplus = max(0, coming - wanted)
    for worker in usable.filter(state=WorkerState.IDLE).order_by("-ready_at")[:surplus]:
        worker.retire("the pool is larger than it need be")


def _make_worker() -> None:
    settings = config()
    worker = Worker(region=settings.region, size=settings.size)
    worker.name = settings.name_of(worker.pk)
    with transaction.atomic():
        worker.save(force_insert=True)
        worker.note("worker.provisioning")
        DropletLife.objects.create(
            worker_id=worker.pk, name=worker.name, region=worker.region, size=worker.size
        )


def ask_for_droplets(cloud: Cloud) -> None:
    """Ask for the droplets that were not asked for yet, a few at once."""
    waiting = Worker.standing().filter(
        state=WorkerState.PROVISIONING, provider_id="", create_tried_at=None, imported=False
    )
    for worker in waiting.order_by("id")[:MOST_AT_ONCE]:
        _ask_for(worker, cloud)


def _ask_for(worker: Worker, cloud: Cloud) -> None:
    rows = Worker.objects.filter(pk=worker.pk)
    if not rows.filter(create_tried_at=None).update(create_tried_at=timezone.now()):
        return
    try:
        droplet = cloud.create(worker.name, user_data(worker))
    except BackendError as error:
        if surely_undone(error):
            rows.update(create_tried_at=None)
        raise
    creation.answered()
    adopt(worker, droplet)


def user_data(worker: Worker) -> str:
    """The boot script of a Worker's droplet; its token is derived, never stored."""
    settings = config()
    return settings.user_data.format(
        api_host=settings.api_host,
        worker_id=worker.pk,
        worker_token=tokens.derive("worker", worker.pk),
        registry_username=settings.registry_username,
        registry_password=settings.registry_password,
    )


def adopt(worker: Worker, droplet: Droplet) -> None:
    """Write down which droplet a Worker is."""
    facts = {"provider_id": droplet.provider_id, "region": droplet.region, "size": droplet.size}
    with transaction.atomic():
        if Worker.objects.filter(pk=worker.pk, provider_id="").update(**facts):
            created_at = droplet.created_at or timezone.now()
            price = {"hourly_price": droplet.hourly_price, "created_at": created_at}
            worker.life().update(**facts, **price)
            worker.note("worker.created", provider_id=droplet.provider_id)


def look_for_lost_answers(cloud: Cloud) -> None:
    """Droplets that were asked for without an answer: found by name, or given up."""
    patience = timedelta(seconds=config().create_retry)
    before = timezone.now() - patience
    rows = Worker.standing().filter(provider_id="", create_tried_at__lt=before, ended_at=None)
    for worker in rows.order_by("id")[:MOST_AT_ONCE]:
        found = [one for one in cloud.droplets(name=worker.name) if one.name == worker.name]
        if found:
            adopt(worker, found[0])
        elif worker.state == WorkerState.PROVISIONING:
            worker.lose("DigitalOcean never answered the request for it")
