"""The Job of one Assignment, with what belongs to it."""

import json
from dataclasses import dataclass
from uuid import UUID

from kube.manifest import ours, theirs
from kube.manifest.builder import builder
from kube.manifest.dependents import config_map, secrets
from kube.manifest.places import Json
from kube.manifest.request import ImageSource, JobRequest, Times, times_of
from kube.manifest.settings import ManifestSettings
from kube.manifest.values import SecretValues, check_uses
from kube.manifest.volumes import volumes
from kube.names import HOSTNAME
from kube.planner.plan import Plan

MANAGER = "switchyard"
INSTALLATION, TASK, ASSIGNMENT, ATTEMPT, SUFFIX, BUILT_BY = (
    f"{MANAGER}/{name}"
    for name in ("installation", "task", "assignment", "attempt", "suffix", "built-by")
)


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """`job` is suspended: what belongs to it needs the Job's UID, and its pod needs all of that."""

    job: Json
    secrets: tuple[Json, ...]
    config_map: Json

    def dependents(self, job_uid: str) -> tuple[Json, ...]:
        """Secrets and ConfigMap, which are deleted with the Job of this UID."""
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": self.job["metadata"]["name"],
            "uid": job_uid,
        }
        return tuple(
            {**item, "metadata": {**item["metadata"], "ownerReferences": [owner]}}
            for item in (*self.secrets, self.config_map)
        )


def manifests(plan: Plan, request: JobRequest, settings: ManifestSettings) -> Manifests:
    """Raises TaskRefused where the Task's variables do not go with the plan. The same arguments
    always make the same manifests."""
    check_uses(plan, request.variables)
    values = SecretValues(variables=request.variables, secret=request.dependents)
    times = times_of(plan, request, settings)
    pod = _pod(plan, request, settings, times, values)
    owned = {"namespace": settings.namespace, "labels": _labels(request, settings)}
    return Manifests(
        job=_job(request, settings, times, pod),
        secrets=tuple(secrets(request, values.texts, owned)),
        config_map=config_map(plan, request, owned),
    )


def selector(settings: ManifestSettings) -> str:
    """What labels all Jobs and pods of this installation have."""
    return f"app.kubernetes.io/managed-by={MANAGER},{INSTALLATION}={settings.installation}"


def suffix_of(job: Json) -> str:
    """What tells the names of all that belongs to this Job from those of any other."""
    return str(job["metadata"]["labels"].get(SUFFIX, ""))


def source_of(job: Json) -> ImageSource:
    """Where this Job has its image from: what it was made with stays, whatever has become of it."""
    built_by = job["metadata"]["labels"].get(BUILT_BY)
    (test,) = job["spec"]["template"]["spec"]["containers"]
    return ImageSource(reference=test["image"], built_by=UUID(built_by) if built_by else None)


def _labels(request: JobRequest, settings: ManifestSettings) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": MANAGER,
        INSTALLATION: settings.installation,
        TASK: str(request.task_id),
        ASSIGNMENT: str(request.assignment_id),
        ATTEMPT: str(request.attempt),
        **({SUFFIX: request.suffix} if request.suffix else {}),
        **({BUILT_BY: str(request.source.built_by)} if request.source.built_by else {}),
    }


def _annotations(request: JobRequest) -> dict[str, str]:
    """For people who look at a Job: nothing reads them."""
    return {
        f"{MANAGER}/account": request.account,
        f"{MANAGER}/repository": request.repository,
        f"{MANAGER}/commit": request.commit,
        f"{MANAGER}/labels": json.dumps(dict(request.labels), ensure_ascii=False),
    }


def _job(request: JobRequest, settings: ManifestSettings, times: Times, pod: Json) -> Json:
    labels = _labels(request, settings)
    # The autoscaler must not move what cannot be moved.
    keep = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": request.name,
            "namespace": settings.namespace,
            "labels": labels,
            "annotations": _annotations(request),
        },
        "spec": {
            "suspend": True,
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": times.deadline,
            "ttlSecondsAfterFinished": settings.time_to_live,
            "template": {"metadata": {"labels": labels, "annotations": keep}, "spec": pod},
        },
    }


def _pod(
    plan: Plan,
    request: JobRequest,
    settings: ManifestSettings,
    times: Times,
    values: SecretValues,
) -> Json:
    *services, test = theirs.services(plan, request, settings, values)
    building = [builder(plan, request, settings, values)] if request.builds else []
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": times.grace,
        "hostname": HOSTNAME,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        **_scheduling(settings),
        **_network(settings),
        **_pull_secrets(request, settings),
        "initContainers": [
            ours.tools(settings),
            ours.agent(request, settings, times),
            ours.clone(request, settings, times),
            *building,
            *services,
        ],
        "containers": [test],
        "volumes": volumes(plan, request, settings),
    }


def _scheduling(settings: ManifestSettings) -> Json:
    lost = [
        {
            "key": f"node.kubernetes.io/{state}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": settings.lost_node_toleration,
        }
        for state in ("not-ready", "unreachable")
    ]
    own = [{"key": settings.taint, "operator": "Exists", "effect": "NoSchedule"}]
    found: Json = {"tolerations": lost + (own if settings.taint else [])}
    if settings.node_selector:
        found["nodeSelector"] = dict(settings.node_selector)
    if settings.runtime_class:
        found["runtimeClassName"] = settings.runtime_class
    if settings.priority_class:
        found["priorityClassName"] = settings.priority_class
    return found


def _network(settings: ManifestSettings) -> Json:
    """The aliases are for our own containers: the others have a hosts file of their own."""
    found: Json = {"dnsPolicy": settings.dns_policy}
    if settings.host_aliases:
        found["hostAliases"] = [
            {"ip": address, "hostnames": [name]} for name, address in settings.host_aliases.items()
        ]
    return found


def _pull_secrets(request: JobRequest, settings: ManifestSettings) -> Json:
    own = [request.pull_secret] if request.pull_login else []
    names = [*own, *settings.pull_secrets]
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}
