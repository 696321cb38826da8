"""Reads one service of the compose file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kube.names import Names
from kube.planner.building import PLATFORM
from kube.planner.commands import check_words, read_command
from kube.planner.environment import read_env_files, read_environment
from kube.planner.health import read_probe
from kube.planner.keys import DEPLOY, LIMITS, RESERVATIONS, SERVICE, check
from kube.planner.mounts import MountReader
from kube.planner.plan import Command, Service
from kube.planner.ports import Ports, read_ports, usual_ports
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.template import Template
from kube.planner.volumes import Volumes

# Name, tag and digest of an image.
IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d{1,5})?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[a-f0-9]{32,128})?",
    re.ASCII,
)
LONGEST_IMAGE = 400
USER = re.compile(r"(root|\d{1,10})(?::(root|\d{1,10}))?", re.ASCII)
HIGHEST_ID = 2**31 - 1
LEAST_MEMORY = 6 * 1024**2
SPEAKS_OF_PORTS = re.compile(r"(?:^|[^a-z])(?:-p(?![a-z])|ports?\b)|port$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ServiceReader:
    """`folder` is the compose file's, `main` the main service's name, `built` the image names that
    stand for the image that is built."""

    folder: str
    main: str
    built: frozenset[str]
    volumes: Volumes
    names: Names

    def read(self, reader: Reader, *, completes: bool) -> Service:
        is_main = reader.service == self.main
        _check(reader)
        entrypoint, command = read_command(reader, "entrypoint"), read_command(reader, "command")
        if is_main:
            _check_main(reader, entrypoint)
        else:
            check_words(reader, entrypoint, command)
        user, group = _user(reader)
        memory, reserved, cpus = _limits(reader)
        mounts = MountReader(
            reader=reader, folder=self.folder, volumes=self.volumes, is_main=is_main
        )
        return Service(
            name=reader.service,
            container="test" if is_main else self.names.take(reader.service),
            image="" if is_main else self._image(reader),
            completes=completes,
            entrypoint=entrypoint,
            command=command,
            environment=read_environment(reader),
            env_files=read_env_files(reader, self.folder, is_main=is_main),
            mounts=mounts.read(),
            shm_bytes=reader.size("shm_size") or 0,
            probe=None if is_main or completes else read_probe(reader),
            user=user,
            group=group,
            working_dir=_working_dir(reader),
            memory_bytes=memory,
            memory_request_bytes=reserved,
            cpus=cpus,
            read_only=reader.flag("read_only"),
        )

    def _image(self, reader: Reader) -> str:
        image = reader.text("image")
        if reader.has("build"):
            remedy = f"give `image` to {self.main} and the same one here, without `build`"
            reader.problem("build", "one image is built, that of the main service", remedy)
            return ""
        if image in self.built:
            return ""
        if not image or len(image) > LONGEST_IMAGE or not IMAGE.fullmatch(image):
            message = f"{quote(image)} is no image" if image else "is missing"
            reader.problem("image", message, "name one, as in postgres:17")
        return image


"""+"""


def listens_on(reader: Reader, service: Service) -> list[Ports]:
    told = any(SPEAKS_OF_PORTS.search(text) for text in _said(service))
    return read_ports(reader) + usual_ports(service.image, told)


def _said(service: Service) -> Iterable[str]:
    for name, value in service.environment.items():
        yield from (name, _shown(value or Template()))
    for command in (service.entrypoint, service.command):
        yield from (_shown(word) for word in command.words) if command else ()


def _shown(word: Template) -> str:
    return "".join(part for part in word.parts if isinstance(part, str))


def _check(reader: Reader) -> None:
    check(reader, SERVICE)
    if reader.says("profiles"):
        remedy = "take them out of what the tests need"
        reader.problem("profiles", "no profile is active", remedy)
    _check_copies(reader)
    _check_platform(reader)


def _check_main(reader: Reader, entrypoint: Command | None) -> None:
    for word in entrypoint.words if entrypoint else ():
        reader.pin("entrypoint", word)
    if entrypoint and entrypoint.line:
        reader.pin("entrypoint", entrypoint.line)
    for key in ("command", "healthcheck"):
        if reader.has(key):
            reader.note(key, "left aside: the tests are run in this service")


def _check_copies(reader: Reader) -> None:
    """One container for each service."""
    deploy = reader.below("deploy")
    check(deploy, DEPLOY)
    for place, key in ((reader, "scale"), (deploy, "replicas")):
        if place.has(key) and place.whole(key) != 1:
            place.problem(key, "each service runs once", "make it 1, or take it out")


def _check_platform(reader: Reader) -> None:
    platform = reader.text("platform")
    if platform and platform != PLATFORM:
        message = f"{quote(platform)} is not what the nodes are"
        reader.problem("platform", message, f"use {PLATFORM}, or leave it out")


def _limits(reader: Reader) -> tuple[int, int, float]:
    """Limit and reservation of memory in bytes, and CPUs; 0 where there is none."""
    resources = reader.below("deploy").below("resources")
    limits, reservations = resources.below("limits"), resources.below("reservations")
    check(limits, LIMITS)
    check(reservations, RESERVATIONS)
    memory = reader.size("mem_limit") or limits.size("memory") or 0
    if 0 < memory < LEAST_MEMORY:
        reader.problem("mem_limit", "nothing runs in so little memory", "give at least 6m")
    reserved = reader.size("mem_reservation") or reservations.size("memory") or 0
    return memory, reserved, reader.number("cpus") or limits.number("cpus") or 0


def _user(reader: Reader) -> tuple[int | None, int | None]:
    text = reader.text("user")
    if not text:
        return None, None
    found = USER.fullmatch(text)
    ids = [0 if part == "root" else int(part) for part in found.groups() if part] if found else []
    if not ids or max(ids) > HIGHEST_ID:
        message = f"{quote(text)} is not known outside of the image"
        reader.problem("user", message, "give its numbers, as in 1000:1000")
        return None, None
    return ids[0], ids[1] if len(ids) > 1 else None


def _working_dir(reader: Reader) -> str:
    text = reader.text("working_dir")
    if text and not text.startswith("/"):
        reader.problem("working_dir", f"{quote(text)} is relative", "give an absolute path")
        return ""
    return text
