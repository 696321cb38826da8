"""The metadata of every object."""

from collections.abc import Callable
from typing import Any

from ..errors import FieldError, field_forbidden, invalid, required, too_long
from ..resources import Resource
from ..store import Object
from . import names

_MAX_ANNOTATIONS = 256 * 1024  # bytes in all
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp")


def validate_meta(
    resource: Resource, meta: Object, name_errors: Callable[[str], list[str]] | None
) -> list[FieldError]:
    check = name_errors or names.subdomain_errors
    errors = []
    if prefix := meta.get("generateName"):
        found = check(prefix.rstrip("-.") if prefix[-1] in "-." else prefix)
        errors += [invalid("metadata.generateName", prefix, text) for text in found]
    if not meta.get("name"):
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        found = check(meta["name"])
        errors += [invalid("metadata.name", meta["name"], text) for text in found]
    errors += validate_labels(meta.get("labels") or {}, "metadata.labels")
    errors += validate_annotations(meta.get("annotations") or {}, "metadata.annotations")
    errors += _owner_errors(meta.get("ownerReferences") or [])
    return errors + _finalizer_errors(meta.get("finalizers") or [])


def validate_labels(labels: dict[str, str], path: str) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        errors += [invalid(path, key, text) for text in names.qualified_name_errors(key)]
        errors += [invalid(path, value, text) for text in names.label_value_errors(value)]
    return errors


def validate_annotations(annotations: dict[str, str], path: str) -> list[FieldError]:
    errors = [
        invalid(path, key, text)
        for key in annotations
        for text in names.qualified_name_errors(key.lower())
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _MAX_ANNOTATIONS:
        errors.append(too_long(path, f"may not be more than {_MAX_ANNOTATIONS} bytes"))
    return errors


def _owner_errors(owners: list[Object]) -> list[FieldError]:
    path, errors = "metadata.ownerReferences", []
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                detail = f"{'version ' if field == 'apiVersion' else ''}must not be empty"
                errors.append(invalid(f"{path}.{field}", owner.get(field, ""), detail))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        named = ", ".join(f"{owner.get('kind')}/{owner.get('name')}" for owner in controllers)
        detail = f"Only one reference can have Controller set to true. Found {named}"
        errors.append(invalid(path, owners, detail))
    return errors


def _finalizer_errors(finalizers: list[str]) -> list[FieldError]:
    path = "metadata.finalizers"
    errors = [
        invalid(path, item, text)
        for item in finalizers
        for text in names.qualified_name_errors(item)
    ]
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, finalizers, detail))
    return errors


def validate_meta_update(meta: Object, old: Object) -> list[FieldError]:
    errors = [
        invalid(f"metadata.{field}", meta.get(field), "field is immutable")
        for field in _IMMUTABLE
        if meta.get(field) != old.get(field)
    ]
    added = sorted(set(meta.get("finalizers") or []) - set(old.get("finalizers") or []))
    if old.get("deletionTimestamp") and added:
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers"
            f" {_go_list(added)}"
        )
        errors.append(field_forbidden("metadata.finalizers", detail))
    if meta.get("deletionTimestamp") != old.get("deletionTimestamp"):
        value: Any = meta.get("deletionTimestamp")
        errors.append(invalid("metadata.deletionTimestamp", value, "field is immutable"))
    return errors


def _go_list(items: list[str]) -> str:
    return "[]string{" + ", ".join(f'"{item}"' for item in items) + "}"
