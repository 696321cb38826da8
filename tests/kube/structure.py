"""What a Job's manifests must be for Kubernetes to take them: names, references, sizes. Gives one
line for each fault."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kube.manifest.job import Manifests

Json = dict[str, Any]
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
QUANTITY = re.compile(r"\d+(m|Mi|Gi)?")
# What a namespace that enforces the baseline lets a container add.
BASELINE = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
    *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
LARGEST_OBJECT = 1_000_000


def faults(found: Manifests) -> list[str]:
    return [*_job(found.job), *_pod(found), *_dependents(found)]


def containers(found: Manifests) -> list[Json]:
    pod = found.job["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


def _job(job: Json) -> Iterator[str]:
    metadata, spec = job["metadata"], job["spec"]
    if not LABEL.fullmatch(metadata["name"]):
        yield f"the Job's name {metadata['name']}"
    for labels in (metadata["labels"], spec["template"]["metadata"]["labels"]):
        yield from (f"label {k}={v}" for k, v in labels.items() if not VALUE.fullmatch(v))
    if not spec["suspend"] or spec["backoffLimit"] != 0:
        yield "the Job is released or made again by Kubernetes"
    if spec["template"]["spec"]["restartPolicy"] != "Never":
        yield "the pod is restarted"


def _pod(found: Manifests) -> Iterator[str]:
    pod = found.job["spec"]["template"]["spec"]
    names = [item["name"] for item in containers(found)]
    volumes = [item["name"] for item in pod["volumes"]]
    for name in (*names, *volumes, pod["hostname"]):
        if not LABEL.fullmatch(name):
            yield f"the name {name}"
    yield from (f"{name} is there twice" for name in _twice(names) + _twice(volumes))
    if len(pod["containers"]) != 1 or pod["containers"][0]["name"] != "test":
        yield "there is not the one main container"
    for item in containers(found):
        yield from (f"{item['name']}: {fault}" for fault in _container(item, set(volumes)))
    for volume in pod["volumes"]:
        yield from _volume(volume, found)


def _container(item: Json, volumes: set[str]) -> Iterator[str]:
    paths = [mount["mountPath"] for mount in item["volumeMounts"]]
    yield from (f"two volumes at {path}" for path in _twice(paths))
    for mount in item["volumeMounts"]:
        path, inside = mount["mountPath"], mount.get("subPath", "")
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is no volume"
        if not path.startswith("/") or ":" in path or inside.startswith("/"):
            yield f"mounts {inside} at {path}"
        if ".." in inside.split("/"):
            yield f"mounts {inside}, which leads out"
    names = [variable["name"] for variable in item.get("env", [])]
    yield from (f"the variable {name} twice" for name in _twice(names))
    yield from (f"the variable {name}" for name in names if not VARIABLE.fullmatch(name))
    yield from (f"the port {port} twice" for port in _twice(_ports(item)))
    yield from _resources(item["resources"])
    yield from _security(item.get("securityContext", {}))
    words = [*item.get("command", []), *item.get("args", [])]
    if not all(isinstance(word, str) and "\0" not in word for word in words):
        yield "a word that is none"
    if not item["image"] or item["image"] != item["image"].strip():
        yield f"the image {item['image']!r}"


def _ports(item: Json) -> list[str]:
    return [f"{port['containerPort']}/{port['protocol']}" for port in item.get("ports", [])]


def _resources(resources: Json) -> Iterator[str]:
    for kind in ("cpu", "memory", "ephemeral-storage"):
        wanted, limit = resources["requests"][kind], resources["limits"][kind]
        if not (QUANTITY.fullmatch(wanted) and QUANTITY.fullmatch(limit)) or not 0 < _amount(
            wanted
        ) <= _amount(limit):
            yield f"{kind} from {wanted} to {limit}"


def _amount(text: str) -> float:
    number, unit = float(text.rstrip("mMGi")), text.lstrip("0123456789")
    return number * {"": 1, "m": 0.001, "Mi": 1024**2, "Gi": 1024**3}[unit]


def _security(context: Json) -> Iterator[str]:
    if context.get("privileged"):
        yield "is privileged"
    added = set(context.get("capabilities", {}).get("add", []))
    yield from (f"adds {capability}" for capability in sorted(added - BASELINE))
    if context.get("runAsNonRoot") and not context.get("runAsUser"):
        yield "may not be root, and nobody says who it is"


def _volume(volume: Json, found: Manifests) -> Iterator[str]:
    kinds = set(volume) - {"name"}
    if len(kinds) != 1 or not kinds <= {"emptyDir", "secret", "configMap"}:
        yield f"{volume['name']} is {sorted(kinds)}"
    if "emptyDir" in volume and not QUANTITY.fullmatch(volume["emptyDir"].get("sizeLimit", "")):
        yield f"{volume['name']} has no size"
    keys = {item["metadata"]["name"]: set(item["data"]) for item in found.secrets}
    if "secret" in volume:
        items = {item["key"] for item in volume["secret"]["items"]}
        if not items <= keys.get(volume["secret"]["secretName"], set()):
            yield f"{volume['name']} names what no Secret has"
    if "configMap" in volume:
        items = {item["key"] for item in volume["configMap"]["items"]}
        if not items <= set(found.config_map["data"]):
            yield f"{volume['name']} names what the ConfigMap has not"


def _dependents(found: Manifests) -> Iterator[str]:
    keys = {item["metadata"]["name"]: set(item["data"]) for item in found.secrets}
    for item in found.secrets:
        name = item["metadata"]["name"]
        yield from (f"Secret {name}, key {key}" for key in item["data"] if not KEY.fullmatch(key))
        if sum(map(len, item["data"].values())) > LARGEST_OBJECT * 4 / 3:
            yield f"Secret {name} is too large"
    for container in containers(found):
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {}).get("secretKeyRef")
            if source and source["key"] not in keys.get(source["name"], set()):
                yield f"{container['name']}: {variable['name']} is in no Secret"
        for source in container.get("envFrom", []):
            if source["secretRef"]["name"] not in keys:
                yield f"{container['name']}: its variables are in no Secret"


def _twice(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
