"""Who may do what: the administrator everything, the limited user what the product's Role allows.

There are no Role objects here. The limited user's rights are those that the product asks for, so
that a call beyond them fails here as it would on a cluster.
"""

from .errors import ApiError, forbidden
from .resources import Resource

ADMIN = "admin"
ANONYMOUS = "system:anonymous"
LIMITED = "system:serviceaccount:switchyard:switchyard"

_READ = frozenset({"get", "list", "watch"})
_IN_A_NAMESPACE = {
    ("batch", "jobs"): _READ | {"create", "patch", "delete"},
    ("", "pods"): _READ,
    ("", "pods/log"): frozenset({"get"}),
    ("", "secrets"): frozenset({"create"}),
    ("", "configmaps"): frozenset({"create"}),
    ("", "events"): frozenset({"list"}),
    ("", "resourcequotas"): frozenset({"list"}),
}
_ON_THE_CLUSTER = {
    ("", "nodes"): _READ,
    ("authorization.k8s.io", "selfsubjectaccessreviews"): frozenset({"create"}),
}


def allowed(user: str, verb: str, group: str, what: str, namespace: str) -> bool:
    """`what`: the resource in the plural, with "/subresource" where there is one."""
    if user != LIMITED:
        return user == ADMIN
    if namespace and verb in _IN_A_NAMESPACE.get((group, what), ()):
        return True
    return verb in _ON_THE_CLUSTER.get((group, what), ())


def check_access(
    user: str, verb: str, resource: Resource, sub: str, namespace: str, name: str
) -> None:
    """Raises 403."""
    what = f"{resource.plural}/{sub}" if sub else resource.plural
    if not allowed(user, verb, resource.group, what, namespace):
        raise _refused(user, verb, resource, what, namespace, name)


def _refused(
    user: str, verb: str, resource: Resource, what: str, namespace: str, name: str
) -> ApiError:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{what}" in API group "{resource.group}" {where}'
    return forbidden(resource, name, why)
