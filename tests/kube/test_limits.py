"""The largest texts that are read at all are planned or refused in a moment, the worst of them
too, and so are their manifests made."""

import time

import pytest

from kube.manifest.job import manifests
from kube.manifest.values import TaskRefused
from kube.planner.plan import PlanRefused
from kube.planner.planning import plan
from kube.planner.yaml_text import LONGEST
from tests.kube.making import DOCKERFILE, MAIN, make_request, make_settings, make_sources, with_main

SECONDS = 5
SERVICES = [f"s{n}" for n in range(29)]
NEEDED = f"depends_on: [{', '.join(SERVICES)}]"


def everywhere(keys: str, shared: str) -> str:
    """The same shared value in every service, by an alias."""
    services = "".join(f"  {name}: {{image: a, {keys}: *a}}\n" for name in SERVICES)
    return f"x-a: &a {shared}\n" + with_main(NEEDED, services)


def listed(item: str, count: int) -> str:
    return "[" + ", ".join(item.replace("#", str(n)) for n in range(count)) + "]"


def mapped(item: str, count: int) -> str:
    return "{" + ", ".join(item.replace("#", str(n)) for n in range(count)) + "}"


def with_db(command: str) -> str:
    return with_main("depends_on: [d]", f'  d: {{image: a, command: "{command}"}}\n')


WORST = {
    "unknown keys": MAIN + "".join(f"    key{n}: 1\n" for n in range(15_000)),
    "ports": everywhere("ports", listed("#1", 500)),
    "allowed ports": everywhere("expose", listed("1#", 100)),
    "volumes of one name": everywhere("volumes", listed("/v/#/x", 500)),
    "variables": everywhere("environment", mapped("A#: '${X}#'", 900)),
    "one long template": with_main("environment: {A: '" + "$A" * 100_000 + "'}"),
    "dollars": with_main("environment: {A: '" + "$" * 200_000 + "'}"),
    "braces": with_main("environment: {A: '" + "${A:-" * 40_000 + "'}"),
    "closed braces": with_main("environment: {A: '" + "${A}{" * 40_000 + "'}"),
    "needs": with_main(f"depends_on: {listed('n#', 20_000)}"),
    "hosts": everywhere("extra_hosts", mapped("h#: 10.0.0.1", 1500)),
    "services": MAIN + "".join(f"  n{n}: {{image: a}}\n" for n in range(9_000)),
    "a long command": with_db("'" + "a " * 100_000 + "'"),
    "quotes": with_db("' ''" * 50_000),
    "digits": with_main(f"mem_limit: {'9' * 200_000}"),
    "image": with_main("depends_on: [d]", f"  d: {{image: {'a.' * 100_000}}}\n"),
    "folders": with_main(f"volumes: ['./{'a/../' * 40_000}b:/x']"),
    "anchors": "x: [" + ", ".join(f"&a{n} 1" for n in range(20_000)) + "]\n" + MAIN,
}
DOCKERFILES = {
    "flags": "FROM a\nRUN" + " --a=b" * 40_000,
    "instructions": "FROM a\n" + "RUN b\n" * 40_000,
    "here-documents": "FROM a\n" + "COPY <<A /x\n$B\nA\n" * 4_900,
    "continued lines": "FROM a\nRUN " + "b \\\n" * 60_000,
    "mounts": "FROM a\nRUN --mount=" + "type=ssh," * 7_000 + " x",
    "words": "FROM a\nARG " + "GITHUB_TOKEN " * 5_000,
    "stages": "FROM a\n" * 5_000,
    "quotes": "FROM a\n" + ("RUN " + "'\"" * 30_000 + "\n") * 4,
}


@pytest.mark.parametrize("compose", WORST.values(), ids=WORST)
def test_the_worst_compose_file_is_read_in_a_moment(compose: str) -> None:
    assert len(compose) <= LONGEST
    settle(compose, DOCKERFILE)


@pytest.mark.parametrize("dockerfile", DOCKERFILES.values(), ids=DOCKERFILES)
def test_the_worst_dockerfile_is_read_in_a_moment(dockerfile: str) -> None:
    settle(MAIN, dockerfile)


def settle(compose: str, dockerfile: str) -> None:
    plan.cache_clear()
    started = time.process_time()
    found = plan(make_sources(compose, dockerfile))
    if not isinstance(found, PlanRefused):
        try:
            manifests(found, make_request(variables={"X": "x" * 400}), make_settings())
        except TaskRefused as refusal:
            assert refusal.problems
    assert time.process_time() - started < SECONDS
