"""What can be ordered: sizes, regions and images, and how the API shows them.

Prices in USD an hour are third-party copies of the public list; `--price` overrides one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# DigitalOcean bills at most this many hours a month.
HOURS_A_MONTH = 672


@dataclass(frozen=True, kw_only=True)
class Size:
    slug: str
    vcpus: int
    memory: int  # MB
    disk: int  # GB
    transfer: float  # TB
    description: str
    price_hourly: Decimal


def _size(slug: str, vcpus: int, gigabytes: int, disk: int, transfer: float, price: str) -> Size:
    return Size(
        slug=slug,
        vcpus=vcpus,
        memory=gigabytes * 1024,
        disk=disk,
        transfer=transfer,
        description="CPU-Optimized" if slug.startswith("c-") else "Basic",
        price_hourly=Decimal(price),
    )


SIZES = {
    size.slug: size
    for size in (
        _size("s-2vcpu-4gb", 2, 4, 80, 4.0, "0.03571"),
        _size("s-4vcpu-8gb", 4, 8, 160, 5.0, "0.07143"),
        _size("s-8vcpu-16gb", 8, 16, 320, 6.0, "0.14286"),
        _size("c-2", 2, 4, 25, 4.0, "0.0625"),
        _size("c-4", 4, 8, 50, 5.0, "0.125"),
        _size("c-8", 8, 16, 100, 6.0, "0.25"),
    )
}

REGIONS = {
    "nyc1": "New York 1",
    "nyc3": "New York 3",
    "sfo3": "San Francisco 3",
    "ams3": "Amsterdam 3",
    "sgp1": "Singapore 1",
    "lon1": "London 1",
    "fra1": "Frankfurt 1",
    "tor1": "Toronto 1",
    "blr1": "Bangalore 1",
    "syd1": "Sydney 1",
}

_REGION_FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]


@dataclass(frozen=True, kw_only=True)
class Image:
    id: int
    name: str
    distribution: str
    slug: str | None
    public: bool
    min_disk_size: int


def _public(id: int, slug: str, distribution: str, name: str) -> Image:
    return Image(
        id=id, name=name, distribution=distribution, slug=slug, public=True, min_disk_size=7
    )


_PUBLIC_IMAGES = (
    _public(112929454, "ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64"),
    _public(155133621, "ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64"),
    _public(133383386, "debian-12-x64", "Debian", "12 x64"),
    _public(191763285, "debian-13-x64", "Debian", "13 x64"),
)


class Catalog:
    """The catalogue of one sandbox: `prices` by size slug replace the list's, `snapshots`
    (image id to name) are private images of the account."""

    def __init__(self, prices: Mapping[str, Decimal], snapshots: Mapping[int, str]) -> None:
        self.sizes = SIZES
        self.prices = {slug: prices.get(slug, size.price_hourly) for slug, size in SIZES.items()}
        self.images = list(_PUBLIC_IMAGES) + [
            Image(
                id=id, name=name, distribution="Ubuntu", slug=None, public=False, min_disk_size=25
            )
            for id, name in snapshots.items()
        ]

    def image(self, wanted: object) -> Image | None:
        """By id, by id as a string, or by slug."""
        if isinstance(wanted, bool):
            return None
        return next((i for i in self.images if wanted in (i.id, str(i.id), i.slug)), None)

    def region(self, wanted: str) -> str | None:
        """A region's slug by itself or by its leading letters: "nyc" is any of New York."""
        if wanted in REGIONS:
            return wanted
        return next(
            (slug for slug in REGIONS if wanted and slug.rstrip("0123456789") == wanted), None
        )

    def size_json(self, slug: str) -> dict[str, Any]:
        size, hourly = self.sizes[slug], self.prices[slug]
        return {
            "slug": slug,
            "memory": size.memory,
            "vcpus": size.vcpus,
            "disk": size.disk,
            "transfer": size.transfer,
            "price_monthly": float(round(hourly * HOURS_A_MONTH, 2)),
            "price_hourly": float(hourly),
            "regions": list(REGIONS),
            "available": True,
            "description": size.description,
            "disk_info": disk_json(size),
        }

    def region_json(self, slug: str) -> dict[str, Any]:
        return {
            "name": REGIONS[slug],
            "slug": slug,
            "features": list(_REGION_FEATURES),
            "available": True,
            "sizes": list(self.sizes),
        }


def lost_image(id: int) -> Image:
    """A snapshot that droplets were made from, and that is not offered any more."""
    return Image(
        id=id, name="deleted", distribution="Ubuntu", slug=None, public=False, min_disk_size=25
    )


def disk_json(size: Size) -> list[dict[str, Any]]:
    return [{"type": "local", "size": {"amount": size.disk, "unit": "gib"}}]


def image_json(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "distribution": image.distribution,
        "slug": image.slug,
        "public": image.public,
        "regions": list(REGIONS),
        "created_at": "2026-01-01T00:00:00Z",
        "min_disk_size": image.min_disk_size,
        "type": "base" if image.public else "snapshot",
        "size_gigabytes": 2.36,
        "description": image.name,
        "tags": [],
        "status": "available",
    }


def default_vpc(region: str) -> str:
    """The account's default VPC of a region."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"default-{region}.vpc.sandbox"))
