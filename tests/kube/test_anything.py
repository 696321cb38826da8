"""Whatever a compose file and a Dockerfile hold: a plan or all that is wrong, never an error; and
every plan becomes manifests that Kubernetes would take."""

import time
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube.manifest.job import manifests
from kube.manifest.values import TaskRefused
from kube.planner.keys import IGNORED, READ, REFUSED
from kube.planner.plan import Plan, PlanRefused
from kube.planner.planning import plan
from tests.kube.making import DOCKERFILE, MAIN, make_request, make_settings, make_sources
from tests.kube.structure import faults

SECONDS = 5
CASES = Path(__file__).parent / "cases"
COMPOSE = [path.read_text() for path in sorted(CASES.glob("*/compose.yml"))]
DOCKERFILES = [DOCKERFILE, *(path.read_text() for path in sorted(CASES.glob("*/Dockerfile")))]
often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

NAMES = [
    "saturn_test_app",
    "db",
    "my_db",
    "my-db",
    "agent",
    "x" * 80,
    "Ü",
    "",
    "1",
    "seed-a",
    "a b",
]
WORDS = [
    "", " ", "x", "db", "postgres:17", "..", "../..", "./a", "./a:/b", "db:/b:ro", "/a", "/", "~",
    "~/x:/y", "8080:80", "1-5:1-5", "99999", "0", "-1", "1.5", "5s", "1h30m", "512m", "1e9", "yes",
    "true", "no", "null", "root", "1000:1000", "${X}", "$X", "${X:-y}", "${X:?z}", "${X", "$$X",
    "$", "service_healthy", "service_completed_successfully", "KEY=value", "KEY", "a && b", "'",
    "a 'b c'", "CMD-SHELL", "NONE", "CMD", "bind", "volume", "tmpfs", "\x00", "\u2028", "\ud800",
    "\U0001f600", ".env", "host", "127.0.0.1", "a:10.0.0.1", "host-gateway", "linux/amd64", "<<",
    "*a", "x" * 300,
]  # fmt: skip
KEYS = [
    *READ, *IGNORED, *REFUSED, "services", "volumes", "networks", "context", "dockerfile", "args",
    "target", "source", "type", "read_only", "test", "interval", "retries", "disable", "condition",
    "required", "path", "format", "aliases", "external", "driver", "driver_opts", "o", "resources",
    "limits", "reservations", "memory", "replicas", "published", "protocol", "size", "subpath",
    "<<",
]  # fmt: skip
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
)
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(NAMES), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
services = st.dictionaries(st.sampled_from(sorted(READ)), values, max_size=5)


# What services of real kinds say, key by key; which services there are is drawn apart.
PIECES = [
    (key, value)
    for path in sorted(CASES.glob("*/manifests.yml"))
    for service in yaml.safe_load((path.parent / "compose.yml").read_text())["services"].values()
    for key, value in service.items()
    if key not in ("build", "depends_on", "links", "profiles", "image")
]
pieces = st.lists(st.sampled_from(PIECES), max_size=6).map(dict)
VOLUMES = dict.fromkeys(
    ("postgresql", "bundle", "pgdata", "search", "gems", "cache", "html", "objects", "ram", "data")
)


def dumped(value: Any) -> str:
    return yaml.dump(value, Dumper=yaml.SafeDumper, allow_unicode=True, sort_keys=False)


@st.composite
def texts_like(draw: st.DrawFn, texts: list[str]) -> str:
    """One of the texts with a few pieces taken out, doubled, moved or replaced."""
    text = draw(st.sampled_from(texts))
    other = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        source = draw(st.sampled_from([text, other]))
        at = draw(st.integers(0, len(source)))
        piece = draw(
            st.sampled_from(["", source[at : at + 30], *WORDS, "\n", "\t", ": ", "- ", "{"])
        )
        text = text[:start] + piece + text[end:]
    return text


def check(compose: str, dockerfile: str = DOCKERFILE) -> Plan | None:
    """The plan, if there is one; with and without the Task's variables it makes good manifests."""
    plan.cache_clear()
    started = time.process_time()
    found = plan(make_sources(compose, dockerfile))
    assert time.process_time() - started < SECONDS
    if isinstance(found, PlanRefused):
        assert found.problems
        for problem in found.problems:
            assert problem.message and problem.remedy and str(problem).isprintable()
        return None
    uses = {use.variable for use in found.uses}
    for variables in ({}, {name: f"it's {name}" for name in ("X", "KEY") if name not in uses}):
        try:
            made = manifests(found, make_request(variables=variables), make_settings())
        except TaskRefused as refusal:
            assert all(problem.remedy for problem in refusal.problems)
        else:
            assert faults(made) == []
    return found


@often
@given(st.text(max_size=400))
def test_any_text_is_planned_or_refused(text: str) -> None:
    check(text)
    check(MAIN + text)
    check(MAIN, text)
    check(MAIN, DOCKERFILE + text)


@often
@given(values)
def test_any_yaml_is_planned_or_refused(value: Any) -> None:
    check(dumped(value))
    check(dumped({"services": value}))


@often
@given(services, st.dictionaries(st.sampled_from(NAMES), services, max_size=3), values, values)
def test_any_services_are_planned_or_refused(
    main: dict[str, Any], others: dict[str, Any], volumes: Any, networks: Any
) -> None:
    build = {"context": "..", "dockerfile": ".saturnci/Dockerfile"}
    needed = {"depends_on": sorted(set(others) - {"saturn_test_app"})}
    everything = {
        "services": {**others, "saturn_test_app": {**needed, **main, "build": build}},
        "volumes": volumes,
        "networks": networks,
    }
    check(dumped(everything))


@often
@given(pieces, st.dictionaries(st.sampled_from(["db", "my_db", "My-db", "agent"]), pieces))
def test_sound_pieces_in_any_mixture_are_planned_or_refused(
    main: dict[str, Any], others: dict[str, dict[str, Any]]
) -> None:
    build = {"context": "..", "dockerfile": ".saturnci/Dockerfile"}
    needing = {"build": build, "depends_on": list(others), **main}
    images = {name: {"image": f"example/{name.lower()}", **keys} for name, keys in others.items()}
    everything = {"saturn_test_app": needing, **images}
    check(dumped({"services": everything, "volumes": VOLUMES}))


@often
@given(st.sampled_from(sorted(READ)), values)
def test_any_value_of_any_key_is_planned_or_refused(key: str, value: Any) -> None:
    service = {"image": "a", key: value}
    build = {"context": "..", "dockerfile": ".saturnci/Dockerfile"}
    main = {"build": build, "depends_on": ["db"]}
    check(dumped({"services": {"saturn_test_app": main, "db": service}}))
    check(dumped({"services": {"saturn_test_app": {"build": build, key: value}}}))


@often
@given(texts_like(COMPOSE), texts_like(DOCKERFILES))
def test_files_that_were_real_are_planned_or_refused(compose: str, dockerfile: str) -> None:
    check(compose)
    check(MAIN, dockerfile)


def test_the_real_files_themselves_are_mostly_planned() -> None:
    planned = [compose for compose in COMPOSE if check(compose)]
    assert len(planned) > 10
