"""The Kubernetes backend as the contract suite sees it: over HTTP to a sandbox cluster, or to the
real one where one is given."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dispatch.backends import Backend
from kube.worker import KubernetesWorker
from tests.kube.cluster import COMPOSE, DOCKERFILE
from tests.kube.real_cluster import any_cluster


class Subject:
    name = "kubernetes"
    marks: Sequence[pytest.MarkDecorator] = (pytest.mark.any_cluster,)
    suite_run: Mapping[str, Any] = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}

    def __init__(self) -> None:
        self.cluster = any_cluster()
        self.cluster.clear()
        self.worker = KubernetesWorker(self.cluster.config(limit=0))
        self.backend: Backend = self.worker
        self.cluster.quota(jobs=0)

    def grow(self, count: int) -> None:
        limit = self.worker.config.limit + count
        self.worker.config = dataclasses.replace(self.worker.config, limit=limit)
        self.cluster.quota(jobs=limit)

    def finish_stopping(self) -> None:
        """A Job that is deleted in the background is gone at once; the view lists anew."""
        self.worker.jobs._listed_at = self.worker.pods._listed_at = float("-inf")
