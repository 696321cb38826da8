"""The strategy of each resource."""

from ..cluster import Cluster
from ..quotas import full
from ..resources import Resource
from ..rules import admission, core, jobs, names, nodes, pod_security, pods
from ..store import Object
from .strategy import Strategy


def _update_pod(obj: Object, old: Object) -> None:
    admission.tolerate_lost_nodes(obj["spec"])


def _warn_of_pod(cluster: Cluster, obj: Object) -> list[str]:
    spec, namespace = obj["spec"], obj["metadata"]["namespace"]
    return pods.warn_of_pod(spec, "spec") + pod_security.warn(cluster, namespace, spec)


def _warn_of_job(cluster: Cluster, obj: Object) -> list[str]:
    spec, namespace = obj["spec"]["template"]["spec"], obj["metadata"]["namespace"]
    warnings = pods.warn_of_pod(spec, "spec.template.spec")
    return warnings + pod_security.warn(cluster, namespace, spec)


_STRATEGIES = {
    "namespaces": Strategy(
        default=core.default_namespace,
        prepare_create=core.prepare_namespace,
        name_errors=names.label_errors,
        returns_deleted=True,
    ),
    "pods": Strategy(
        default=pods.default_pod,
        admit=admission.admit_pod,
        prepare_create=pods.prepare_pod,
        prepare_update=_update_pod,
        validate=pods.validate_pod,
        validate_update=pods.validate_pod_update,
        validate_status=pods.validate_pod_status,
        permit=pod_security.permit_pod,
        warn=_warn_of_pod,
        graceful=True,
        returns_deleted=True,
        own_generation=True,
    ),
    "secrets": Strategy(
        default=core.default_secret,
        validate=core.validate_secret,
        validate_update=core.validate_secret_update,
    ),
    "configmaps": Strategy(
        validate=core.validate_config_map, validate_update=core.validate_config_map_update
    ),
    "events": Strategy(create_on_update=True, validate=core.validate_event),
    "nodes": Strategy(default=nodes.default_node, admit=admission.admit_node),
    "resourcequotas": Strategy(prepare_create=core.prepare_quota),
    "limitranges": Strategy(default=core.default_limit_range),
    "serviceaccounts": Strategy(returns_deleted=True),
    "jobs": Strategy(
        default=jobs.default_job,
        prepare_create=jobs.prepare_job,
        validate=jobs.validate_job,
        finish=jobs.finish_job,
        validate_update=jobs.validate_job_update,
        warn=_warn_of_job,
        own_generation=True,
        orphans_by_default=True,
    ),
    "leases": Strategy(unconditional_update=False, create_on_update=True),
}
_PLAIN = Strategy()


def strategy_of(resource: Resource) -> Strategy:
    return _STRATEGIES.get(resource.plural, _PLAIN)


def check_quota(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """Raises 403."""
    if not resource.namespaced:
        return
    if cluster.faults.quota_full(resource.plural):
        raise full(resource, obj)
    cluster.quotas.check(resource, obj)
