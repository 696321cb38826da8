"""The node as a whole: its pods, and the threads that keep it in touch with the API server."""

import threading
import zlib
from pathlib import Path

from . import processes
from .api import Refused, Unreachable, pod_path
from .disk import remove
from .node import Node, node_id
from .pod import Pod
from .publisher import Publisher, Wanted
from .record import PodRecord, Shelf
from .registration import Registration
from .settings import Settings
from .source import Source
from .spec import Json, PodSpec
from .status import LAST_PHASES
from .storage import Watchman


class Kubelet:
    """One process at a time may have a state directory open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.node = Node.open(settings)
        self._lock = threading.RLock()
        self._pods: dict[str, Pod] = {}
        self._publisher = Publisher(self.node.api, self._gone)
        self._watchman = Watchman(settings, self.pods)
        self._source = Source(
            self.node.api,
            settings,
            deliver=self._deliver,
            remove=self._gone,
            complete=self._complete,
        )
        self._registration: Registration | None = None

    def start(self, port: int) -> None:
        """Take up the pods that are on disk, then ask which there should be."""
        self.node.stand_ins.make()
        self.node.exits.start()
        self.node.recorder.start()
        self._publisher.start()
        for folder in sorted((self.settings.state / "pods").iterdir()):
            self._take_up(folder)
        images = self.node.puller.on_node.all
        self._registration = Registration(self.node.api, self.settings, port, images)
        self._registration.start()
        self._source.start()
        self._watchman.start()

    def stop(self) -> None:
        """In order; the containers live on."""
        self._source.stop()
        self._watchman.stop()
        if self._registration:
            self._registration.stop()
        for pod in self.pods():
            pod.stop()
        self._publisher.stop()
        self.node.recorder.stop()
        self.node.exits.stop()

    def pods(self) -> list[Pod]:
        with self._lock:
            return [pod for pod in self._pods.values() if not pod.done]

    def find(self, namespace: str, name: str) -> Pod | None:
        """The youngest of this name."""
        found = [p for p in self.pods() if (p.spec.namespace, p.spec.name) == (namespace, name)]
        return found[-1] if found else None

    def _take_up(self, folder: Path) -> None:
        shelf = Shelf(folder.absolute())
        loaded = None if folder.name.startswith(".") else shelf.load()
        if loaded is None:  # its removal, or its beginning, was cut short
            remove(folder)
            return
        raw, record = loaded
        self._add(raw, record, shelf)

    def _add(self, raw: Json, record: PodRecord, shelf: Shelf) -> None:
        pod = Pod(self.node, self._publisher, raw, record, shelf)
        with self._lock:
            self._pods[pod.spec.uid] = pod
        pod.start()

    def _deliver(self, raw: Json) -> None:
        spec = PodSpec(raw)
        with self._lock:
            known = self._pods.get(spec.uid)
            if known and not known.done:
                if known.spec.metadata.get("resourceVersion") != spec.metadata["resourceVersion"]:
                    known.deliver(raw)
                return
            if (raw.get("status") or {}).get("phase") in LAST_PHASES:
                self._confirm_end(spec)
                return
            if known:  # it was removed here already, this is an echo
                return
        shelf = Shelf(self.node.folder(spec.uid))
        record = PodRecord(ip=_address(spec.uid))
        shelf.save(record)
        shelf.save_pod(raw)
        self._add(raw, record, shelf)

    def _confirm_end(self, spec: PodSpec) -> None:
        """Nothing of it is here any more, and its deletion is waiting for us to say so."""
        if spec.deletion is not None:
            self._publisher.publish(Wanted(pod=spec, status=lambda before: before, over=True))

    def _complete(self, uids: set[str]) -> None:
        """A list may lie: whoever is missing in it is asked for by name."""
        with self._lock:
            missing = [pod for uid, pod in self._pods.items() if uid not in uids]
            self._pods = {uid: p for uid, p in self._pods.items() if uid in uids or not p.done}
        for pod in missing:
            if not pod.done and self._is_gone(pod.spec):
                pod.vanish()

    def _is_gone(self, spec: PodSpec) -> bool:
        try:
            found = self.node.api.get(pod_path(spec.namespace, spec.name))
        except (Unreachable, Refused):
            return False
        return found is None or found["metadata"]["uid"] != spec.uid

    def _gone(self, uid: str) -> None:
        with self._lock:
            pod = self._pods.get(uid)
        if pod:
            pod.vanish()


def _address(uid: str) -> str:
    """An address of its own on the loopback network."""
    number = zlib.crc32(uid.encode())
    return f"127.{64 + number % 64}.{number // 64 % 256}.{1 + number // 16384 % 254}"


def destroy_all(state: Path) -> int:
    """End every container of this state directory, and forget its pods. Returns how many
    processes there were. No kubelet may have the directory open."""
    killed = processes.kill_all(node_id(state)) if (state / "id.json").exists() else 0
    for folder in (state / "pods").glob("*"):
        Shelf(folder.absolute()).remove()
    for folder in (state / "pods").glob(".gone-*"):
        remove(folder)
    return killed


def kill_containers(state: Path) -> int:
    return processes.kill_all(node_id(state))
