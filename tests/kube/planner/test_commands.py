"""Commands are lists of words, or lines that become one."""

import pytest

from kube.planner.plan import Command
from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service


def words(command: Command | None) -> list[str] | None:
    return None if command is None else [word.render({}) for word in command.words]


@pytest.mark.parametrize(
    ("keys", "entrypoint", "command"),
    [
        ("init: true", None, None),
        ("command: redis-server --save ''", None, ["redis-server", "--save", ""]),
        ("command: [a, 1, true, $$X]", None, ["a", "1", "true", "$X"]),
        ("entrypoint: /run 'a b'\ncommand: c", ["/run", "a b"], ["c"]),
        ("entrypoint: ''\ncommand: c", [], ["c"]),
        ("entrypoint: a\ncommand: []", ["a"], []),
        ("command: 5", None, ["5"]),
        ("command: run $X", None, ["run"]),
    ],
)
def test_both_ways_to_write_them_are_read(
    keys: str, entrypoint: list[str] | None, command: list[str] | None
) -> None:
    (service,) = make_plan(with_service(keys)).services
    assert (words(service.entrypoint), words(service.command)) == (entrypoint, command)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("command: a && b", "db, command: it has a shell operator"),
        ("entrypoint: sh -c 'a", "db, entrypoint: it has a quote that never ends"),
        ("command: []", "db, command: is empty"),
        ("command: ''", "db, command: is empty"),
        ("entrypoint: []", "db, entrypoint: is empty"),
        ("command: {a: b}", "db, command: a mapping is no command"),
        ("command: [a, [b]]", "db, command: a list is not what is read here"),
        ("command: ['${X']", "db, command: `${X` has no closing brace"),
    ],
)
def test_what_cannot_be_run_is_told(keys: str, problem: str) -> None:
    assert problem in service_problem(keys)


def test_the_main_services_command_is_left_aside() -> None:
    plan = make_plan(with_main("command: []\nentrypoint: []\nhealthcheck: {test: x}"))
    assert [note.key for note in plan.notes] == ["command", "healthcheck"]
    assert words(plan.main.entrypoint) == []


def test_a_line_with_variables_is_kept_to_be_split_anew() -> None:
    (service,) = make_plan(with_service("command: run $$HOME ${X:-a b}")).services
    assert service.command and service.command.line and words(service.command) == [
        "run", "$HOME", "a", "b",
    ]  # fmt: skip
    assert problems_of(with_service("command: run ${X:?}")) == []
