"""A health check becomes a probe that asks often and has as much patience as compose."""

import pytest

from kube.planner.plan import Probe
from kube.planner.template import Template
from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service


def probe(keys: str) -> Probe | None:
    return make_plan(with_service(f"healthcheck: {{{keys}}}")).services[0].probe


@pytest.mark.parametrize(
    ("keys", "period", "timeout", "patience"),
    [
        ("interval: 10s, retries: 10", 2, 30, 100),
        ("interval: 10s, retries: 30", 2, 30, 300),
        ("", 2, 30, 90),
        ("interval: 500ms, timeout: 1500ms", 1, 2, 2),
        ("interval: 1m, retries: 3, start_period: 2m", 2, 30, 300),
        ("interval: 1m, start_interval: 1s", 1, 30, 180),
        ("interval: 1h, retries: 100", 2, 30, 3600),
        ("interval: 0s, retries: 0", 2, 30, 90),
    ],
)
def test_patience_is_composes(keys: str, period: int, timeout: int, patience: int) -> None:
    found = probe(f"test: x, {keys}" if keys else "test: x")
    assert found and (found.period, found.timeout, found.patience) == (period, timeout, patience)


@pytest.mark.parametrize(
    ("test", "words", "shell"),
    [
        ("curl localhost | grep ok", (), "curl localhost | grep ok"),
        ("[CMD-SHELL, 'a $$B || exit 1']", (), "a $B || exit 1"),
        ("[CMD, curl, -f, '${URL:-x}']", ("curl", "-f", "x"), ""),
    ],
)
def test_each_way_to_write_a_check_is_read(test: str, words: tuple[str, ...], shell: str) -> None:
    found = probe(f"test: {test}")
    assert found and (found.words, found.shell.render({})) == (words, shell)


@pytest.mark.parametrize("keys", ["disable: true", "test: [NONE]", "test: x, disable: 'yes'"])
def test_a_check_can_be_turned_off(keys: str) -> None:
    assert probe(keys) is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("interval: 5s", "healthcheck.test: is missing"),
        ("test: []", "healthcheck.test: is missing"),
        ("test: [curl, x]", "`curl` with 1 more is no check"),
        ("test: [CMD]", "`CMD` with 0 more is no check"),
        ("test: [CMD-SHELL, a, b]", "`CMD-SHELL` with 2 more is no check"),
        ("test: x, interval: 5", "healthcheck.interval: `5` is not what is read here"),
        ("test: x, retries: many", "healthcheck.retries: `many`"),
        ("test: x, intervall: 5s", "did you mean `interval`?"),
        ("test: [CMD, [a]]", "healthcheck.test: a list is not what is read here"),
    ],
)
def test_a_check_that_cannot_be_run_is_told(keys: str, words: str) -> None:
    assert words in service_problem(f"healthcheck: {{{keys}}}")


def test_who_wants_a_service_healthy_needs_a_check_of_it() -> None:
    compose = with_main("depends_on: {db: {condition: service_healthy}}", "  db: {image: x}\n")
    (problem,) = problems_of(compose)
    assert problem.startswith("service saturn_test_app, depends_on: `db` has no healthcheck")
    assert make_plan(compose.replace("image: x", "image: x, healthcheck: {test: y}"))


def test_a_probe_may_depend_on_the_task() -> None:
    found = probe("test: 'redis-cli -a ${PASSWORD} ping'")
    assert found and found.shell == Template.parse("redis-cli -a ${PASSWORD} ping")
