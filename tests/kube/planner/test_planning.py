"""From texts to a plan, or to all the reasons why there is none."""

import pytest

from kube.planner.plan import Plan, PlanRefused, Use
from kube.planner.planning import plan
from tests.kube.making import (
    DOCKERFILE,
    MAIN,
    make_plan,
    make_sources,
    problems_of,
    with_main,
    with_service,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the compose file: it has no `services`"),
        ("[]", "it has no `services`"),
        ("services: []", "it has no `services`"),
        ("web: {image: a}", "it has no `services`"),
        ("services: {}", "there is no service `saturn_test_app`"),
        ("services: {a: {image: b}}", "there is no service `saturn_test_app`"),
        ("services: {a: {build: .}, b: {build: .}}", "there is no service `saturn_test_app`"),
        ("services: {saturn_test_app: {image: a}}", "service saturn_test_app, build: is missing"),
        ("services: {saturn_test_app: }", "service saturn_test_app, build: is missing"),
        ("a: b: c", "the compose file: line 1"),
        ("\x00", "the compose file"),
    ],
)
def test_a_file_without_a_main_service_is_refused(text: str, words: str) -> None:
    (problem,) = problems_of(text)
    assert words in problem and "; " in problem


def test_the_one_that_is_built_is_the_main_one_where_nobody_says_which() -> None:
    compose = (
        "services: {db: {image: a}, web: {build: {context: .., dockerfile: .saturnci/Dockerfile}}}"
    )
    assert make_plan(compose).main.name == "web"


def test_the_one_that_is_named_is_the_main_one() -> None:
    build = "{build: {context: .., dockerfile: .saturnci/Dockerfile}}"
    compose = f"services: {{web: {build}, tests: {build}}}"
    assert make_plan(compose, service="tests").main.name == "tests"
    assert "there is no service `other`" in problems_of(compose, service="other")[0]


def test_all_problems_are_told_at_once() -> None:
    compose = with_service("privileged: true\nuser: me").replace("db]", "db]\n    ipc: host")
    assert len(problems_of(compose, "FROM a\nRUN --network=none x")) == 4


def test_problems_are_told_once_and_not_without_end() -> None:
    many = "".join(f"\nkey{n}: x" for n in range(500))
    assert len(problems_of(with_service(f"init: true{many}"))) == 50


def test_the_same_texts_have_the_same_plan() -> None:
    plan.cache_clear()
    first = plan(make_sources(with_service("tmpfs: /x")))
    assert plan(make_sources(with_service("tmpfs: /x"))) is first
    plan.cache_clear()
    assert plan(make_sources(with_service("tmpfs: /x"))) == first


def test_a_variable_that_shapes_the_pod_is_remembered() -> None:
    keys = "image: a:${TAG:-1}\nports: ['${PORT-1}:1']\nenvironment: {A: '${FREE}'}"
    compose = with_main(
        "image: ${MINE:-x}\ndepends_on: [w]", f"  w: {{{keys.replace(chr(10), ', ')}}}\n"
    )
    compose = compose.replace("image: a:${TAG:-1}", "image: 'a:${TAG:-1}'")
    uses = make_plan(compose).uses
    assert set(uses) == {
        Use(service="w", key="image", variable="TAG"),
        Use(service="w", key="ports", variable="PORT"),
    }


def test_a_variable_that_nobody_sets_is_noted() -> None:
    (note,) = make_plan(with_service("hostname: a$X")).notes
    assert str(note) == (
        "service db, hostname: the variable X is not set and has no default: it is empty"
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("hostname: ${X:?name it}", "the variable X is not set: name it; give it a default"),
        ("hostname: ${X", "has no closing brace"),
    ],
)
def test_a_shape_that_hangs_on_a_missing_variable_is_refused(keys: str, words: str) -> None:
    (problem,) = problems_of(with_service(keys))
    assert words in problem


@pytest.mark.parametrize("path", ["../x.yml", "/abs/x.yml", ".", ""])
def test_any_path_of_the_compose_file_is_taken_for_what_it_is(path: str) -> None:
    found = plan(make_sources(MAIN, DOCKERFILE, compose_path=path))
    assert isinstance(found, Plan | PlanRefused)
