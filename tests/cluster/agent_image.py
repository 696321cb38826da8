"""The image of our agent, as the tests run it in pods: built in the cluster from
`worker_image/Dockerfile`, by the builder's container as the product makes it.
"""

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kube.manifest import places
from kube.manifest.builder import builder
from kube.manifest.places import folder, mount
from kube.manifest.request import ImageSource, JobRequest
from kube.manifest.settings import GI, MI, ManifestSettings, ResourceClass, Resources
from kube.manifest.values import SecretValues
from kube.names import BUILDER
from kube.planner.plan import Plan, PlanRefused
from kube.planner.planning import Sources, plan
from tests.cluster.base_image import base_image
from tests.cluster.builder_image import builder_image, builder_kind
from tests.cluster.elsewhere import Elsewhere, cluster_kubeconfig, dns_policy
from tests.cluster.errors import ClusterError
from tests.cluster.images import crane
from tests.cluster.kept_images import Say, kept_image, say_here, telling
from tests.cluster.layout import Layout
from tests.conformance.cluster import Cluster, Json, unique
from tests.kube.making import make_request, make_settings

NAME = "agent"
SOURCES = Path(__file__).parents[2] / "worker_image"
# What is in it takes of its memory: here the disk of a container is one.
ROOM = Resources(
    cpu=0.1, cpu_limit=2, memory=128 * MI, memory_limit=3 * GI, disk=64 * MI, disk_limit=4 * GI
)
SECONDS = 300.0
UNPACK = "tar xzf /saturn/seed/context.tar.gz -C /saturn/checkout"


def agent_image(layout: Layout, say: Say = say_here) -> str:
    """Its reference, by digest. Cheap when it is there already; it is built once for what is in
    `worker_image/`, by each kind of builder, and kept for other clusters."""
    bases = {"BASE": base_image(layout, say), "BUSYBOX": by_digest(layout.busybox_image)}
    key = fingerprint(bases)
    return kept_image(layout, NAME, key, lambda to: _make(layout, bases, to, say), say)


def by_digest(reference: str) -> str:
    digest = crane("digest", reference).strip()
    return f"{reference.rpartition(':')[0]}@{digest}"


def fingerprint(bases: dict[str, str]) -> str:
    digest = hashlib.sha256(builder_kind().encode())
    for reference in bases.values():
        digest.update(reference.rpartition("@")[2].encode())
    for path in context_files():
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(SOURCES)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def context_files() -> Iterator[Path]:
    """Of the build, as a fresh checkout has them. Documents are none of it."""
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and path.suffix not in (".md", ".pyc"):
            yield path


def build_plan() -> Plan:
    """Of the build that docker-compose.yml names. Raises ClusterError where our own planner would
    not take it."""
    trial = yaml.safe_load((SOURCES / "docker-compose.yml").read_text())
    build = {name: {"build": service["build"]} for name, service in trial["services"].items()}
    found = plan(
        Sources(
            compose_text=yaml.safe_dump({"services": build}),
            dockerfile_text=(SOURCES / "Dockerfile").read_text(),
            compose_path="docker-compose.yml",
            dockerfile_path="Dockerfile",
            service="agent",
        )
    )
    if isinstance(found, PlanRefused):
        raise ClusterError("\n".join(str(problem) for problem in found.problems))
    return found


def _make(layout: Layout, bases: dict[str, str], reference: str, say: Say) -> None:
    elsewhere = isinstance(layout, Elsewhere)
    cluster = Cluster.of(cluster_kubeconfig() if elsewhere else layout.kubeconfig)
    name = unique("agent-image")
    path = f"/api/v1/namespaces/{name}"
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    body = {"metadata": {"name": name, "labels": labels}}
    cluster.must("POST", "/api/v1/namespaces", body)
    try:
        with telling("building the agent's image in the cluster, once", say):
            account = f"{path}/serviceaccounts/default"
            cluster.wait(lambda: cluster.call("GET", account).status == 200)
            _build(cluster, path, layout, bases, reference)
    finally:
        cluster.call("DELETE", path)


def _build(
    cluster: Cluster, path: str, layout: Layout, bases: dict[str, str], reference: str
) -> None:
    """Raises ClusterError with the end of the builder's log."""
    source = ImageSource(reference=reference)
    request = make_request(source=source, cache_repository="", variables=bases)
    values = SecretValues(variables=bases, secret="bases")
    size = ResourceClass(name="room", builder=ROOM, test=ROOM)
    settings = make_settings(
        builder_image=builder_image(layout), registry_insecure=True, classes=(size,)
    )
    pod = _pod(layout, request, settings, values)
    made = {"metadata": {"name": "bases"}, "stringData": values.texts}
    cluster.must("POST", f"{path}/secrets", made)
    context = {"metadata": {"name": "context"}, "binaryData": {"context.tar.gz": _context()}}
    cluster.must("POST", f"{path}/configmaps", context)
    cluster.must("POST", f"{path}/pods", {"metadata": {"name": "build"}, "spec": pod})
    status = cluster.wait(lambda: _ended(cluster, f"{path}/pods/build"), SECONDS)
    if status["phase"] != "Succeeded":
        raise ClusterError(f"The agent's image could not be built: {_words(status)}")


def _pod(
    layout: Layout, request: JobRequest, settings: ManifestSettings, values: SecretValues
) -> Json:
    seed = {
        "name": "seed",
        "image": layout.busybox_image,
        "command": ["/bin/sh", "-c", UNPACK],
        "volumeMounts": [mount("seed", places.SEEDS, read_only=True), folder("checkout")],
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsPolicy": dns_policy(layout),
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [seed],
        "containers": [builder(build_plan(), request, settings, values)],
        "volumes": [
            {"name": "checkout", "emptyDir": {}},
            {"name": "steps", "emptyDir": {}},
            {"name": "seed", "configMap": {"name": "context"}},
        ],
    }


def _ended(cluster: Cluster, path: str) -> Json | None:
    status: Json = cluster.must("GET", path)["status"]
    return status if status["phase"] in ("Succeeded", "Failed") else None


def _words(status: Json) -> str:
    """What the kubelet tells of the builder: the end of its log, or why there is none."""
    containers: list[Any] = status.get("containerStatuses") or []
    states = {item["name"]: item["state"].get("terminated", {}) for item in containers}
    said = states.get(BUILDER, {})
    return str(said.get("message") or said.get("reason") or status.get("message", "no reason"))


def _context() -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in context_files():
            entry = tarfile.TarInfo(str(path.relative_to(SOURCES)))
            content = path.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(packed.getvalue()).decode()
