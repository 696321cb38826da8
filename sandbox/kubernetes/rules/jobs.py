"""Jobs: what is filled in, what is refused, what may change."""

from ..cluster import Cluster
from ..errors import FieldError, field_forbidden, invalid, required, unsupported
from ..selectors import matches_selector
from ..store import Object
from .meta import validate_annotations, validate_labels
from .pod_spec import validate_pod_spec
from .pods import default_pod_spec

_UID, _NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_OLD_UID, _OLD_NAME = "controller-uid", "job-name"
_NOT_NEGATIVE = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_IMMUTABLE = (
    "completions",
    "selector",
    "template",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
# The controller here does not act by these, so it must not pretend to.
_NOT_SERVED = ("podFailurePolicy", "successPolicy", "managedBy")
# Of the template of a Job that was never started.
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


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
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def prepare_job(cluster: Cluster, obj: Object) -> None:
    obj["status"] = {}
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for key, value in _generated_labels(meta).items():
        labels.setdefault(key, value)
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault(_UID, meta["uid"])


def _generated_labels(meta: Object) -> dict[str, str]:
    uid, name = meta["uid"], meta.get("name", "")
    return {_OLD_UID: uid, _OLD_NAME: name, _UID: uid, _NAME: name}


def finish_job(obj: Object) -> None:
    """A Job without labels shows those of its pods."""
    labels = (obj["spec"]["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def validate_job(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    errors = _generated_errors(obj)
    errors += [
        invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in _NOT_NEGATIVE
        if spec.get(name, 0) < 0
    ]
    errors += _mode_errors(spec)
    if spec["podReplacementPolicy"] not in ("Failed", "TerminatingOrFailed"):
        known = ("Failed", "TerminatingOrFailed")
        errors.append(unsupported("spec.podReplacementPolicy", spec["podReplacementPolicy"], known))
    errors += _template_errors(spec["template"], "spec.template")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not spec.get("selector"):
        errors.append(required("spec.selector"))
    elif not matches_selector(spec["selector"], labels):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels, detail))
    return errors


def _generated_errors(obj: Object) -> list[FieldError]:
    """Labels and selector that somebody else has set must be those that are generated."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or not spec.get("selector"):
        return []
    labels, errors = spec["template"]["metadata"].get("labels") or {}, []
    expected = _generated_labels(meta)
    for key, value in expected.items():
        if labels.get(key) != value:
            path = f"spec.template.metadata.labels[{key}]"
            errors.append(invalid(path, labels, f"must be '{value}'"))
    if not matches_selector(spec["selector"], expected):
        detail = "`selector` not auto-generated"
        errors.append(invalid("spec.selector", spec["selector"], detail))
    return errors


def _mode_errors(spec: Object) -> list[FieldError]:
    errors = []
    if spec["completionMode"] not in ("Indexed", "NonIndexed"):
        known = ("NonIndexed", "Indexed")
        errors.append(unsupported("spec.completionMode", spec["completionMode"], known))
    elif spec["completionMode"] == "Indexed":
        detail = "the sandbox does not run indexed Jobs"
        errors.append(field_forbidden("spec.completionMode", detail))
    else:
        errors += [
            invalid(f"spec.{name}", spec[name], "requires indexed completion mode")
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if name in spec
        ]
    errors += [
        field_forbidden(f"spec.{name}", "the sandbox's controller does not act by it")
        for name in _NOT_SERVED
        if name in spec
    ]
    return errors


def _template_errors(template: Object, path: str) -> list[FieldError]:
    meta, spec = template.get("metadata") or {}, template["spec"]
    errors = validate_labels(meta.get("labels") or {}, f"{path}.labels")
    errors += validate_annotations(meta.get("annotations") or {}, f"{path}.annotations")
    errors += validate_pod_spec(spec, f"{path}.spec")
    where, policy = f"{path}.spec.restartPolicy", spec["restartPolicy"]
    if policy == "Always":
        errors.append(required(where, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(unsupported(where, policy, ("OnFailure", "Never")))
    return errors


def validate_job_update(obj: Object, old: Object) -> list[FieldError]:
    errors = validate_job(obj)
    spec, before = obj["spec"], dict(old["spec"])
    if before.get("suspend") and "startTime" not in old["status"]:
        before["template"] = _with_new_scheduling(before["template"], spec["template"])
    return errors + [
        invalid(f"spec.{name}", spec.get(name), "field is immutable")
        for name in _IMMUTABLE
        if spec.get(name) != before.get(name)
    ]


def _with_new_scheduling(old: Object, new: Object) -> Object:
    """Where a Job's pods may run can be changed until it is started."""
    kept = {key: value for key, value in old["spec"].items() if key not in _SCHEDULING}
    fresh = {key: new["spec"][key] for key in _SCHEDULING if key in new["spec"]}
    meta = dict(old.get("metadata") or {})
    for key in ("labels", "annotations"):
        meta.pop(key, None)
        if key in (new.get("metadata") or {}):
            meta[key] = new["metadata"][key]
    return {**old, "metadata": meta, "spec": {**kept, **fresh}}
