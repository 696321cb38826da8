"""Namespaces, Secrets, ConfigMaps, Events and quotas."""

import base64
import binascii

from ..cluster import Cluster
from ..errors import FieldError, field_forbidden, invalid, required, too_long
from ..store import Object
from . import names

_MAX_DATA = 1024 * 1024  # bytes of a Secret or ConfigMap
_NAME_LABEL = "kubernetes.io/metadata.name"


def default_namespace(obj: Object) -> None:
    meta = obj["metadata"]
    if meta.get("name"):
        meta.setdefault("labels", {})[_NAME_LABEL] = meta["name"]


def prepare_namespace(cluster: Cluster, obj: Object) -> None:
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def prepare_quota(cluster: Cluster, obj: Object) -> None:
    obj["status"] = {}


def default_limit_range(obj: Object) -> None:
    """Of a container: what is limited is requested as well."""
    for item in obj.get("spec", {}).get("limits") or ():
        if item.get("type") == "Container":
            for name, text in (item.get("max") or {}).items():
                item.setdefault("default", {}).setdefault(name, text)
            for source in ("default", "min"):
                for name, text in (item.get(source) or {}).items():
                    item.setdefault("defaultRequest", {}).setdefault(name, text)


def default_secret(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def validate_secret(obj: Object) -> list[FieldError]:
    errors, size = [], 0
    for key, text in (obj.get("data") or {}).items():
        errors += [invalid(f"data[{key}]", key, e) for e in names.config_key_errors(key)]
        size += _decoded_size(text)
    if size > _MAX_DATA:
        errors.append(too_long("data", f"may not be more than {_MAX_DATA} bytes"))
    if obj["type"] == "kubernetes.io/dockerconfigjson" and ".dockerconfigjson" not in (
        obj.get("data") or {}
    ):
        errors.append(required("data[.dockerconfigjson]"))
    return errors


def _decoded_size(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return 0


def validate_secret_update(obj: Object, old: Object) -> list[FieldError]:
    errors = validate_secret(obj)
    if obj.get("type") != old.get("type"):
        errors.append(invalid("type", obj.get("type"), "field is immutable"))
    return errors + _immutable_errors(obj, old, ("data",))


def validate_config_map(obj: Object) -> list[FieldError]:
    errors, size = [], 0
    for field in ("data", "binaryData"):
        for key, text in (obj.get(field) or {}).items():
            path = f"{field}[{key}]"
            errors += [invalid(path, key, e) for e in names.config_key_errors(key)]
            size += len(text.encode()) if field == "data" else _decoded_size(text)
    for key in sorted((obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys()):
        errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    if size > _MAX_DATA:
        errors.append(too_long("", f"may not be more than {_MAX_DATA} bytes"))
    return errors


def validate_config_map_update(obj: Object, old: Object) -> list[FieldError]:
    return validate_config_map(obj) + _immutable_errors(obj, old, ("data", "binaryData"))


def _immutable_errors(obj: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    errors = []
    if not obj.get("immutable"):
        errors.append(field_forbidden("immutable", "field is immutable when `immutable` is set"))
    return errors + [
        field_forbidden(field, "field is immutable when `immutable` is set")
        for field in fields
        if obj.get(field) != old.get(field)
    ]


def validate_event(obj: Object) -> list[FieldError]:
    about = obj.get("involvedObject") or {}
    namespace = about.get("namespace", "")
    if namespace != obj["metadata"]["namespace"] and not (
        not namespace and obj["metadata"]["namespace"] == "default"
    ):
        detail = "does not match event.namespace"
        return [invalid("involvedObject.namespace", namespace, detail)]
    return []
