"""The Kubernetes backend as the contract suite sees it: over HTTP to a sandbox cluster."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from dispatch.backends import Backend
from kube.worker import KubernetesWorker
from tests.kube.cluster import COMPOSE, DOCKERFILE, sandbox_cluster


class Subject:
    name = "kubernetes"
    suite_run: Mapping[str, Any] = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}

    def __init__(self) -> None:
        self.cluster = sandbox_cluster()
        self.cluster.clear()
        self.worker = KubernetesWorker(self.cluster.config(limit=0))
        self.backend: Backend = self.worker
        self.cluster.quota(0)

    def grow(self, count: int) -> None:
        limit = self.worker.config.limit + count
        self.worker.config = dataclasses.replace(self.worker.config, limit=limit)
        self.cluster.quota(limit)

    def finish_stopping(self) -> None:
        """A Job that is deleted in the background is gone at once; the view lists anew."""
        self.worker.jobs._listed_at = self.worker.pods._listed_at = float("-inf")
