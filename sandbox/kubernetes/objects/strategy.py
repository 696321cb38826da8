"""What each resource has of its own: defaults, fields it sets itself, validation, admission."""

from collections.abc import Callable
from dataclasses import dataclass

from ..cluster import Cluster
from ..errors import FieldError
from ..store import Object


def _nothing(obj: Object) -> None:
    pass


def _prepare_nothing(cluster: Cluster, obj: Object) -> None:
    pass


def _change_nothing(obj: Object, old: Object) -> None:
    pass


def _no_errors(obj: Object) -> list[FieldError]:
    return []


def _no_change_errors(obj: Object, old: Object) -> list[FieldError]:
    return []


def _no_warnings(cluster: Cluster, obj: Object) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """`admit` may change or refuse (ApiError) a new object, `finish` completes and
    `permit` refuses a valid one.
    `own_generation`: the resource counts the changes of its spec."""

    default: Callable[[Object], None] = _nothing
    admit: Callable[[Cluster, Object], None] = _prepare_nothing
    prepare_create: Callable[[Cluster, Object], None] = _prepare_nothing
    prepare_update: Callable[[Object, Object], None] = _change_nothing
    prepare_status: Callable[[Object, Object], None] = _change_nothing
    validate: Callable[[Object], list[FieldError]] = _no_errors
    validate_update: Callable[[Object, Object], list[FieldError]] = _no_change_errors
    validate_status: Callable[[Object, Object], list[FieldError]] = _no_change_errors
    finish: Callable[[Object], None] = _nothing
    permit: Callable[[Cluster, Object], None] = _prepare_nothing
    warn: Callable[[Cluster, Object], list[str]] = _no_warnings
    name_errors: Callable[[str], list[str]] | None = None
    own_generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    graceful: bool = False
    orphans_by_default: bool = False
    returns_deleted: bool = False
