"""The strategy of each resource."""

from ..resources import Resource
from ..rules import core, jobs, names, nodes, pods
from .strategy import Strategy

_STRATEGIES = {
    "namespaces": Strategy(
        default=core.default_namespace,
        prepare_create=core.prepare_namespace,
        name_errors=names.label_errors,
        returns_deleted=True,
    ),
    "pods": Strategy(
        default=pods.default_pod,
        prepare_create=pods.prepare_pod,
        validate=pods.validate_pod,
        validate_update=pods.validate_pod_update,
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
    "nodes": Strategy(default=nodes.default_node, prepare_create=nodes.prepare_node),
    "resourcequotas": Strategy(prepare_create=core.prepare_quota),
    "limitranges": Strategy(),
    "serviceaccounts": Strategy(returns_deleted=True),
    "jobs": Strategy(
        default=jobs.default_job,
        prepare_create=jobs.prepare_job,
        validate=jobs.validate_job,
        validate_update=jobs.validate_job_update,
        own_generation=True,
        orphans_by_default=True,
    ),
    "leases": Strategy(unconditional_update=False, create_on_update=True),
}
_PLAIN = Strategy()


def strategy_of(resource: Resource) -> Strategy:
    return _STRATEGIES.get(resource.plural, _PLAIN)
