"""The droplets' records in Django's admin, to be looked at."""

from dispatch.admin import show
from droplets.models import Orphan, PoolRequest, Worker, WorkerEvent

show(
    Worker,
    ("name", "state", "provider_id", "size", "created_at", "last_seen_at", "destroyed_at"),
    search=("=name", "=provider_id"),
    hidden=("token_digest",),
)
show(WorkerEvent, ("worker", "kind", "at"), search=("=worker__name",), related=("worker",))
show(PoolRequest, ("at", "drain", "actor", "reason"))
show(Orphan, ("name", "provider_id", "first_seen_at", "last_seen_at"))
