"""The body of a droplet create, checked field by field. Anything unknown or wrong is a 422."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from .catalog import Catalog, default_vpc
from .errors import ApiError, invalid, unprocessable
from .settings import Settings

MAX_NAMES = 10
MAX_USER_DATA = 64 * 1024  # bytes
_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")
_TAG = re.compile(r"[a-zA-Z0-9_\-:]+")
_FLAGS = (
    "backups",
    "ipv6",
    "monitoring",
    "private_networking",
    "with_droplet_agent",
    "public_networking",
)
_FIELDS = frozenset(
    ("name", "names", "region", "size", "image", "ssh_keys", "tags", "user_data", "volumes")
    + ("vpc_uuid", "backup_policy", *_FLAGS)
)


@dataclass(frozen=True, kw_only=True)
class DropletOrder:
    """A valid create: one droplet for each name. `single`: it was asked for by `name`."""

    names: tuple[str, ...]
    single: bool
    region: str
    size: str
    image: int
    user_data: str | None
    tags: tuple[str, ...]
    features: tuple[str, ...]
    vpc_uuid: str


def read_order(body: dict[str, Any], catalog: Catalog, settings: Settings) -> DropletOrder:
    for field in sorted(body.keys() - _FIELDS):
        raise invalid(field, "is unknown")
    names = _names(body)
    flags = {flag for flag in _FLAGS if _flag(body, flag)}
    region = _region(body, catalog)
    _check_extras(body, settings)
    return DropletOrder(
        names=names,
        single="name" in body,
        region=region,
        size=_size(body, catalog),
        image=_image(body, catalog),
        user_data=_user_data(body),
        tags=tuple(check_tag(tag) for tag in _strings(body, "tags")),
        features=_features(flags),
        vpc_uuid=_vpc(body, region, settings),
    )


def check_name(name: object) -> str:
    if not isinstance(name, str):
        raise invalid("name", "must be a string")
    if not name:
        raise unprocessable("Name can't be blank")
    if len(name) > 255:
        raise unprocessable("Name is too long (maximum is 255 characters)")
    if not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    return name


def check_tag(tag: object) -> str:
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise unprocessable(f'tag-name "{tag}" contains invalid characters')
    if len(tag) > 255:
        raise unprocessable(f'tag-name "{tag[:20]}…" is too long (maximum is 255 characters)')
    return tag


def _names(body: dict[str, Any]) -> tuple[str, ...]:
    if ("name" in body) == ("names" in body):
        raise unprocessable("You must specify either a name or names for Droplet creation.")
    if "name" in body:
        return (check_name(body["name"]),)
    names = _strings(body, "names")
    if not 1 <= len(names) <= MAX_NAMES:
        raise unprocessable(f"You can create between 1 and {MAX_NAMES} Droplets at a time.")
    return tuple(check_name(name) for name in names)


def _flag(body: dict[str, Any], field: str) -> bool:
    value = body.get(field, False)
    if not isinstance(value, bool):
        raise invalid(field, "must be a boolean")
    return value


def _strings(body: dict[str, Any], field: str) -> list[str]:
    value = body.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(field, "must be an array of strings")
    return value


def _region(body: dict[str, Any], catalog: Catalog) -> str:
    wanted = body.get("region")
    region = catalog.region(wanted) if isinstance(wanted, str) else None
    if "region" not in body:
        region = "nyc1"
    if region is None:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    return region


def _size(body: dict[str, Any], catalog: Catalog) -> str:
    size = body.get("size")
    if not isinstance(size, str) or size not in catalog.sizes:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    return size


def _image(body: dict[str, Any], catalog: Catalog) -> int:
    wanted = body.get("image")
    image = catalog.image(wanted) if isinstance(wanted, str | int) else None
    if image is None:
        raise unprocessable("You specified an invalid image for Droplet creation.")
    return image.id


def _user_data(body: dict[str, Any]) -> str | None:
    text = body.get("user_data")
    if text is None:
        return None
    if not isinstance(text, str):
        raise invalid("user_data", "must be a string")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise invalid("user_data", "must be plain text") from None
    if size > MAX_USER_DATA or "\0" in text:
        raise invalid("user_data", "must be plain text and may not exceed 64 KiB in size")
    return text


def _features(flags: set[str]) -> tuple[str, ...]:
    chosen = [flag for flag in ("backups", "ipv6", "monitoring") if flag in flags]
    return (*chosen, "droplet_agent", "private_networking")


def _vpc(body: dict[str, Any], region: str, settings: Settings) -> str:
    wanted = body.get("vpc_uuid")
    if wanted is None:
        return default_vpc(region)
    try:
        known = {default_vpc(region), *settings.vpcs}
        if isinstance(wanted, str) and str(uuid.UUID(wanted)) in known:
            return wanted
    except ValueError:
        pass
    raise unprocessable("You specified an invalid VPC for Droplet creation.")


def _check_extras(body: dict[str, Any], settings: Settings) -> None:
    """Fields that order nothing here, and yet may be wrong."""
    keys = body.get("ssh_keys")
    if keys is not None and not isinstance(keys, list):
        raise invalid("ssh_keys", "must be an array of ids and fingerprints")
    unknown = [str(key) for key in keys or [] if str(key) not in settings.ssh_keys]
    if unknown:
        keys = ", ".join(unknown)
        raise unprocessable(f"{keys} are invalid key identifiers for Droplet creation.")
    if volumes := _strings(body, "volumes"):
        raise ApiError(404, f"volume {volumes[0]} could not be found")
    policy = body.get("backup_policy")
    if policy is not None and not isinstance(policy, dict):
        raise invalid("backup_policy", "must be an object")
