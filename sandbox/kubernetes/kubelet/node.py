"""What all pods of a node share."""

import json
import os
import subprocess
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .api import Api, Refused, Unreachable
from .events import Recorder
from .exits import Exits
from .faults import Faults
from .pulling import OnNode, Puller
from .settings import Settings
from .spec import Json
from .standins import StandIns

HOST_IP = "127.0.0.1"
_PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}


class LookupFailed(Exception):
    """The API server could not be asked; the message is the kubelet's."""


@dataclass(kw_only=True)
class Node:
    """`id` is unique to the state directory, so that no other node takes our processes for its
    own."""

    settings: Settings
    id: str
    api: Api
    recorder: Recorder
    exits: Exits
    faults: Faults
    puller: Puller
    stand_ins: StandIns
    _children: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, settings: Settings) -> "Node":
        """Opens (or makes) the state directory. One process at a time may have it open."""
        state = settings.state
        (state / "pods").mkdir(parents=True, exist_ok=True, mode=0o700)
        api = Api(settings.api, settings.token, f"kubelet/{settings.node}")
        recorder, faults = Recorder(api, settings.node), Faults(state / "faults.json")
        on_node = OnNode(state / "images.json")
        return cls(
            settings=settings,
            id=node_id(state),
            api=api,
            recorder=recorder,
            exits=Exits(),
            faults=faults,
            puller=Puller(settings=settings, faults=faults, recorder=recorder, on_node=on_node),
            stand_ins=StandIns(settings),
        )

    def mark(self, uid: str, *parts: str) -> str:
        """What the environment of each process of this pod (or container) carries."""
        return "/".join((self.id, uid, *parts))

    def folder(self, uid: str) -> Path:
        return (self.settings.state / "pods" / uid).absolute()

    def look_up(self, namespace: str, kind: str, name: str) -> Json | None:
        """A Secret or ConfigMap, None where there is none. Raises LookupFailed."""
        try:
            return self.api.get(f"/api/v1/namespaces/{namespace}/{_PLURALS[kind]}/{name}")
        except (Unreachable, Refused) as error:
            raise LookupFailed(
                f"failed to sync {kind.lower()} cache: timed out waiting for the condition: {error}"
            ) from error

    def adopt(self, child: "subprocess.Popen[bytes] | None") -> None:
        """Take over a child that has to be waited for one day."""
        with self._lock:
            self._children = [one for one in self._children if one.poll() is None]
            self._children += [child] if child else []


def node_id(state: Path) -> str:
    path = state / "id.json"
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(uuid.uuid4().hex))
        os.replace(draft, path)
    return str(json.loads(path.read_text()))
