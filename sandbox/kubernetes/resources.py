"""The resources that are served, as one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """`fields` are what a fieldSelector may name on top of metadata.name and .namespace.
    `subresources` names the verbs of each; `model` is the class of the client's models."""

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    model: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    subresources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    verbs: tuple[str, ...] = _ALL

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As the API names it in messages: jobs.batch, pods."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def schema(self) -> str:
        return self.model or f"V1{self.kind}"

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def singular(self) -> str:
        return self.kind.lower()


_STATUS = {"status": ("get", "patch", "update")}

NAMESPACES = Resource(
    plural="namespaces",
    kind="Namespace",
    namespaced=False,
    short=("ns",),
    fields=("status.phase",),
    subresources={**_STATUS, "finalize": ("update",)},
    verbs=tuple(verb for verb in _ALL if verb != "deletecollection"),
)
PODS = Resource(
    plural="pods",
    kind="Pod",
    short=("po",),
    categories=("all",),
    fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    subresources={
        **_STATUS,
        "log": ("get",),
        "eviction": ("create",),
        "binding": ("create",),
    },
)
SECRETS = Resource(plural="secrets", kind="Secret", fields=("type",))
CONFIGMAPS = Resource(plural="configmaps", kind="ConfigMap", short=("cm",))
EVENTS = Resource(
    plural="events",
    kind="Event",
    model="CoreV1Event",
    short=("ev",),
    fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
NODES = Resource(
    plural="nodes",
    kind="Node",
    namespaced=False,
    short=("no",),
    fields=("spec.unschedulable",),
    subresources=_STATUS,
)
RESOURCEQUOTAS = Resource(
    plural="resourcequotas", kind="ResourceQuota", short=("quota",), subresources=_STATUS
)
LIMITRANGES = Resource(plural="limitranges", kind="LimitRange", short=("limits",))
SERVICEACCOUNTS = Resource(plural="serviceaccounts", kind="ServiceAccount", short=("sa",))
JOBS = Resource(
    plural="jobs",
    kind="Job",
    group="batch",
    categories=("all",),
    fields=("status.successful",),
    subresources=_STATUS,
)
LEASES = Resource(plural="leases", kind="Lease", group="coordination.k8s.io")
ACCESS_REVIEWS = Resource(
    plural="selfsubjectaccessreviews",
    kind="SelfSubjectAccessReview",
    group="authorization.k8s.io",
    namespaced=False,
    verbs=("create",),
)

RESOURCES = (
    NAMESPACES,
    PODS,
    SECRETS,
    CONFIGMAPS,
    EVENTS,
    NODES,
    RESOURCEQUOTAS,
    LIMITRANGES,
    SERVICEACCOUNTS,
    JOBS,
    LEASES,
    ACCESS_REVIEWS,
)
BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}
GROUPS = tuple(dict.fromkeys((r.group, r.version) for r in RESOURCES if r.group))
