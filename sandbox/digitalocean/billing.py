"""The bill: every droplet from its creation to its destruction, powered off or not."""

from decimal import Decimal
from typing import Any

from .clock import iso
from .store import Store

_LEAST_SECONDS = 60
_LEAST = Decimal("0.01")
_CENT_FRACTION = Decimal("0.000001")


def cost(seconds: float, price_hourly: Decimal) -> Decimal:
    """USD of one droplet's life: by the second, at least 60 of them and at least $0.01."""
    billed = Decimal(repr(max(seconds, _LEAST_SECONDS)))
    return max(_LEAST, billed * price_hourly / 3600).quantize(_CENT_FRACTION)


def bill(store: Store, now: float) -> dict[str, Any]:
    """All droplets that ever were, and the sum. A living one is billed up to now."""
    lines = []
    total = Decimal(0)
    for row in store.read("SELECT * FROM droplet ORDER BY id"):
        seconds = (row["destroyed_at"] or now) - row["created_at"]
        price = Decimal(row["price_hourly"])
        amount = cost(seconds, price)
        total += amount
        lines.append(
            {
                "id": row["id"],
                "name": row["name"],
                "size": row["size"],
                "price_hourly": float(price),
                "created_at": iso(row["created_at"]),
                "destroyed_at": iso(row["destroyed_at"]),
                "seconds": round(seconds, 3),
                "cost": float(amount),
            }
        )
    return {"currency": "USD", "droplets": lines, "total": float(total)}
