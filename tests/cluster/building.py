"""Builds by the builder's container as the product makes it, each in a pod of its own: on a node,
in a namespace that allows nothing beyond PodSecurity baseline.
"""

import base64
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from kube.manifest import places
from kube.manifest.builder import builder
from kube.manifest.dependents import docker_config
from kube.manifest.places import folder, mount
from kube.manifest.request import Login
from kube.manifest.settings import GI, MI, ManifestSettings, ResourceClass, Resources
from kube.manifest.values import SecretValues
from kube.names import BUILDER
from kube.planner.template import Template
from tests.cluster.builder_image import builder_image
from tests.cluster.built_image import BuiltImage
from tests.cluster.elsewhere import cluster_kubeconfig, dns_policy, layout_of_the_cluster
from tests.cluster.images import push_base_images
from tests.cluster.kept_images import digest_of
from tests.cluster.layout import Layout
from tests.conformance.cluster import Cluster, Json, unique
from tests.kube.making import MAIN, make_plan, make_request, make_settings

SECONDS = 200.0
DOCKERFILE = ".saturnci/Dockerfile"
GRACE = 10
BEGUN, TOLD = "BEGUN\n", "\nEND\n"
# The log is in a volume, so this tells it; the digest after it, where the builder told one.
KEEPER = """\
cd /saturn/steps
tell() { cat build.log; echo; echo END; cat digest 2>/dev/null; echo; echo END; }
trap : TERM
until [ -e build.rc ]; do
  if [ -e begun ]; then echo BEGUN; rm begun; fi
  sleep 0.1
done
tell
trap exit TERM
while :; do sleep 9 & wait $!; done
"""
UNPACK = "tar xzf /saturn/seed/context.tar.gz -C /saturn/checkout"


@dataclass(frozen=True, kw_only=True)
class File:
    """Of a context. `link` makes it a symbolic one."""

    content: str = ""
    mode: int = 0o644
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to build. `dockerfile` is any text, also one that the planner would refuse; {base} in
    it, and in arguments, is a small image with a shell."""

    dockerfile: str
    files: Mapping[str, File | str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    cache: str = ""
    image: str = ""
    login: Login | None = None
    flags: Sequence[str] = ()
    memory: int = 512 * MI


@dataclass(frozen=True, kw_only=True)
class End:
    """`words` is what the kubelet tells: the end of the log. `digest` is "" where none was told."""

    code: int
    reason: str
    words: str
    log: str
    digest: str

    @property
    def last_line(self) -> str:
        lines = [line for line in self.log.splitlines() if line.strip()]
        return lines[-1] if lines else ""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A namespace for builds, and the registry that they pull from and push to."""

    cluster: Cluster
    layout: Layout
    name: str
    builder_image: str

    def of(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.name}/{plural}/{name}".rstrip("/")

    def image(self, name: str) -> str:
        """A reference of this namespace alone."""
        return f"{self.layout.registry}/{self.name}/{name}:built"

    def cache(self, name: str) -> str:
        return f"{self.layout.registry}/{self.name}/{name}/cache"

    def start(self, name: str, order: Order) -> None:
        files = {DOCKERFILE: self._text(order.dockerfile), **order.files}
        data = {"context.tar.gz": _pack(files)}
        seed = {"metadata": {"name": name}, "binaryData": data}
        self.cluster.must("POST", self.of("configmaps"), seed)
        if order.login:
            text = docker_config(self._registry(name, order), order.login)
            login = {"metadata": {"name": name}, "stringData": {"config.json": text}}
            self.cluster.must("POST", self.of("secrets"), login)
        pod = {"metadata": {"name": name}, "spec": self._pod(name, order)}
        self.cluster.must("POST", self.of("pods"), pod)

    def end(self, name: str) -> End:
        """Waits for it."""
        ended = self.cluster.wait(lambda: self._ended(name), SECONDS)
        log, digest = self.cluster.wait(lambda: self._told(name), SECONDS)
        return End(
            code=ended["exitCode"],
            reason=ended["reason"],
            words=ended.get("message", ""),
            log=log,
            digest=digest,
        )

    def build(self, name: str, order: Order) -> End:
        self.start(name, order)
        return self.end(name)

    def built(self, name: str) -> BuiltImage:
        return BuiltImage(reference=self.image(name))

    def wait_for_step(self, name: str) -> None:
        """Until a step says so: by the file /saturn/steps/begun."""
        self.cluster.wait(lambda: self._keeper(name).startswith(BEGUN), SECONDS)

    def delete(self, name: str) -> Json:
        """The end of the builder: it gets TERM, and KILL after GRACE seconds."""
        chosen = {"fieldSelector": f"metadata.name={name}"}
        with self.cluster.watch(self.of("pods"), **chosen) as events:
            self.cluster.must("DELETE", self.of("pods", name))
            gone = next(event for event in events if event.type == "DELETED")
        ended = _builder_end(gone.object)
        assert ended is not None, gone.object
        return ended

    def _ended(self, name: str) -> Json | None:
        return _builder_end(self.cluster.must("GET", self.of("pods", name)))

    def _told(self, name: str) -> tuple[str, str] | None:
        parts = self._keeper(name).removeprefix(BEGUN).split(TOLD)
        return (parts[0], parts[1].strip()) if len(parts) == 3 else None

    def _keeper(self, name: str) -> str:
        path = self.of("pods", name) + "/log"
        answer = self.cluster.call("GET", path, container="keeper")
        return str(answer.body["text"]) if answer.status == 200 else ""

    def _pod(self, name: str, order: Order) -> Json:
        shell = ["/bin/sh", "-c"]
        image = self.layout.busybox_image
        seed = mount("seed", places.SEEDS, read_only=True)
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "dnsPolicy": dns_policy(self.layout),
            "terminationGracePeriodSeconds": GRACE,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                _container("keeper", image, [*shell, KEEPER], folder("steps"))
                | {"restartPolicy": "Always"},
                _container("seed", image, [*shell, UNPACK], seed, folder("checkout")),
                self._builder(name, order),
            ],
            "containers": [_container("end", image, ["/bin/true"])],
            "volumes": [
                {"name": "checkout", "emptyDir": {}},
                {"name": "steps", "emptyDir": {}},
                {"name": "seed", "configMap": {"name": name}},
                {"name": places.PUSH_LOGIN, "secret": {"secretName": name, "optional": True}},
            ],
        }

    def _builder(self, name: str, order: Order) -> Json:
        """As the product makes it, but for the places of the image and of the layers."""
        plan = make_plan(MAIN)
        args = {key: Template((self._text(value),)) for key, value in order.arguments.items()}
        plan = replace(plan, build=replace(plan.build, args=args, target=order.target))
        nowhere = {} if order.cache else {"cache_repository": ""}
        request = make_request(push_login=order.login, **nowhere)
        made = builder(
            plan, request, self._settings(order), SecretValues(variables={}, secret="none")
        )
        places = {request.image: self._destination(name, order)}
        if order.cache:
            places[request.cache_repository] = order.cache
        places[f"={request.registry}"] = f"={self._registry(name, order)}"
        flags = [_replaced(flag, places) for flag in made["args"]]
        return {**made, "args": [*flags, *order.flags]}

    def _text(self, text: str) -> str:
        return text.replace("{base}", self.layout.busybox_image)

    def _destination(self, name: str, order: Order) -> str:
        return order.image or self.image(name)

    def _registry(self, name: str, order: Order) -> str:
        return self._destination(name, order).partition("/")[0]

    def _settings(self, order: Order) -> ManifestSettings:
        """So small that many run at a time."""
        few = Resources(
            cpu=0.05,
            cpu_limit=2,
            memory=64 * MI,
            memory_limit=order.memory,
            disk=64 * MI,
            disk_limit=2 * GI,
        )
        size = ResourceClass(name="small", builder=few, test=few)
        return make_settings(
            builder_image=self.builder_image, registry_insecure=True, classes=(size,)
        )


def _builder_end(pod: Json) -> Json | None:
    statuses = pod["status"].get("initContainerStatuses", ())
    states = {item["name"]: item["state"] for item in statuses}
    ended: Json | None = states.get(BUILDER, {}).get("terminated")
    return ended


def _replaced(flag: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        flag = flag.replace(old, new)
    return flag


def _container(name: str, image: str, command: list[str], *mounts: Json) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "volumeMounts": list(mounts),
    }


@contextmanager
def building_site() -> Iterator[Site]:
    layout, name = layout_of_the_cluster(), unique("builds")
    cluster = Cluster.of(cluster_kubeconfig())
    if not digest_of(layout.busybox_image):
        push_base_images(layout)
    site = Site(cluster=cluster, layout=layout, name=name, builder_image=builder_image(layout))
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    body = {"metadata": {"name": name, "labels": labels}}
    cluster.must("POST", "/api/v1/namespaces", body)
    try:
        account = site.of("serviceaccounts", "default")
        cluster.wait(lambda: cluster.call("GET", account).status == 200)
        yield site
    finally:
        cluster.call("DELETE", f"/api/v1/namespaces/{name}")


def _pack(files: Mapping[str, File | str]) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, given in files.items():
            file = given if isinstance(given, File) else File(content=given)
            entry = tarfile.TarInfo(name)
            entry.mode, content = file.mode, file.content.encode()
            if file.link:
                entry.type, entry.linkname, content = tarfile.SYMTYPE, file.link, b""
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(packed.getvalue()).decode()
