"""The spec of a pod, or of a pod template."""

import ipaddress
from collections.abc import Callable

from ..errors import FieldError, invalid, required, unsupported
from ..store import Object
from . import names
from .containers import validate_containers, validate_init_containers
from .meta import validate_labels
from .seccomp import seccomp_errors
from .volumes import validate_volumes

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")


def validate_pod_spec(spec: Object, path: str) -> list[FieldError]:
    volumes, errors = validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    errors += validate_containers(spec.get("containers") or [], volumes, f"{path}.containers")
    errors += validate_init_containers(
        spec.get("initContainers") or [],
        spec.get("containers") or [],
        volumes,
        f"{path}.initContainers",
    )
    for name, known in (("restartPolicy", _RESTART_POLICIES), ("dnsPolicy", _DNS_POLICIES)):
        if spec.get(name) not in known:
            errors.append(unsupported(f"{path}.{name}", spec.get(name), known))
    errors += validate_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    errors += _security_errors(spec.get("securityContext") or {}, f"{path}.securityContext")
    errors += _name_errors(spec, path)
    errors += _deadline_errors(spec, path)
    for number, toleration in enumerate(spec.get("tolerations") or ()):
        errors += _toleration_errors(toleration, f"{path}.tolerations[{number}]")
    for number, alias in enumerate(spec.get("hostAliases") or ()):
        errors += _alias_errors(alias, f"{path}.hostAliases[{number}]")
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        detail = 'must provide at least one DNS nameserver when `dnsPolicy` is "None"'
        errors.append(required(f"{path}.dnsConfig.nameservers", detail))
    return errors


def _name_errors(spec: Object, path: str) -> list[FieldError]:
    checks: dict[str, Callable[[str], list[str]]] = {
        "serviceAccountName": names.subdomain_errors,
        "nodeName": names.subdomain_errors,
        "hostname": names.label_errors,
        "subdomain": names.label_errors,
        "priorityClassName": names.subdomain_errors,
        "runtimeClassName": names.subdomain_errors,
    }
    return [
        invalid(f"{path}.{name}", spec[name], text)
        for name, check in checks.items()
        if spec.get(name)
        for text in check(spec[name])
    ]


def _deadline_errors(spec: Object, path: str) -> list[FieldError]:
    deadline, errors = spec.get("activeDeadlineSeconds"), []
    if deadline is not None and not 1 <= deadline < 2**31:
        detail = f"must be between 1 and {2**31 - 1}, inclusive"
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, detail))
    return errors


def _security_errors(context: Object, path: str) -> list[FieldError]:
    errors = []
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        value = context.get(name)
        if value is not None and not 0 <= value < 2**31:
            detail = f"must be between 0 and {2**31 - 1}, inclusive"
            errors.append(invalid(f"{path}.{name}", value, detail))
    return errors + seccomp_errors(context.get("seccompProfile"), f"{path}.seccompProfile")


def _toleration_errors(toleration: Object, path: str) -> list[FieldError]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    value, effect = toleration.get("value", ""), toleration.get("effect", "")
    found = names.qualified_name_errors(key) if key else []
    errors = [invalid(f"{path}.key", key, text) for text in found]
    if not key and operator != "Exists":
        detail = (
            'operator must be Exists when `key` is empty, which means "match all values and all'
            ' keys"'
        )
        errors.append(invalid(f"{path}.operator", operator, detail))
    if "tolerationSeconds" in toleration and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, detail))
    if operator in ("", "Equal"):
        if found := names.label_value_errors(value):
            errors.append(invalid(f"{path}.operator", value, ";".join(found)))
    elif operator == "Exists":
        if value:
            detail = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid(f"{path}.operator", value, detail))
    else:
        errors.append(unsupported(f"{path}.operator", operator, ("Equal", "Exists")))
    if effect and effect not in _EFFECTS:
        errors.append(unsupported(f"{path}.effect", effect, _EFFECTS))
    return errors


def _alias_errors(alias: Object, path: str) -> list[FieldError]:
    errors, ip = [], alias.get("ip", "")
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        errors.append(invalid(f"{path}.ip", ip, detail))
    for number, host in enumerate(alias.get("hostnames") or ()):
        where = f"{path}.hostnames[{number}]"
        errors += [invalid(where, host, text) for text in names.subdomain_errors(host)]
    return errors
