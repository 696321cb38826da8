"""Making a container: what it runs, with which variables, in which root."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from . import disk, volumes
from .images import Image
from .instance import Command, Instance
from .node import HOST_IP, LookupFailed, Node
from .places import Places
from .record import PodRecord, Run, Shelf
from .spec import ContainerSpec, PodSpec, resource
from .standins import SERVICE, machine_path
from .variables import ConfigError, Facts, environment, expand

# Linux looks here where the image says nothing; its folders are those of this machine.
_SERVICE_PORT = "443"


def check_user(pod: PodSpec, container: ContainerSpec, image: Image) -> str:
    """The user that it would have. Raises ConfigError where that must not be root and is, or
    cannot be known not to be."""
    own = container.raw.get("securityContext") or {}
    context = {**(pod.spec.get("securityContext") or {}), **own}
    user = str(context["runAsUser"]) if "runAsUser" in context else image.user.partition(":")[0]
    if context.get("runAsNonRoot"):
        where = f'(pod: "{pod.full_name}", container: {container.name})'
        if "runAsUser" in context and user == "0":
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        if user in ("", "0"):
            raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
        if not user.isdigit():
            raise ConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({user}), cannot"
                f" verify user is non-root {where}"
            )
    return user or "0"


def variables_of(
    pod: PodSpec, container: ContainerSpec, node: Node, record: PodRecord
) -> dict[str, str]:
    """What the pod gives this container. Raises ConfigError."""
    facts = Facts(pod_ip=record.ip, host_ip=HOST_IP, node=node.settings.node)
    try:
        return environment(
            pod, container, facts, lambda kind, name: node.look_up(pod.namespace, kind, name)
        )
    except LookupFailed as error:
        raise ConfigError(str(error)) from error


def places_of(pod: PodSpec, container: ContainerSpec, image: Image, root: Path) -> Places:
    own = [container.termination_path, *image.places, *volumes.paths(container)]
    return Places(root, own)


def make_root(
    container: ContainerSpec,
    image: Image,
    shelf: Shelf,
    node: Node,
    places: Places,
    env: Mapping[str, str],
) -> int:
    """Returns the bytes that came with the image, where somebody will want to know. Raises
    OSError, MountError."""
    disk.remove(places.root)
    places.root.parent.mkdir(parents=True, exist_ok=True)
    node.stand_ins.fill(image, places.root)
    size = disk.usage(places.root) if resource(container.raw, "limits", "ephemeral-storage") else 0
    volumes.mount(container, places, shelf.volumes, env)
    return size


def link_termination_log(container: ContainerSpec, places: Places, instance: Instance) -> None:
    instance.directory.mkdir(parents=True, exist_ok=True)
    instance.termination_log.touch()
    place = places.place(container.termination_path)
    place.parent.mkdir(parents=True, exist_ok=True)
    disk.remove(place)
    place.symlink_to(instance.termination_log)


def command_of(
    pod: PodSpec,
    container: ContainerSpec,
    image: Image,
    places: Places,
    given: Mapping[str, str],
    run: Run,
    node: Node,
) -> Command:
    """What is run on this machine."""
    env = _environment(pod, image, places, given, node)
    raw = container.raw
    cwd = places.place(str(raw.get("workingDir") or image.workdir))
    cwd.mkdir(parents=True, exist_ok=True)
    if image.kind == "service":
        seconds = max(0.0, (run.well_at or 0) - time.time())
        kind = "once" if container.kind == "init" else "service"
        argv = ["/bin/sh", "-c", SERVICE, "sh", container.image, kind, f"{seconds:.3f}"]
        return Command(argv=argv, env=env, cwd=cwd)
    entry = [expand(word, given) for word in raw.get("command") or []]
    arguments = [expand(word, given) for word in raw.get("args") or []]
    if not entry:
        entry = list(image.entrypoint)
        arguments = arguments or list(image.cmd)
    return Command(argv=[places.rewrite(w) for w in (*entry, *arguments)], env=env, cwd=cwd)


def _environment(
    pod: PodSpec, image: Image, places: Places, given: Mapping[str, str], node: Node
) -> dict[str, str]:
    """The image's variables under those of the pod, all paths at their places."""
    api = node.settings.api.partition("://")[2]
    defaults = {
        "HOSTNAME": pod.hostname,
        "KUBERNETES_SERVICE_HOST": api.partition(":")[0],
        "KUBERNETES_SERVICE_PORT": api.partition(":")[2].strip("/") or _SERVICE_PORT,
    }
    own = {**defaults, **image.env, **given}
    env = {name: places.rewrite(value) for name, value in own.items()}
    # Whatever they are, these must not lead to the machine's own folders.
    for name, default in (("HOME", "/root"), ("TMPDIR", "/tmp")):
        place = _placed(env.get(name) or default, places)
        place.mkdir(parents=True, exist_ok=True)
        env[name] = str(place)
    found = env.get("PATH")
    env["PATH"] = ":".join(part for part in (found, machine_path()) if part)
    return {**env, **node.settings.env}


def _placed(path: str, places: Places) -> Path:
    inside = Path(path).is_relative_to(places.root)
    return Path(path) if inside else places.place(path)


def new_id() -> str:
    return f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
