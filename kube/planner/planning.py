"""Makes the plan of a pod from the texts of a compose file and a Dockerfile."""

import posixpath
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from kube.names import OURS, Names
from kube.planner import together
from kube.planner.building import read_build
from kube.planner.dockerfile_rules import check_dockerfile
from kube.planner.keys import TOP, check
from kube.planner.order import Order
from kube.planner.plan import Plan, PlanRefused, Service, Use
from kube.planner.problems import Findings, Problem, Refused, quote
from kube.planner.reader import Reader
from kube.planner.service import ServiceReader
from kube.planner.volumes import Volumes
from kube.planner.yaml_text import BadYaml, read_yaml

COMPOSE_FILE = "the compose file"
DEFAULT_SERVICE = "saturn_test_app"
MOST_VOLUMES = 100
# Plans that are kept: the Tasks of a suite run have one in common.
KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Texts, and where they lie in the repository. `service` is the one that runs the tests."""

    compose_text: str
    dockerfile_text: str
    compose_path: str = ".saturnci/docker-compose.yml"
    dockerfile_path: str = ".saturnci/Dockerfile"
    service: str = DEFAULT_SERVICE


@lru_cache(maxsize=KEPT)
def plan(sources: Sources) -> Plan | PlanRefused:
    """Pure, and for any texts at all: what cannot be planned is a PlanRefused, never an error."""
    findings = Findings()
    try:
        found = _Planner(sources=sources, findings=findings).plan()
    except Refused as refusal:
        findings.problems[refusal.problem] = None
        return PlanRefused(problems=tuple(findings.problems))
    if findings.problems:
        return PlanRefused(problems=tuple(findings.problems))
    return found


@dataclass(kw_only=True)
class _Planner:
    sources: Sources
    findings: Findings
    uses: dict[Use, None] = field(default_factory=dict)

    def plan(self) -> Plan:
        top = self._top()
        services = top.below("services")
        main = self._main_of(services)
        order = self._order(services, main)
        readers = {name: self._reader_of(services, name) for name in order.sequence}
        volumes = Volumes(declared=top.below("volumes"))
        found = self._read_services(readers, order, main, volumes)
        together.check_ports(self.findings, readers, found)
        together.check_health(order, found)
        together.check_networks(top, readers)
        together.note_others(services, order)
        build = read_build(readers[main], self._folder, self.sources.dockerfile_path)
        check_dockerfile(self.findings, main, self.sources.dockerfile_text, build)
        hosts, stop_seconds = together.hosts_of(readers), together.stop_seconds(readers)
        return Plan(
            main=found.pop(main),
            services=tuple(found.values()),
            build=build,
            volumes=tuple(volumes.found),
            hosts=hosts,
            stop_seconds=stop_seconds,
            uses=tuple(self.uses),
            notes=tuple(self.findings.notes),
        )

    @property
    def _folder(self) -> str:
        return posixpath.dirname(posixpath.normpath(self.sources.compose_path))

    def _top(self) -> Reader:
        try:
            document = read_yaml(self.sources.compose_text)
        except BadYaml as error:
            raise _refused(str(error), error.remedy) from None
        if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
            raise _refused("it has no `services`", "put the services below that key")
        top = Reader(findings=self.findings, service="", content=document, uses=self.uses)
        check(top, TOP)
        return top

    def _main_of(self, services: Reader) -> str:
        name = self.sources.service
        builders = [key for key, value in services.content.items() if _has_build(value)]
        if name not in services.content and name == DEFAULT_SERVICE and len(builders) == 1:
            return builders[0]
        if name not in services.content:
            message = f"there is no service {quote(name)} to run the tests in"
            raise _refused(message, "name the service that is built in `paths.service`")
        if name not in builders:
            problem = Problem(
                service=name,
                key="build",
                message="is missing, and the tests run in the image that is built",
                remedy="give it a `build`, as in `build: {context: ..}`",
            )
            raise Refused(problem)
        return name

    def _reader_of(self, services: Reader, name: str) -> Reader:
        value = services.content[name]
        if not isinstance(value, dict):
            self.findings.problem(name, "services", "is no mapping", "give it an `image`")
        content = value if isinstance(value, dict) else {}
        return Reader(findings=self.findings, service=name, content=content, uses=self.uses)

    def _order(self, services: Reader, main: str) -> Order:
        def reader_of(name: str) -> Reader | None:
            return self._reader_of(services, name) if name in services.content else None

        order = Order(reader_of=reader_of)
        order.visit(main, self._reader_of(services, main))
        return order

    def _read_services(
        self, readers: dict[str, Reader], order: Order, main: str, volumes: Volumes
    ) -> dict[str, Service]:
        reading = ServiceReader(
            folder=self._folder,
            main=main,
            built=_built(readers[main]),
            volumes=volumes,
            names=Names(taken=set(OURS)),
        )
        found = {
            name: reading.read(reader, completes=name in order.completes)
            for name, reader in readers.items()
        }
        if len(volumes.found) > MOST_VOLUMES:
            message = f"has {len(volumes.found)} of them"
            self.findings.problem("", "volumes", message, f"use at most {MOST_VOLUMES}")
        return found


def _built(main: Reader) -> frozenset[str]:
    """The image names under which other services may ask for the image that is built."""
    image = replace(main, uses={}).text("image")
    return frozenset((image, image.removesuffix(":latest"))) - {""}


def _has_build(value: Any) -> bool:
    return isinstance(value, dict) and value.get("build") is not None


def _refused(message: str, remedy: str) -> Refused:
    return Refused(Problem(service="", key=COMPOSE_FILE, message=message, remedy=remedy))
