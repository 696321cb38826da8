"""The volumes of a pod as directories, and their mounts as symlinks in a container's root."""

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from .disk import remove
from .places import Places
from .spec import ContainerSpec, Json, PodSpec
from .variables import Lookup, expand, texts

DEFAULT_MODE = 0o644
# Beside the volumes: what mounts inside of mounts have hidden.
HIDDEN = ".hidden"


class MountError(Exception):
    """FailedMount: the pod waits, and it is tried again. The message is the kubelet's."""


def set_up(pod: PodSpec, folder: Path, lookup: Lookup) -> None:
    """Make every volume that is not there yet. Raises MountError."""
    for volume in pod.spec.get("volumes") or []:
        place = folder / volume["name"]
        if not place.exists():
            draft = folder / f".{volume['name']}"
            remove(draft)
            draft.mkdir(parents=True)
            _fill(pod, volume, draft, lookup)
            os.replace(draft, place)


def mount(container: ContainerSpec, places: Places, folder: Path, env: Mapping[str, str]) -> None:
    """Put a symlink where each volume of this container is mounted, outer ones first. Raises
    MountError."""
    mounts = sorted(container.raw.get("volumeMounts") or [], key=lambda m: len(m["mountPath"]))
    for entry in mounts:
        source = _source(entry, folder, env)
        place = places.place(entry["mountPath"])
        if place.resolve() != source.resolve():
            _link(place, source, places.root, folder / HIDDEN)


def is_memory(volume: Json) -> bool:
    return (volume.get("emptyDir") or {}).get("medium") == "Memory"


def _fill(pod: PodSpec, volume: Json, place: Path, lookup: Lookup) -> None:
    if "emptyDir" in volume:
        place.chmod(0o777)
        return
    if source := volume.get("secret"):
        _write_entries(volume["name"], "Secret", source, source.get("secretName"), place, lookup)
    elif source := volume.get("configMap"):
        _write_entries(volume["name"], "ConfigMap", source, source.get("name"), place, lookup)
    else:
        kind = next((key for key in volume if key != "name"), "nothing")
        raise _failure(volume["name"], f"this node has no {kind} volumes")


def _failure(volume: str, why: str) -> MountError:
    return MountError(f'MountVolume.SetUp failed for volume "{volume}" : {why}')


def _write_entries(
    volume: str, kind: str, source: Json, name: str | None, place: Path, lookup: Lookup
) -> None:
    found = lookup(kind, name or "")
    if found is None:
        if source.get("optional"):
            return
        raise _failure(volume, f'{kind.lower()} "{name}" not found')
    entries = texts(kind, found)
    default = source.get("defaultMode", DEFAULT_MODE)
    items = source.get("items") or [{"key": key, "path": key} for key in entries]
    for item in items:
        if item["key"] in entries:
            _write(place / item["path"], entries[item["key"]], item.get("mode", default))
        elif not source.get("optional"):
            raise _failure(volume, f"references non-existent {kind.lower()} key: {item['key']}")


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _source(entry: Json, folder: Path, env: Mapping[str, str]) -> Path:
    volume = folder / str(entry["name"])
    sub_path = entry.get("subPath") or expand(entry.get("subPathExpr") or "", env)
    if not sub_path:
        return volume
    source = volume / str(sub_path)
    if not source.resolve().is_relative_to(volume.resolve()):
        raise MountError(f'subPath "{sub_path}" leads out of volume "{entry["name"]}"')
    if not source.exists():
        source.mkdir(parents=True)
    return source


def _link(place: Path, source: Path, root: Path, hidden: Path) -> None:
    """What lay there is hidden. Inside another mount that is seen by everybody who mounts that
    volume, as the link itself is: a mount within a mount is the one thing that needs a namespace
    to be nobody else's business."""
    inside = any(p.is_symlink() for p in place.parents if p != root and p.is_relative_to(root))
    place.parent.mkdir(parents=True, exist_ok=True)
    if inside and place.exists() and not place.is_symlink():
        hidden.mkdir(exist_ok=True)
        os.replace(place, hidden / uuid.uuid4().hex)
    remove(place)
    place.symlink_to(source)


def paths(container: ContainerSpec) -> Iterable[str]:
    return [entry["mountPath"] for entry in container.raw.get("volumeMounts") or []]
