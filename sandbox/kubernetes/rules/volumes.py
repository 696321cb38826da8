"""The volumes of a pod."""

from .. import quantity
from ..errors import FieldError, duplicate, field_forbidden, invalid, required
from ..store import Object
from . import names

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_volumes(volumes: list[Object], path: str) -> tuple[set[str], list[FieldError]]:
    """The names that may be mounted, and what is wrong."""
    known: set[str] = set()
    errors: list[FieldError] = []
    for number, volume in enumerate(volumes):
        here, name = f"{path}[{number}]", volume.get("name", "")
        found = _source_errors(volume, here)
        if not name:
            found.append(required(f"{here}.name"))
        else:
            found += [invalid(f"{here}.name", name, text) for text in names.label_errors(name)]
        if name in known:
            found.append(duplicate(f"{here}.name", name))
        if found:
            errors += found
        else:
            known.add(name)
    return known, errors


def _source_errors(volume: Object, path: str) -> list[FieldError]:
    kinds = [key for key in volume if key != "name"]
    if not kinds:
        return [required(path, "must specify a volume type")]
    detail = "may not specify more than 1 volume type"
    errors = [field_forbidden(f"{path}.{kind}", detail) for kind in sorted(kinds)[1:]]
    kind = sorted(kinds)[0]
    source, here = volume[kind], f"{path}.{kind}"
    if kind == "emptyDir":
        return errors + _empty_dir_errors(source, here)
    if kind == "secret" and not source.get("secretName"):
        errors.append(required(f"{here}.secretName"))
    if kind == "configMap" and not source.get("name"):
        errors.append(required(f"{here}.name"))
    if kind == "hostPath" and not source.get("path"):
        errors.append(required(f"{here}.path"))
    if kind == "persistentVolumeClaim" and not source.get("claimName"):
        errors.append(required(f"{here}.claimName"))
    return errors + _file_errors(source, here)


def _empty_dir_errors(source: Object, path: str) -> list[FieldError]:
    if quantity.parse(source.get("sizeLimit", "0")) < 0:
        detail = "SizeLimit field must be a valid resource quantity"
        return [field_forbidden(f"{path}.sizeLimit", detail)]
    return []


def _file_errors(source: Object, path: str) -> list[FieldError]:
    errors, mode = [], source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid(f"{path}.defaultMode", mode, _MODE))
    for number, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{number}]"
        errors += [required(f"{here}.{field}") for field in ("key", "path") if not item.get(field)]
        errors += _item_path_errors(item.get("path", ""), f"{here}.path")
        mode = item.get("mode")
        if mode is not None and not 0 <= mode <= 0o777:
            errors.append(invalid(f"{here}.mode", mode, _MODE))
    return errors


def _item_path_errors(text: str, path: str) -> list[FieldError]:
    errors = []
    if text.startswith("/"):
        errors.append(invalid(path, text, "must be a relative path"))
    if ".." in text.split("/"):
        errors.append(invalid(path, text, "must not contain '..'"))
    elif text.startswith(".."):
        errors.append(invalid(path, text, "must not start with '..'"))
    return errors
