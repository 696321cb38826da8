"""What droplets cost, from the ledger of their lives."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, DecimalField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce, Extract, Greatest, Least

from dispatch.models import DropletLife

# DigitalOcean bills a droplet's seconds, but at least a minute and a cent.
LEAST_BILLED_SECONDS = 60
LEAST_BILL = Decimal("0.01")
EXACT = DecimalField(max_digits=40, decimal_places=20)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """USD. `lives` droplets were billed; `unpriced` of them have no known price, so that the sum
    is too small by theirs."""

    total: Decimal = Decimal(0)
    lives: int = 0
    unpriced: int = 0


def droplet_cost(since: datetime, until: datetime) -> Cost:
    """What the droplets cost in [since, until), idle ones included.

    What a life has cost never shrinks, and a time's share of it is the difference between the
    time's two ends: so the costs of adjoining times add up to the whole bill.
    """
    alive = Q(destroyed_at=None) | Q(destroyed_at__gt=since)
    lives = DropletLife.objects.filter(alive, created_at__lt=until)
    total = _sum_up_there if connection.vendor == "postgresql" else _sum_up_here
    counts = lives.aggregate(lives=Count("id"), priced=Count("hourly_price"))
    return Cost(
        total=total(lives, until) - total(lives, since),
        lives=counts["lives"],
        unpriced=counts["lives"] - counts["priced"],
    )


def bill(life: DropletLife, at: datetime) -> Decimal:
    """What the life of a droplet with a known price has cost up to a moment, in USD."""
    if life.hourly_price is None or life.created_at is None or life.created_at >= at:
        return Decimal(0)
    end = min(at, life.destroyed_at or at)
    seconds = max(LEAST_BILLED_SECONDS, (end - life.created_at).total_seconds())
    return max(LEAST_BILL, Decimal(seconds) * life.hourly_price / 3600)


def _sum_up_here(lives: QuerySet[DropletLife], at: datetime) -> Decimal:
    return sum((bill(life, at) for life in lives.iterator()), Decimal(0))


def _sum_up_there(lives: QuerySet[DropletLife], at: datetime) -> Decimal:
    """The same in the database: PostgreSQL can, and a long history stays where it is."""
    end = Least(Coalesce(F("destroyed_at"), Value(at)), Value(at))
    seconds = Cast(Extract(end - F("created_at"), "epoch"), EXACT)
    billed = Greatest(seconds, Value(Decimal(LEAST_BILLED_SECONDS)), output_field=EXACT)
    cost = billed * F("hourly_price") / Value(Decimal(3600))
    each = Greatest(Cast(cost, EXACT), Value(LEAST_BILL), output_field=EXACT)
    priced = lives.filter(created_at__lt=at, hourly_price__isnull=False)
    found: Decimal | None = priced.aggregate(total=Sum(each))["total"]
    return found or Decimal(0)
