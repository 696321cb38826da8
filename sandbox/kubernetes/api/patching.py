"""The three forms of a patch, applied to JSON values."""

import copy
import json
import sys
from typing import Any

from ..errors import ApiError, bad_request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
KINDS = (JSON_PATCH, MERGE_PATCH, "application/apply-patch+yaml", STRATEGIC_PATCH)

# The key by which the items of a list are the same item, by the name of the list. `None`: the list
# is a set of plain values. A list that is not named is replaced as a whole.
_MERGE_KEYS: dict[str, str | None] = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "finalizers": None,
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "ports": "containerPort",
    "secrets": "name",
    "taints": "key",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
# Of these, a status keeps lists that are replaced as a whole.
_ATOMIC_PARENTS = {("spec", "taints")}
_DIRECTIVES = ("$patch", "$retainKeys", "$deleteFromPrimitiveList", "$setElementOrder")


def apply(kind: str, target: Any, patch: Any) -> Any:
    """A new value. Raises 400, or 422 for a JSON patch that does not fit."""
    if kind == JSON_PATCH:
        return _json_patch(copy.deepcopy(target), patch)
    if not isinstance(patch, dict):
        what = f"{_name(patch)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: json: cannot unmarshal {what}")
    if kind == MERGE_PATCH:
        return merge(target, patch)
    return strategic(target, patch)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name, ()) if item not in value]
        elif not key.startswith(_DIRECTIVES):
            _set(result, key, value)
    return result


def _set(result: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list) and key in _MERGE_KEYS:
        result[key] = _merge_lists(result.get(key) or [], value, _MERGE_KEYS[key])
    else:
        result[key] = strategic(result.get(key), value)


def _merge_lists(target: list[Any], patch: list[Any], key: str | None) -> list[Any]:
    if key is None:
        return [*target, *(item for item in patch if item not in target)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    kept, merged = {item.get(key): item for item in target}, []
    order = list(kept)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {json.dumps(item)} does not contain declared merge key: {key}")
        old = kept.pop(item[key], {})
        if item.get("$patch") != "delete":
            merged.append(strategic(old, item))
    return _in_order(merged, list(kept.values()), order, key)


def _in_order(patched: list[Any], others: list[Any], order: list[Any], key: str) -> list[Any]:
    """Two lists as one: items that were there before stay in their order, new ones come first."""
    result = []
    while patched and others:
        left, right = patched[0].get(key), others[0].get(key)
        if left in order and order.index(right) < order.index(left):
            result.append(others.pop(0))
        else:
            result.append(patched.pop(0))
    return result + patched + others


def _json_patch(target: Any, patch: Any) -> Any:
    """RFC 6902."""
    if not isinstance(patch, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal"
            f" {_name(patch)} into Go value of type []handlers.jsonPatchOp"
        )
    for operation in patch:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch: an operation must be an object")
        target = _operate(target, operation)
    return target


def _operate(target: Any, operation: dict[str, Any]) -> Any:
    name, path = operation.get("op"), operation.get("path", "")
    if name == "add":
        return _put(target, path, copy.deepcopy(operation.get("value")), insert=True)
    if name == "replace":
        return _put(target, path, copy.deepcopy(operation.get("value")), insert=False)
    if name == "remove":
        return _remove(target, path)
    if name == "test":
        return _test(target, path, operation.get("value"))
    if name in ("move", "copy"):
        source = str(operation.get("from", ""))
        value = copy.deepcopy(_find(target, source, name))
        if name == "move":
            target = _remove(target, source)
        return _put(target, path, value, insert=True)
    raise bad_request(f"error decoding patch: Unexpected kind: {name}")


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _find(target: Any, path: str, name: str) -> Any:
    for part in _parts(path):
        try:
            target = target[int(part)] if isinstance(target, list) else target[part]
        except (KeyError, IndexError, ValueError, TypeError):
            why = f"{name} operation does not apply: doc is missing key: {path}"
            raise _does_not_apply(f"{why}: missing value") from None
    return target


def _put(target: Any, path: str, value: Any, *, insert: bool) -> Any:
    parts = _parts(path)
    if not parts:
        return value
    name = "add" if insert else "replace"
    parent = _find(target, path.rpartition("/")[0], name)
    last = parts[-1]
    try:
        if isinstance(parent, dict):
            parent[last] = value
        elif last == "-":
            parent.append(value)
        elif insert:
            parent.insert(int(last), value)
        else:
            parent[int(last)] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        raise _does_not_apply(f"{name} operation does not apply: {path}") from None
    return target


def _remove(target: Any, path: str) -> Any:
    _find(target, path, "remove")
    parent, last = _find(target, path.rpartition("/")[0], "remove"), _parts(path)[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return target


def _test(target: Any, path: str, value: Any) -> Any:
    if _find(target, path, "testing") != value:
        why = f"testing value {path} failed: test failed"
        raise _does_not_apply(why)
    return target


def _does_not_apply(why: str) -> ApiError:
    """The API does not say what did not fit; neither does this, but for the log of the sandbox."""
    print(f"json patch: {why}", file=sys.stderr, flush=True)
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def _name(value: Any) -> str:
    return {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
