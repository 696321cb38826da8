"""An API server as the tests talk to it: plain HTTP, JSON both ways."""

import base64
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import yaml

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: Json
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def fields(self) -> list[str]:
        """Of the fields that a 422 complains about."""
        details: Json = self.body.get("details") or {}
        return [cause.get("field", "") for cause in details.get("causes") or ()]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Of a watch."""

    type: str
    object: Json

    @property
    def name(self) -> str:
        return str(self.object["metadata"].get("name", ""))

    @property
    def version(self) -> str:
        return str(self.object["metadata"]["resourceVersion"])


@dataclass
class Cluster:
    """`patience`: seconds to wait for what the cluster does by itself; a sandbox that runs faster
    than the clock needs less. `lost_after`: seconds until a silent node is taken for lost."""

    url: str
    session: requests.Session
    kubeconfig: Path
    patience: float = 20.0
    lost_after: float = 60.0
    made: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, kubeconfig: Path, **settings: Any) -> "Cluster":
        """From the current context. Takes tokens and client certificates."""
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        place = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        session = requests.Session()
        session.trust_env = False
        session.verify = _file(place, "certificate-authority") or not place.get(
            "insecure-skip-tls-verify", False
        )
        if "token" in user:
            session.headers["Authorization"] = f"Bearer {user['token']}"
        if certificate := _file(user, "client-certificate"):
            session.cert = (certificate, _file(user, "client-key") or "")
        url = str(place["server"]).rstrip("/")
        return cls(url=url, session=session, kubeconfig=kubeconfig, **settings)

    def call(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | str | None = None,
        *,
        kind: str = "application/json",
        **query: str,
    ) -> Answer:
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        headers = {"Content-Type": kind} if text is not None else {}
        answer = self.session.request(
            method, self.url + path, data=text, headers=headers, params=query, timeout=30
        )
        try:
            content = answer.json()
        except ValueError:
            content = {"text": answer.text}
        warnings = tuple(answer.raw.headers.getlist("Warning"))
        return Answer(status=answer.status_code, body=content, warnings=warnings)

    def must(self, method: str, path: str, body: Any = None, **options: Any) -> Json:
        """The body of an answer that has to be good."""
        answer = self.call(method, path, body, **options)
        assert answer.status < 300, answer
        return answer.body

    @contextmanager
    def watch(self, path: str, **query: str) -> Iterator[Iterator[Event]]:
        """Its events as they come; it ends with the block, or by its timeoutSeconds."""
        query = {"watch": "1", "timeoutSeconds": "30", **query}
        with self.session.get(self.url + path, params=query, stream=True, timeout=40) as answer:
            assert answer.status_code == 200, answer.text
            lines = answer.iter_lines(chunk_size=1)
            yield (_event(line) for line in lines if line)

    def wait(self, condition: Callable[[], Any], seconds: float | None = None) -> Any:
        """What the condition gives once it is true. Fails when it is not in time."""
        deadline = time.monotonic() + (seconds or self.patience)
        while not (found := condition()):
            assert time.monotonic() < deadline, "the cluster did not get there in time"
            time.sleep(0.03)
        return found


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace of one test, and the node on which its pods may run."""

    cluster: Cluster
    name: str
    node: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.name}"

    def of(self, plural: str, name: str = "") -> str:
        groups = {"jobs": "/apis/batch/v1"}
        path = f"{groups.get(plural, '/api/v1')}/namespaces/{self.name}/{plural}"
        return f"{path}/{name}" if name else path

    def job(
        self, name: str, *, pod: Json | None = None, meta: Json | None = None, **spec: Any
    ) -> Json:
        """A Job of which the pod goes to this test's node."""
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, **(meta or {})},
            "spec": {
                "backoffLimit": 0,
                **spec,
                "template": {"spec": {**self.pod_spec(), **(pod or {})}},
            },
        }

    def pod_spec(self) -> Json:
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container()],
            "nodeSelector": {"conformance": self.node},
            "tolerations": [{"key": "conformance", "operator": "Exists"}],
        }

    def create_job(self, name: str = "task", **options: Any) -> Json:
        return self.cluster.must("POST", self.of("jobs"), self.job(name, **options))

    def pods_of(self, job: str) -> list[Json]:
        found = self.cluster.must("GET", self.of("pods"), labelSelector=f"job-name={job}")
        pods: list[Json] = found["items"]
        return pods

    def bound_pod(self, job: str) -> Json:
        """The pod of a Job, once it has its node."""

        def bound() -> Json | None:
            pods = self.pods_of(job)
            return pods[0] if pods and pods[0]["spec"].get("nodeName") else None

        found: Json = self.cluster.wait(bound)
        return found

    def say(self, pod: Json, **status: Any) -> Json:
        """What the kubelet would say of a pod."""
        path = self.of("pods", f"{pod['metadata']['name']}/status")
        return self.cluster.must("PATCH", path, {"status": status}, kind=STRATEGIC)

    def confirm(self, pod: Json) -> None:
        """What the kubelet does when the last container of a deleted pod has ended."""
        path = self.of("pods", pod["metadata"]["name"])
        self.cluster.call("DELETE", path, {"gracePeriodSeconds": 0})

    def status(self, job: str) -> Json:
        status: Json = self.cluster.must("GET", self.of("jobs", job)).get("status", {})
        return status

    def conditions(self, job: str) -> list[str]:
        """The types of a Job's conditions that are true, in order."""
        return true_conditions(self.status(job))

    def events(self, name: str) -> list[Json]:
        found = self.cluster.must(
            "GET", self.of("events"), fieldSelector=f"involvedObject.name={name}"
        )
        events: list[Json] = found["items"]
        return events

    def reasons(self, name: str) -> set[str]:
        return {event["reason"] for event in self.events(name)}


def container(name: str = "test", **fields: Any) -> Json:
    return {"name": name, "image": "registry.example/test:1", **fields}


def true_conditions(status: Json) -> list[str]:
    return [c["type"] for c in status.get("conditions") or () if c["status"] == "True"]


def make_node(cluster: Cluster, name: str, **more: str) -> None:
    """A node without a kubelet, which takes only what asks for it. `more` is what it has of cpu,
    memory and pods, if not little."""
    cluster.made.append(name)
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "50", "ephemeral-storage": "10Gi"} | more
    node = {
        "metadata": {"name": name, "labels": {"conformance": name}},
        "spec": {"taints": [{"key": "conformance", "effect": "NoSchedule"}]},
        "status": {"capacity": amounts, "allocatable": amounts},
    }
    cluster.must("POST", NODES, node)
    beat(cluster, name)


def beat(cluster: Cluster, name: str) -> None:
    """A sign of life of a node: its status, and its Lease."""
    now = datetime.now(UTC)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    status = {"status": {"conditions": [ready]}}
    cluster.must("PATCH", f"{NODES}/{name}/status", status, kind=STRATEGIC)
    spec = {
        "holderIdentity": name,
        "leaseDurationSeconds": 40,
        "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    lease = cluster.call("GET", f"{LEASES}/{name}")
    body = {"metadata": {"name": name}, **(lease.body if lease.status == 200 else {}), "spec": spec}
    cluster.must("PUT", f"{LEASES}/{name}", body)


def is_schedulable(cluster: Cluster, name: str) -> bool:
    taints = cluster.must("GET", f"{NODES}/{name}")["spec"].get("taints") or []
    return [taint["key"] for taint in taints] == ["conformance"]


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def _named(items: list[Json], name: str) -> Json:
    return next(item for item in items if item["name"] == name)


def _file(place: Json, name: str) -> str:
    """The path of a file that a kubeconfig names or holds; "" where it does neither."""
    if name in place:
        return str(place[name])
    if f"{name}-data" not in place:
        return ""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(base64.b64decode(place[f"{name}-data"]))
    return file.name


def _event(line: bytes) -> Event:
    raw = json.loads(line)
    return Event(type=raw["type"], object=raw["object"])
