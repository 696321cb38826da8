"""A real cluster as the Kubernetes half of a stack: a namespace made as ops/ would have it, and an
account in it that may do what the controller does and no more."""

import ipaddress
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.stack.administrator import Administrator, ClusterRefused
from sandbox.stack.cluster import KUBECONFIG, MakeProcess
from sandbox.stack.process import Process, answers

Json = dict[str, Any]
OPS = Path(__file__).resolve().parents[2] / "ops" / "kubernetes" / "worker-namespace.yaml"
# The label of a namespace that tells who made it.
MARK = "switchyard/sandbox"
ACCOUNT, IN_OPS = "switchyard", "switchyard-workers"
TOKEN_SECONDS = 24 * 3600
SECONDS_TO_START, SECONDS_TO_GO = 30.0, 90.0
# Before a namespace goes its pods do, and nobody wants to wait for what runs in them.
POD_GRACE = {"gracePeriodSeconds": 1}


@dataclass(frozen=True, kw_only=True)
class Given:
    """What has to be known of a cluster. `kubeconfig` is an administrator's; `address` one of this
    machine that pods reach; `registry` a host, with a path, that pods and nodes reach; with a
    `git_token` clones have to bring it. An empty `namespace` is one of a name that is new, which
    the state folder remembers."""

    kubeconfig: Path
    address: str
    registry: str
    agent_image: str
    builder_image: str
    registry_insecure: bool = True
    dns_policy: str = "Default"
    namespace: str = ""
    git_token: str = field(default="", repr=False)


class RealCluster:
    """Use `prepare`, then `start`; `stop` deletes all that was made. `repositories` are given to
    pods at `git_url`/NAME."""

    def __init__(
        self, given: Given, state: Path, python: MakeProcess, *, web_port: int, git_port: int
    ) -> None:
        self.given = given
        self.state = state
        self.repositories = state / "repositories"
        self._mark = _remembered(state / "namespace")
        self.namespace = given.namespace or self._mark
        self.url = f"http://{given.address}:{web_port}"
        self.git_url = f"http://{given.address}:{git_port}"
        self.git = python("git", "-m", "sandbox.git_server", *self._git_arguments(git_port))
        self._administrator: Administrator | None = None

    @property
    def administrator(self) -> Administrator:
        if self._administrator is None:
            self._administrator = Administrator(self.given.kubeconfig)
        return self._administrator

    @property
    def processes(self) -> list[Process]:
        return [self.git]

    @property
    def bind(self) -> str:
        """Where web has to listen for pods, beside loopback."""
        return self.url.removeprefix("http://")

    @property
    def kubeconfig(self) -> Path:
        """The controller's: of the account that ops/ makes."""
        return self.state / "kubeconfig"

    def settings(self) -> dict[str, str]:
        """The product's environment variables for this cluster."""
        return {
            KUBECONFIG: str(self.kubeconfig),
            "SWITCHYARD_ALLOWED_HOSTS": f"127.0.0.1,localhost,{self.given.address}",
            "SWITCHYARD_KUBE_AGENT_API_URL": self.url,
            "SWITCHYARD_KUBE_AGENT_IMAGE": self.given.agent_image,
            "SWITCHYARD_KUBE_BUILDER_IMAGE": self.given.builder_image,
            "SWITCHYARD_KUBE_DNS_POLICY": self.given.dns_policy,
            "SWITCHYARD_KUBE_NAMESPACE": self.namespace,
            "SWITCHYARD_KUBE_REGISTRY": self.given.registry,
            "SWITCHYARD_KUBE_REGISTRY_INSECURE": str(self.given.registry_insecure).lower(),
            "SWITCHYARD_KUBE_RELIST_SECONDS": "10",
        }

    def prepare(self) -> None:
        """Raises ClusterRefused."""
        self.repositories.mkdir(parents=True, exist_ok=True)
        for item in self._objects():
            made = self.administrator.make(item)
            if item["kind"] == "Namespace" and not made:
                raise ClusterRefused(f"The namespace {self.namespace} is there: name another one.")
        self._write_kubeconfig()
        # Without the namespace's own default account no pod is made.
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        self._wait(lambda: self.call("GET", account), SECONDS_TO_START, "has no default account")

    def start(self) -> None:
        self.git.start()

    def wait_ready(self) -> None:
        # Whoever brings no token is answered too.
        self.git.wait_ready(lambda: answers(self.git_url, at_all=True), SECONDS_TO_START)

    def stop(self) -> None:
        self.git.stop()
        self.destroy_containers()

    def destroy_containers(self) -> None:
        """Everything that was made in the cluster; also by a run that was killed."""
        place = f"/api/v1/namespaces/{self.namespace}"
        found = self.call("GET", place)
        if found is not None:
            if found["metadata"].get("labels", {}).get(MARK) != self._mark:
                return  # somebody else's
            jobs = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
            self.call("DELETE", jobs, {"propagationPolicy": "Background"})
            self.call("DELETE", f"{place}/pods", POD_GRACE)
        for item in self._objects():
            if "namespace" not in item["metadata"]:
                self.administrator.remove(item)
        self._wait(lambda: self.call("GET", place) is None, SECONDS_TO_GO, "does not go")

    def items(self, kind: str) -> list[Json]:
        """What there is of a kind (jobs, pods, secrets …) in the namespace of the Jobs."""
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        answer = self.call("GET", f"/{group}/namespaces/{self.namespace}/{kind}")
        found: list[Json] = answer["items"] if answer else []
        return found

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator; None where it is not there, or there already."""
        return self.administrator.call(method, path, body)

    def _objects(self) -> Iterator[Json]:
        """Those of ops/, under the namespace's name, and a way through its network policy to
        us: we are at private addresses, as no control plane in earnest would be."""
        text = OPS.read_text().replace(IN_OPS, self.namespace)
        for item in yaml.safe_load_all(text):
            if item["kind"].startswith("Cluster"):
                _rename(item, self.namespace)
            if item["kind"] == "Namespace":
                item["metadata"]["labels"][MARK] = self._mark
            yield item
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "sandbox", "namespace": self.namespace},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [{"to": [{"ipBlock": {"cidr": each}} for each in self._addresses()]}],
            },
        }

    def _addresses(self) -> list[str]:
        hosts = {self.given.address, self.given.registry.split("/")[0].rpartition(":")[0]}
        return [f"{host}/32" for host in sorted(hosts) if _is_address(host)]

    def _write_kubeconfig(self) -> None:
        """With a token that is bound to the account and ends by itself."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{ACCOUNT}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        token = self.call("POST", path, request)["status"]["token"]
        cluster = {"server": self.administrator.url}
        if authority := self.administrator.authority:
            cluster["certificate-authority-data"] = authority
        context = {"cluster": "given", "user": ACCOUNT, "namespace": self.namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "given", "cluster": cluster}],
            "users": [{"name": ACCOUNT, "user": {"token": token}}],
            "contexts": [{"name": "given", "context": context}],
            "current-context": "given",
        }
        descriptor = os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            json.dump(config, file, indent=2)

    def _wait(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ClusterRefused(f"After {seconds:g} s the namespace {self.namespace} {what}.")
            time.sleep(0.1)

    def _git_arguments(self, port: int) -> list[str]:
        place = ["--root", str(self.repositories), "--bind", self.given.address]
        token = ["--token", self.given.git_token] if self.given.git_token else []
        return [*place, "--port", str(port), *token]


def _remembered(file: Path) -> str:
    """What no other run has, the same for all that use this state folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # Whole from the first moment: who is killed meanwhile leaves a name, or none.
        draft = file.with_suffix(".draft")
        draft.write_text(f"switchyard-{secrets.token_hex(4)}")
        draft.replace(file)
    return file.read_text()


def _rename(item: Json, namespace: str) -> None:
    """What has no namespace must not be shared by two: each run removes its own."""
    own = f"{item['metadata']['name']}-{namespace}"
    item["metadata"]["name"] = own
    if "roleRef" in item:
        item["roleRef"]["name"] = own


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
