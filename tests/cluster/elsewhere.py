"""What the end-to-end tests have to know of a cluster: of one of ours it follows from its number,
of any other one it is given by environment variables."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import MOST, Layout
from tests.conformance.cluster import Cluster

KUBECONFIG = "CONFORMANCE_KUBECONFIG"
REGISTRY, ADDRESS = "TEST_CLUSTER_REGISTRY", "TEST_CLUSTER_ADDRESS"
DNS_POLICY = "TEST_CLUSTER_DNS_POLICY"
MISSING = """\
The end-to-end tests run on this cluster only when they are told
  {registry}=HOST:PORT[/PATH]  a registry over plain HTTP that this machine, nodes and pods reach
  {address}=IP                 this machine, as pods reach it
Not set: {missing}."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Layout):
    """Somebody else's cluster. Only its registry and our own address are known of it."""

    given_registry: str
    given_address: str

    @property
    def registry(self) -> str:
        return self.given_registry

    @property
    def address(self) -> str:
        return self.given_address


def cluster_kubeconfig() -> Path:
    return Path(os.environ[KUBECONFIG])


def layout_of_the_cluster() -> Layout:
    """Raises ClusterError, naming what is not set."""
    url = Cluster.of(cluster_kubeconfig()).url
    ours = {layout.api_url: layout for layout in map(Layout.numbered, range(MOST))}
    if url in ours:
        return ours[url]
    missing = [name for name in (REGISTRY, ADDRESS) if not os.environ.get(name)]
    if missing:
        text = MISSING.format(registry=REGISTRY, address=ADDRESS, missing=", ".join(missing))
        raise ClusterError(text)
    return Elsewhere(
        root=Path(tempfile.mkdtemp(prefix="switchyard-elsewhere-")),
        given_registry=os.environ[REGISTRY],
        given_address=os.environ[ADDRESS],
    )


def dns_policy(layout: Layout) -> str:
    """Ours have no DNS."""
    usual = "ClusterFirst" if isinstance(layout, Elsewhere) else "Default"
    return os.environ.get(DNS_POLICY, usual)
