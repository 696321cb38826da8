"""Jobs."""

from ..cluster import Cluster
from ..errors import FieldError
from ..store import Object
from .pods import default_pod_spec

_UID, _NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_OLD_UID, _OLD_NAME = "controller-uid", "job-name"


def default_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    replacement = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    spec.setdefault("podReplacementPolicy", replacement)
    spec.setdefault("manualSelector", False)
    template = spec.setdefault("template", {})
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    default_pod_spec(template.setdefault("spec", {}))


def prepare_job(cluster: Cluster, obj: Object) -> None:
    obj["status"] = {}
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    labels.update(
        {_UID: meta["uid"], _NAME: meta["name"], _OLD_UID: meta["uid"], _OLD_NAME: meta["name"]}
    )
    spec["selector"] = {"matchLabels": {_UID: meta["uid"]}}


def validate_job(obj: Object) -> list[FieldError]:
    return []


def validate_job_update(obj: Object, old: Object) -> list[FieldError]:
    return []
