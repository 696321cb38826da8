"""What the API server's admission does to a new pod before it is validated, and a new node."""

from ..cluster import Cluster
from ..errors import forbidden
from ..resources import PODS, SERVICEACCOUNTS
from ..store import Object

_DEFAULT_SECONDS = 300  # that a pod stays on a node which is lost
_LOST = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit_pod(cluster: Cluster, obj: Object) -> None:
    """Raises 403 for a ServiceAccount that is not there (yet)."""
    spec = obj["spec"]
    _set_service_account(cluster, obj)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerate_lost_nodes(spec)
    if strike := cluster.faults.of_pod("image_pull", obj["metadata"]["name"], _images(spec)):
        _mark(obj, strike.rule.image, strike.rule.cause)


def _set_service_account(cluster: Cluster, obj: Object) -> None:
    spec, namespace = obj["spec"], obj["metadata"]["namespace"]
    name = spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = name
    account = cluster.store.get(SERVICEACCOUNTS.plural, namespace, name)
    if account is None:
        missing = f'serviceaccount "{name}" not found'
        why = f"error looking up service account {namespace}/{name}: {missing}"
        raise forbidden(PODS, obj["metadata"].get("name", ""), why)
    if "imagePullSecrets" not in spec and account.obj.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account.copy()["imagePullSecrets"]


def tolerate_lost_nodes(spec: Object) -> None:
    """For 300 s, unless the pod says something of its own."""
    given = spec.get("tolerations") or []
    for key in _LOST:
        if not any(_speaks_of(toleration, key) for toleration in given):
            toleration = {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": _DEFAULT_SECONDS,
            }
            given = [*given, toleration]
    spec["tolerations"] = given


def _speaks_of(toleration: Object, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in (
        "",
        "NoExecute",
    )


def _images(spec: Object) -> list[str]:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return [container.get("image", "") for container in containers]


PULL_FAILURE = "sandbox/image-pull-failure"


def _mark(obj: Object, image: str, cause: str) -> None:
    """Tell whoever runs the pod which images cannot be pulled, and why: "cause regex"."""
    obj["metadata"].setdefault("annotations", {})[PULL_FAILURE] = f"{cause} {image}"


def admit_node(cluster: Cluster, obj: Object) -> None:
    """A new node gets nothing to run until it is ready."""
    taint = {"key": _LOST[0], "effect": "NoSchedule"}
    taints = obj.setdefault("spec", {}).setdefault("taints", [])
    if not any(t["key"] == taint["key"] and t["effect"] == taint["effect"] for t in taints):
        taints.append(taint)
