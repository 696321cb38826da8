"""Containers: regular ones, init containers and sidecars."""

from collections.abc import Callable, Iterable

from .. import quantity
from ..errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid,
    required,
    unsupported,
)
from ..store import Object
from . import names
from .security import validate_security

_STANDARD = ("cpu", "memory", "ephemeral-storage")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_ONLY_SIDECARS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_NOT_NEGATIVE = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_FROM = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")


def validate_containers(containers: list[Object], volumes: set[str], path: str) -> list[FieldError]:
    if not containers:
        return [required(path)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, container in enumerate(containers):
        here = f"{path}[{number}]"
        errors += _common_errors(container, volumes, here)
        if container.get("name") in seen:
            errors.append(duplicate(f"{here}.name", container["name"]))
        seen.add(container.get("name", ""))
        errors += _probe_errors(container, here)
        if "restartPolicy" in container:
            detail = "may not be set for non-init containers"
            errors.append(field_forbidden(f"{here}.restartPolicy", detail))
    return errors


def validate_init_containers(
    containers: list[Object], regular: Iterable[Object], volumes: set[str], path: str
) -> list[FieldError]:
    errors: list[FieldError] = []
    seen = {container.get("name", "") for container in regular}
    for number, container in enumerate(containers):
        here = f"{path}[{number}]"
        errors += _common_errors(container, volumes, here)
        policy = container.get("restartPolicy")
        if policy not in (None, "Always"):
            errors.append(unsupported(f"{here}.restartPolicy", policy, ("Always",)))
        if container.get("name") in seen:
            errors.append(duplicate(f"{here}.name", container["name"]))
        seen.add(container.get("name", ""))
        if policy == "Always":
            errors += _probe_errors(container, here)
        else:
            detail = "may not be set for init containers without restartPolicy=Always"
            present = [name for name in _ONLY_SIDECARS if name in container]
            errors += [field_forbidden(f"{here}.{name}", detail) for name in present]
    return errors


def _common_errors(container: Object, volumes: set[str], path: str) -> list[FieldError]:
    errors, name = [], container.get("name", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += [invalid(f"{path}.name", name, text) for text in names.label_errors(name)]
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    for field, known in (
        ("terminationMessagePolicy", _MESSAGE_POLICIES),
        ("imagePullPolicy", _PULL_POLICIES),
    ):
        if container[field] not in known:
            errors.append(unsupported(f"{path}.{field}", container[field], known))
    errors += _port_errors(container.get("ports") or [], f"{path}.ports")
    for number, variable in enumerate(container.get("env") or ()):
        errors += _env_errors(variable, f"{path}.env[{number}]")
    for number, source in enumerate(container.get("envFrom") or ()):
        errors += _env_from_errors(source, f"{path}.envFrom", number)
    mounts = container.get("volumeMounts") or []
    errors += _mount_errors(mounts, volumes, f"{path}.volumeMounts")
    errors += validate_resources(container["resources"], f"{path}.resources")
    return errors + validate_security(container.get("securityContext"), f"{path}.securityContext")


def _port_errors(ports: list[Object], path: str) -> list[FieldError]:
    errors, seen = [], set()
    for number, port in enumerate(ports):
        here, name = f"{path}[{number}]", port.get("name", "")
        if name:
            found = names.port_name_errors(name)
            errors += [invalid(f"{here}.name", name, text) for text in found]
            if not found and name in seen:
                errors.append(duplicate(f"{here}.name", name))
            seen.add(name)
        for field in ("containerPort", "hostPort"):
            value = port.get(field, 0)
            if not value and field == "containerPort":
                errors.append(required(f"{here}.{field}"))
            elif value and not 1 <= value <= 65535:
                errors.append(invalid(f"{here}.{field}", value, _PORT_RULE))
        if port.get("protocol") not in _PROTOCOLS:
            errors.append(unsupported(f"{here}.protocol", port.get("protocol"), _PROTOCOLS))
    return errors


_PORT_RULE = "must be between 1 and 65535, inclusive"


def _env_errors(variable: Object, path: str) -> list[FieldError]:
    errors, name = [], variable.get("name", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += [invalid(f"{path}.name", name, text) for text in names.env_name_errors(name)]
    source = variable.get("valueFrom")
    if source is None:
        return errors
    here, given = f"{path}.valueFrom", [kind for kind in _FROM if kind in source]
    if not given:
        one_of = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        return [*errors, invalid(here, "", f"must specify one of: {one_of}")]
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            errors += _key_errors(source[kind], f"{here}.{kind}")
    if "fieldRef" in source:
        errors += _field_ref_errors(source["fieldRef"], f"{here}.fieldRef")
    if variable.get("value"):
        errors.append(invalid(here, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        errors.append(invalid(here, "", "may not have more than one field specified at a time"))
    return errors


def _key_errors(selector: Object, path: str) -> list[FieldError]:
    name, key = selector.get("name", ""), selector.get("key", "")
    errors = [invalid(f"{path}.name", name, text) for text in names.subdomain_errors(name)]
    if not key:
        return [*errors, required(f"{path}.key")]
    return errors + [invalid(f"{path}.key", key, text) for text in names.config_key_errors(key)]


def _field_ref_errors(reference: Object, path: str) -> list[FieldError]:
    wanted = reference.get("fieldPath", "")
    if not wanted:
        return [required(f"{path}.fieldPath")]
    if wanted in _FIELD_PATHS or wanted.startswith(("metadata.labels['", "metadata.annotations['")):
        return []
    detail = f"error converting fieldPath: field label not supported: {wanted}"
    return [invalid(f"{path}.fieldPath", wanted, detail)]


def _env_from_errors(source: Object, path: str, number: int) -> list[FieldError]:
    errors, here = [], f"{path}[{number}]"
    if prefix := source.get("prefix"):
        errors += [invalid(f"{here}.prefix", prefix, t) for t in names.env_name_errors(prefix)]
    given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
    for kind in given:
        name = source[kind].get("name", "")
        if not name:
            errors.append(required(f"{here}.{kind}.name"))
        else:
            found = names.subdomain_errors(name)
            errors += [invalid(f"{here}.{kind}.name", name, text) for text in found]
    if not given:
        errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(given) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _mount_errors(mounts: list[Object], volumes: set[str], path: str) -> list[FieldError]:
    errors, seen = [], set()
    for number, mount in enumerate(mounts):
        here, name = f"{path}[{number}]", mount.get("name", "")
        where, sub = mount.get("mountPath", ""), mount.get("subPath", "")
        if not name:
            errors.append(required(f"{here}.name"))
        if name not in volumes:
            errors.append(field_not_found(f"{here}.name", name))
        if not where:
            errors.append(required(f"{here}.mountPath"))
        if where in seen:
            errors.append(invalid(f"{here}.mountPath", where, "must be unique"))
        seen.add(where)
        if sub:
            errors += descending_path_errors(sub, f"{path}.subPath")
    return errors


def descending_path_errors(text: str, path: str) -> list[FieldError]:
    errors = []
    if text.startswith("/"):
        errors.append(invalid(path, text, "must be a relative path"))
    if ".." in text.split("/"):
        errors.append(invalid(path, text, "must not contain '..'"))
    return errors


def validate_resources(resources: Object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for group, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            here = f"{path}.{group}[{name}]"
            errors += _resource_name_errors(name, here)
            if quantity.parse(text) < 0:
                errors.append(invalid(here, text, "must be greater than or equal to 0"))
            limit = limits.get(name) if group == "requests" else None
            if limit is not None and quantity.parse(text) > quantity.parse(limit):
                detail = f"must be less than or equal to {name} limit of {limit}"
                errors.append(invalid(f"{path}.requests", text, detail))
    return errors


def _resource_name_errors(name: str, path: str) -> list[FieldError]:
    errors = [invalid(path, name, text) for text in names.qualified_name_errors(name)]
    if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
        detail = "must be a standard resource type or fully qualified"
        errors.append(invalid(path, name, detail))
        errors.append(invalid(path, name, "must be a standard resource for containers"))
    return errors


def _probe_errors(container: Object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(kind)
        if probe is None:
            continue
        here = f"{path}.{kind}"
        errors += _handler_errors(probe, here)
        for field in _NOT_NEGATIVE:
            if probe.get(field, 0) < 0:
                detail = "must be greater than or equal to 0"
                errors.append(invalid(f"{here}.{field}", probe[field], detail))
        threshold = probe["successThreshold"]
        if kind != "readinessProbe" and threshold != 1:
            errors.append(invalid(f"{here}.successThreshold", threshold, "must be 1"))
    return errors


def _handler_errors(probe: Object, path: str) -> list[FieldError]:
    given = [kind for kind in _HANDLERS if kind in probe]
    if not given:
        return [required(path, "must specify a handler type")]
    errors, first = [], given[0]
    if first == "exec" and not probe["exec"].get("command"):
        errors.append(required(f"{path}.exec.command"))
    if first in ("httpGet", "tcpSocket", "grpc"):
        port = probe[first].get("port", 0)
        check: Callable[[str], list[str]] = names.port_name_errors
        if isinstance(port, str):
            errors += [invalid(f"{path}.{first}.port", port, text) for text in check(port)]
        elif not 1 <= port <= 65535:
            errors.append(invalid(f"{path}.{first}.port", port, _PORT_RULE))
    detail = "may not specify more than 1 handler type"
    return errors + [field_forbidden(f"{path}.{kind}", detail) for kind in given[1:]]
