"""Environment and env files: what is exact is taken, what cannot be is refused."""

import pytest

from kube.planner.plan import EnvFile
from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service


@pytest.mark.parametrize(
    "text",
    [
        "environment: {A: x, B: 1.10, C: true, D: '', E: , discovery.type: one}",
        "environment: [A=x, B=1.1, C=true, D=, E, discovery.type=one]",
    ],
)
def test_mapping_and_list_are_the_same(text: str) -> None:
    (service,) = make_plan(with_service(text)).services
    found = {k: v if v is None else v.render({}) for k, v in service.environment.items()}
    assert found == {"A": "x", "B": "1.1", "C": "true", "D": "", "E": None, "discovery.type": "one"}


def test_the_last_of_a_list_wins() -> None:
    (service,) = make_plan(with_service("environment: [A=1, 'A=2=3']")).services
    assert [value and value.render({}) for value in service.environment.values()] == ["2=3"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("environment: {1A: x}", "`1A` is no name for a variable"),
        ("environment: {'A B': x}", "`A B` is no name for a variable"),
        ("environment: ['=x']", "`` is no name for a variable"),
        ("environment: {SWITCHYARD_OUT_DIR: x}", "is one of the agent's own"),
        ("environment: {A: [x]}", "environment.A: a list is not what is read here"),
        ("environment: {A: '${B'}", "environment.A: `${B` has no closing brace"),
        ('environment: {A: "x\\0"}', "environment.A: holds a NUL"),
        (
            "environment: [{A: b}]",
            "environment: a mapping is not what is read here; give NAME=value",
        ),
        (
            "env_file: ./db.env",
            "`.saturnci/db.env` would have to be read before this service starts",
        ),
        ("env_file: [{path: ./x, required: false}]", "`.saturnci/x` would have to be read"),
        ("env_file: /etc/env", "is an absolute path"),
        ("env_file: ../../env", "leads out of the repository"),
        ("env_file: [{format: raw}]", "has no path"),
        ("env_file: [{path: .env, format: toml}]", "env_file.format: `toml` is not known"),
    ],
)
def test_what_cannot_be_set_is_told(keys: str, words: str) -> None:
    assert words in service_problem(keys)


def test_a_service_may_have_the_tasks_variables() -> None:
    (service,) = make_plan(with_service("env_file: [.env, ./.env]")).services
    assert [file.task_variables for file in service.env_files] == [True, True]


def test_the_main_service_may_have_any_file_of_the_repository() -> None:
    keys = "env_file: [../a.env, {path: .env}, {path: ./b, required: no, format: raw}]"
    assert make_plan(with_main(keys)).main.env_files == (
        EnvFile(path="a.env"),
        EnvFile(path=".saturnci/.env", task_variables=True),
        EnvFile(path=".saturnci/b", required=False, format="raw"),
    )


def test_there_is_an_end_to_variables() -> None:
    many = ", ".join(f"A{n}: 0" for n in range(1001))
    (problem,) = problems_of(with_service(f"environment: {{{many}}}"))
    assert "at most 1000 are read" in problem
