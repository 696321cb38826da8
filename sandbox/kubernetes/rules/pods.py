"""Pods: what is filled in, and what may change."""

from collections.abc import Iterator

from .. import quantity
from ..cluster import Cluster
from ..errors import FieldError, field_forbidden, invalid
from ..store import Object
from .pod_spec import validate_pod_spec

# Labels of nodes that were renamed: since when, and to what.
_RENAMED = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def default_pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in every_container(spec):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)


def default_pod_spec(spec: Object) -> None:
    """What a pod and a template both get."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("schedulerName", "default-scheduler")
    if name := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for container in every_container(spec):
        _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)


def every_container(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _default_container(container: Object) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    latest = _tag(container.get("image", "")) == "latest"
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if kind in container:
            _default_probe(container[kind])
    for variable in container.get("env") or ():
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")


def _tag(image: str) -> str:
    if "@" in image:
        return ""
    name = image.rpartition("/")[2]
    return name.partition(":")[2] or "latest"


def _default_probe(probe: Object) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _default_volume(volume: Object) -> None:
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", 0o644)


def prepare_pod(cluster: Cluster, obj: Object) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": _quality(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": cluster.timestamp(),
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
        obj["status"]["conditions"] = [condition]


def _quality(spec: Object) -> str:
    """The quality-of-service class."""
    containers = [container["resources"] for container in every_container(spec)]
    if not any(r.get("requests") or r.get("limits") for r in containers):
        return "BestEffort"
    for resources in containers:
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            if name not in limits or not _same(limits[name], requests.get(name, limits[name])):
                return "Burstable"
    return "Guaranteed"


def _same(left: str, right: str) -> bool:
    return quantity.parse(left) == quantity.parse(right)


def validate_pod(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    errors = validate_pod_spec(spec, "spec")
    for group in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(group) or ()):
            image = container.get("image", "")
            if image != image.strip():
                path = f"spec.{group}[{number}].image"
                detail = "must not have leading or trailing whitespace"
                errors.append(invalid(path, image, detail))
    return errors


def validate_pod_update(obj: Object, old: Object) -> list[FieldError]:
    errors = validate_pod(obj)
    new_spec, old_spec = _without_updatable(obj["spec"]), _without_updatable(old["spec"])
    for group in ("containers", "initContainers"):
        if len(new_spec.get(group) or ()) != len(old_spec.get(group) or ()):
            detail = "pod updates may not add or remove containers"
            return [*errors, field_forbidden(f"spec.{group}", detail)]
    kept = obj["spec"].get("tolerations") or ()
    if any(toleration not in kept for toleration in old["spec"].get("tolerations") or ()):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(field_forbidden("spec.tolerations", detail))
    if new_spec != old_spec:
        changed = sorted(k for k in {*new_spec, *old_spec} if new_spec.get(k) != old_spec.get(k))
        detail = f"pod updates may not change fields other than {_UPDATABLE}\n{changed}"
        errors.append(field_forbidden("spec", detail))
    return errors


def _without_updatable(spec: Object) -> Object:
    left = {k: v for k, v in spec.items() if k not in ("tolerations", "activeDeadlineSeconds")}
    for group in ("containers", "initContainers"):
        if group in left:
            left[group] = [{**container, "image": ""} for container in left[group]]
    return left


def validate_pod_status(obj: Object, old: Object) -> list[FieldError]:
    """A pod that is not restarted has containers that end once."""
    errors: list[FieldError] = []
    status, before = obj.get("status") or {}, old.get("status") or {}
    if status.get("qosClass") != before.get("qosClass"):
        value = status.get("qosClass", "")
        errors.append(invalid("status.qosClass", value, "field is immutable"))
    if old["spec"].get("restartPolicy") == "Always":
        return errors
    sidecars = {
        container["name"]
        for container in old["spec"].get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for group in ("containerStatuses", "initContainerStatuses"):
        errors += _revived(status.get(group) or [], before.get(group) or [], sidecars, group, old)
    return errors


def _revived(
    new: list[Object], old: list[Object], sidecars: set[str], group: str, pod: Object
) -> Iterator[FieldError]:
    states = {status["name"]: status.get("state") or {} for status in new}
    again = pod["spec"].get("restartPolicy") == "OnFailure"
    for number, status in enumerate(old):
        ended = (status.get("state") or {}).get("terminated")
        if not ended or status["name"] in sidecars or status["name"] not in states:
            continue
        if again and ended.get("exitCode"):
            continue
        if "terminated" not in states[status["name"]]:
            path = f"status.{group}[{number}].state"
            yield field_forbidden(path, "may not be transitioned to non-terminated state")


def warn_of_pod(spec: Object, path: str) -> list[str]:
    """What the API accepts and does not like."""
    warnings = [*_renamed_labels(spec, path)]
    for group in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(group) or ()):
            warnings += _hidden_variables(container, f"{path}.{group}[{number}]")
            warnings += _doubled_ports(container, f"{path}.{group}[{number}]")
    return warnings


def _renamed_labels(spec: Object, path: str) -> Iterator[str]:
    for label in sorted(spec.get("nodeSelector") or {}):
        if label in _RENAMED:
            since, name = _RENAMED[label]
            yield f'{path}.nodeSelector[{label}]: deprecated since {since}; use "{name}" instead'


def _hidden_variables(container: Object, path: str) -> Iterator[str]:
    seen = set()
    for number, variable in enumerate(container.get("env") or ()):
        if variable["name"] in seen:
            hides = f'hides previous definition of "{variable["name"]}"'
            yield f"{path}.env[{number}]: {hides}, which may be dropped when using apply"
        seen.add(variable["name"])


def _doubled_ports(container: Object, path: str) -> Iterator[str]:
    seen: dict[tuple[str, int], int] = {}
    for number, port in enumerate(container.get("ports") or ()):
        key = (port.get("protocol", "TCP"), port["containerPort"])
        if key in seen:
            first = f"{path}.ports[{seen[key]}]"
            yield f"{path}.ports[{number}]: duplicate port definition with {first}"
        else:
            seen[key] = number
