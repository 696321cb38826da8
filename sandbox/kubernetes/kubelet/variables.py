"""The environment of a container: env, envFrom, valueFrom and $(NAME), as the kubelet reads them.

Source: `makeEnvironmentVariables` of the kubelet and third_party/forked/golang/expansion.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sandbox.kubernetes import quantity

from .spec import ContainerSpec, Json, PodSpec

# `lookup("Secret" | "ConfigMap", name)` is the object, None where there is none.
Lookup = Callable[[str, str], Json | None]
_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")
_METADATA = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """CreateContainerConfigError; the message is the kubelet's."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the pod only on its node."""

    pod_ip: str
    host_ip: str
    node: str


def expand(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) replaced where it is known and left alone where not; $$ is one dollar sign."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def environment(
    pod: PodSpec, container: ContainerSpec, facts: Facts, lookup: Lookup
) -> dict[str, str]:
    """Raises ConfigError."""
    result: dict[str, str] = {}
    for source in container.raw.get("envFrom") or []:
        result |= _env_from(pod, source, lookup)
    for entry in container.raw.get("env") or []:
        if reference := entry.get("valueFrom"):
            value = _value_from(pod, container, reference, facts, lookup)
        else:
            value = expand(str(entry.get("value") or ""), result)
        if value is not None:
            result[entry["name"]] = value
    return result


def texts(kind: str, found: Json) -> dict[str, bytes]:
    """The entries of a Secret or ConfigMap."""
    data = found.get("data") or {}
    binary = data if kind == "Secret" else found.get("binaryData") or {}
    plain = {} if kind == "Secret" else data
    return {
        **{key: str(text).encode() for key, text in plain.items()},
        **{key: base64.b64decode(text) for key, text in binary.items()},
    }


def _env_from(pod: PodSpec, source: Json, lookup: Lookup) -> dict[str, str]:
    kind = "Secret" if "secretRef" in source else "ConfigMap"
    reference = source.get("secretRef") or source.get("configMapRef") or {}
    found = _find(pod, kind, reference, lookup)
    prefix = source.get("prefix") or ""
    entries = texts(kind, found).items() if found else ()
    return {prefix + key: data.decode("utf-8", "replace") for key, data in entries}


def _find(pod: PodSpec, kind: str, reference: Json, lookup: Lookup) -> Json | None:
    """None where it is missing and may be. Raises ConfigError where it may not."""
    found = lookup(kind, reference.get("name", ""))
    if found is None and not reference.get("optional"):
        raise ConfigError(f'{kind.lower()} "{reference.get("name", "")}" not found')
    return found


def _value_from(
    pod: PodSpec, container: ContainerSpec, reference: Json, facts: Facts, lookup: Lookup
) -> str | None:
    if key := reference.get("secretKeyRef"):
        return _key(pod, "Secret", key, lookup)
    if key := reference.get("configMapKeyRef"):
        return _key(pod, "ConfigMap", key, lookup)
    if field := reference.get("fieldRef"):
        return _field(pod, str(field.get("fieldPath")), facts)
    if field := reference.get("resourceFieldRef"):
        return _resource(pod, container, field)
    raise ConfigError(f"unsupported valueFrom: {', '.join(reference)}")


def _key(pod: PodSpec, kind: str, reference: Json, lookup: Lookup) -> str | None:
    found = _find(pod, kind, reference, lookup)
    if found is None:
        return None
    data = texts(kind, found).get(reference["key"])
    if data is None and not reference.get("optional"):
        place = f"{pod.namespace}/{reference['name']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {place}")
    return None if data is None else data.decode("utf-8", "replace")


def _field(pod: PodSpec, path: str, facts: Facts) -> str:
    known: dict[str, Any] = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.uid,
        "spec.nodeName": facts.node,
        "spec.serviceAccountName": pod.spec.get("serviceAccountName") or "default",
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
    }
    if found := _METADATA.fullmatch(path):
        return str((pod.metadata.get(found[1]) or {}).get(found[2], ""))
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(known[path])


def _resource(pod: PodSpec, container: ContainerSpec, reference: Json) -> str:
    """In units of the divisor, rounded up. Without a limit: the request, as nothing is enforced."""
    raw = container.raw
    if name := reference.get("containerName"):
        raw = next((c.raw for c in pod.containers if c.name == name), {})
    kind, _, resource = str(reference.get("resource")).partition(".")
    given = raw.get("resources") or {}
    text = (given.get(kind) or {}).get(resource) or (given.get("requests") or {}).get(resource)
    divisor = quantity.parse(str(reference.get("divisor") or "1")) or Decimal(1)
    amount = quantity.parse(str(text or "0")) / divisor
    return str(amount.to_integral_value(ROUND_CEILING))
