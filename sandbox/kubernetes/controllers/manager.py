"""All controllers of a cluster, started together in its event loop."""

from ..cluster import Cluster
from .ageing import Ageing
from .bootstrap import bootstrap
from .garbage import GarbageCollector
from .hollow import HollowNodes
from .jobs import JobController
from .losses import Losses
from .namespaces import NamespaceController
from .nodes import NodeController
from .quotas import QuotaController
from .scheduler import Scheduler


class ControllerManager:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.scheduler = Scheduler(cluster)
        self._controllers = (
            NamespaceController(cluster),
            JobController(cluster),
            self.scheduler,
            GarbageCollector(cluster),
            NodeController(cluster),
            QuotaController(cluster),
            Ageing(cluster),
            HollowNodes(cluster),
            Losses(cluster),
        )

    def start(self) -> None:
        """Everything that is there is looked at once; from then on, what changes."""
        self._cluster.faults.changed.append(self.scheduler.retry)
        bootstrap(self._cluster)
        for controller in self._controllers:
            controller.start()
        self._cluster.timers.start()
