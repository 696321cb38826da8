"""Making a container: what it runs, with which variables, in which root."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import disk, volumes
from .images import Image
from .instance import Command, Instance
from .node import HOST_IP, LookupFailed, Node
from .places import Places
from .record import Run, Shelf
from .spec import ContainerSpec, PodSpec, resource
from .standins import SERVICE, machine_path
from .variables import ConfigError, Facts, environment, expand


@dataclass(frozen=True, kw_only=True)
class Making:
    """A container that is being made."""

    pod: PodSpec
    container: ContainerSpec
    image: Image
    run: Run
    instance: Instance
    shelf: Shelf
    node: Node
    pod_ip: str

    def prepare(self) -> Command:
        """Everything but the start. Raises ConfigError, MountError, OSError."""
        self.run.user = check_user(self.pod, self.container, self.image)
        given = self._variables()
        self.run.places = list(self.image.places)
        self.run.root_bytes = self._make_root(given)
        self._link_termination_log()
        env = self._environment(given)
        cwd = self.places.place(str(self.container.raw.get("workingDir") or self.image.workdir))
        cwd.mkdir(parents=True, exist_ok=True)
        # Shells take the name of their directory from here: not where a volume really lies.
        return Command(argv=self._argv(given), env={**env, "PWD": str(cwd)}, cwd=cwd)

    @cached_property
    def places(self) -> Places:
        return places_of(self.container, self.image.places, self.shelf.root(self.container.name))

    def _variables(self) -> dict[str, str]:
        """What the pod gives this container."""
        facts = Facts(pod_ip=self.pod_ip, host_ip=HOST_IP, node=self.node.settings.node)
        look_up = self.node.look_up
        try:
            return environment(
                self.pod,
                self.container,
                facts,
                lambda kind, name: look_up(self.pod.namespace, kind, name),
            )
        except LookupFailed as error:
            raise ConfigError(str(error)) from error

    def _make_root(self, given: Mapping[str, str]) -> int:
        """Returns the bytes that came with the image, where somebody will want to know."""
        root = self.places.root
        disk.remove(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        self.node.stand_ins.fill(self.image, root)
        limited = resource(self.container.raw, "limits", "ephemeral-storage") is not None
        size = disk.usage(root) if limited else 0
        volumes.mount(self.container, self.places, self.shelf.volumes, given)
        return size

    def _link_termination_log(self) -> None:
        self.instance.directory.mkdir(parents=True, exist_ok=True)
        self.instance.termination_log.touch()
        place = self.places.place(self.container.termination_path)
        place.parent.mkdir(parents=True, exist_ok=True)
        disk.remove(place)
        place.symlink_to(self.instance.termination_log)

    def _argv(self, given: Mapping[str, str]) -> list[str]:
        if self.image.kind == "service":
            kind = "once" if self.container.kind == "init" else "service"
            script = ["/bin/sh", "-c", SERVICE, "sh"]
            return [*script, self.container.image, kind, f"{self.run.well_after or 0:.3f}"]
        entry = [expand(word, given) for word in self.container.raw.get("command") or []]
        arguments = [expand(word, given) for word in self.container.raw.get("args") or []]
        if not entry:
            entry = list(self.image.entrypoint)
            arguments = arguments or list(self.image.cmd)
        return [self.places.rewrite(self._own_folder(word)) for word in (*entry, *arguments)]

    def _own_folder(self, word: str) -> str:
        """An image with files of its own means its own folder, be it missing there: never the
        machine's of the same name."""
        if self.image.tree is not None and word.startswith("/") and Path(word).is_dir():
            return str(self.places.place(word))
        return word

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The image's variables under those of the pod, all paths at their places."""
        api = self.node.settings.api.partition("://")[2]
        defaults = {
            "HOSTNAME": self.pod.hostname,
            "KUBERNETES_SERVICE_HOST": api.partition(":")[0],
            "KUBERNETES_SERVICE_PORT": api.partition(":")[2].strip("/") or "443",
        }
        own = {**defaults, **self.image.env, **given}
        env = {name: self.places.rewrite(value) for name, value in own.items()}
        # Whatever they are, these must not lead to the machine's own folders.
        for name, default in (("HOME", "/root"), ("TMPDIR", "/tmp")):
            place = _placed(env.get(name) or default, self.places)
            place.mkdir(parents=True, exist_ok=True)
            env[name] = str(place)
        env["PATH"] = ":".join(part for part in (env.get("PATH"), machine_path()) if part)
        # Where our programs look for the kernel's count of what it has killed: not the machine's.
        env.setdefault("SWITCHYARD_CGROUP_DIR", str(self.instance.cgroup))
        return {**env, **self.node.settings.env}


def places_of(container: ContainerSpec, own: tuple[str, ...], root: Path) -> Places:
    """`own` are those of its image."""
    return Places(root, [container.termination_path, *own, *volumes.paths(container)])


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


def _placed(path: str, places: Places) -> Path:
    inside = Path(path).is_relative_to(places.root)
    return Path(path) if inside else places.place(path)


def new_id() -> str:
    return f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
