"""Makes what the planner and the manifest builder take."""

from typing import Any
from uuid import UUID

from kube.manifest.job import Manifests, manifests
from kube.manifest.request import ImageSource, JobRequest
from kube.manifest.settings import ManifestSettings
from kube.planner.plan import Plan, PlanRefused
from kube.planner.planning import Sources, plan

DOCKERFILE = "FROM ruby:3.3\nWORKDIR /app\nCOPY . .\nRUN bundle install\n"
MAIN = """\
services:
  saturn_test_app:
    build: {context: .., dockerfile: .saturnci/Dockerfile}
"""


def make_sources(compose: str, dockerfile: str = DOCKERFILE, **paths: str) -> Sources:
    return Sources(compose_text=compose, dockerfile_text=dockerfile, **paths)


def make_plan(compose: str, dockerfile: str = DOCKERFILE, **paths: str) -> Plan:
    """The plan; the problems where there is none."""
    found = plan(make_sources(compose, dockerfile, **paths))
    assert isinstance(found, Plan), [str(problem) for problem in found.problems]
    return found


def problems_of(compose: str, dockerfile: str = DOCKERFILE, **paths: str) -> list[str]:
    """What keeps it from being planned; nothing where nothing does."""
    found = plan(make_sources(compose, dockerfile, **paths))
    return [str(item) for item in found.problems] if isinstance(found, PlanRefused) else []


def with_main(keys: str, rest: str = "") -> str:
    """A compose file whose main service has these keys too; `rest` are further lines."""
    return MAIN + "".join(f"    {line}\n" for line in keys.splitlines()) + rest


def with_service(keys: str, rest: str = "") -> str:
    """A compose file whose main service needs `db`, which has these keys."""
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    return with_main("depends_on: [db]", f"  db:\n    image: example/db\n{lines}{rest}")


def service_problem(keys: str, rest: str = "") -> str:
    """The one problem of such a file."""
    (problem,) = problems_of(with_service(keys, rest))
    return problem


def make_request(**overrides: Any) -> JobRequest:
    values: dict[str, Any] = {
        "task_id": UUID("11111111-2222-3333-4444-555555555555"),
        "assignment_id": UUID("66666666-7777-8888-9999-aaaaaaaaaaaa"),
        "attempt": 1,
        "account": "acme",
        "repository": "acme/shop",
        "commit": "c0ffee" * 6 + "c0ff",
        "clone_url": "https://github.com/acme/shop.git",
        "timeout_seconds": 3600,
        "source": ImageSource(reference="registry.example.com:5000/acme/shop:build"),
        "cache_repository": "registry.example.com:5000/acme/shop/cache",
        "labels": {"team": "shop"},
        "token": "assignment-token",
    }
    return JobRequest(**{**values, **overrides})


def make_settings(**overrides: Any) -> ManifestSettings:
    values: dict[str, Any] = {
        "namespace": "switchyard-tasks",
        "installation": "test",
        "control_plane_url": "https://switchyard.example.com/",
        "agent_image": "registry.example.com/agent:1",
        "builder_image": "registry.example.com/kaniko:debug",
    }
    return ManifestSettings(**{**values, **overrides})


def make_manifests(compose: str, dockerfile: str = DOCKERFILE, **request: Any) -> Manifests:
    return manifests(make_plan(compose, dockerfile), make_request(**request), make_settings())


def container(found: Manifests, name: str) -> dict[str, Any]:
    pod = found.job["spec"]["template"]["spec"]
    (wanted,) = (
        item for item in [*pod["initContainers"], *pod["containers"]] if item["name"] == name
    )
    result: dict[str, Any] = wanted
    return result
