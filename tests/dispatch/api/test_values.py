"""What is refused, field by field: each with its name, and with nothing stored."""

from typing import Any

import pytest
from pytest_django import Settings

from dispatch.models import SuiteRun, Task
from tests.dispatch.api.calling import Api, shared_body, task_body

REFUSED: list[tuple[str, Any]] = [
    ("account", ""),
    ("account", "a b"),
    ("account", True),
    ("account", 1.5),
    ("account", None),
    ("account", "a" * 101),
    ("suite_run_id", "x" * 101),
    ("suite_run_id", "a/b"),
    ("suite_run_id", "a\n"),
    ("repository", "shop"),
    ("repository", "acme/shop/more"),
    ("repository", "acme/.."),
    ("repository", "-acme/shop"),
    ("repository", "acme/shop;id"),
    ("repository", "acme/$(id)"),
    ("repository", ["acme/shop"]),
    ("commit", "HEAD"),
    ("commit", "012345"),
    ("commit", "0" * 65),
    ("commit", "01234567\n"),
    ("commit", 1234567),
    ("branch", ""),
    ("branch", "-x"),
    ("branch", "a..b"),
    ("branch", "a b"),
    ("branch", "a\tb"),
    ("branch", "x.lock"),
    ("branch", "x/"),
    ("branch", "a~1"),
    ("order_index", 0),
    ("order_index", "1"),
    ("order_index", 1.0),
    ("order_index", True),
    ("order_index", 5),
    ("order_count", 0),
    ("order_count", 10_001),
    ("seed", -1),
    ("seed", 2**63),
    ("seed", "1"),
    ("project_name", "Shop"),
    ("project_name", "shop:latest"),
    ("project_name", "shop/"),
    ("project_name", "-shop"),
    ("project_name", "shop; id"),
    ("user_id", {"id": 1}),
    ("github_installation_id", "12a"),
    ("github_installation_id", -12),
    ("clone_url", "https://user:password@example.com/a.git"),
    ("clone_url", "https://token@example.com/a.git"),
    ("clone_url", "ext::sh -c id"),
    ("clone_url", "--upload-pack=id"),
    ("clone_url", "ftp://example.com/a.git"),
    ("clone_url", "https://"),
    ("clone_url", "https://example.com"),
    ("clone_url", "https://[::1/a.git"),
    ("clone_url", "https://example.com:port/a.git"),
    ("clone_url", "https://example.com/a b.git"),
    ("clone_url", "ssh://-oProxyCommand=id/a.git"),
    ("clone_url", "ssh://-oProxyCommand=id@example.com/a.git"),
    ("clone_url", "git@example.com:a.git"),
    ("clone_url", "file:///etc"),
    ("paths", []),
    ("compose_text", ""),
    ("compose_text", "x" * 256_001),
    ("dockerfile_text", 5),
    ("test_files", []),
    ("test_files", "spec/a_spec.rb"),
    ("test_files", {"0": "spec/a_spec.rb"}),
    ("command", ""),
    ("command", ["make"]),
    ("env_vars", []),
    ("env_vars", "A=b"),
    ("env_vars", {"A": "x" * 100_000, "B": "x" * 100_000, "C": "x" * 100_000}),
    ("env_vars", {f"A{number}": "" for number in range(1001)}),
    ("timeout_seconds", 0),
    ("timeout_seconds", 86_401),
    ("timeout_seconds", "60"),
    ("priority", -101),
    ("priority", 101),
    ("labels", ["a"]),
    ("labels", {f"a{number}": "" for number in range(65)}),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_bad_value_is_refused_by_name_with_nothing_stored(
    api: Api, field: str, value: object
) -> None:
    answer = api.post("/api/v1/tasks", task_body(**{field: value}))

    assert answer.status == 422
    assert list(answer.errors) == [field]
    assert ":" in answer.errors[field], "it says what to do"
    assert not (Task.objects.exists() or SuiteRun.objects.exists())


def test_a_command_and_test_files_together_are_refused_by_name(api: Api) -> None:
    both = {"command": "make test", "test_files": ["spec/a_spec.rb"]}
    answer = api.post("/api/v1/tasks", task_body(**both))
    assert (answer.status, list(answer.errors)) == (422, ["command"])
    assert "leave one out" in answer.errors["command"]
    body = shared_body() | {"tasks": [{"order_index": 1}, {"order_index": 2, **both}]}
    answer = api.post("/api/v1/suite_runs", body)
    assert (answer.status, list(answer.errors)) == (422, ["tasks[1].command"])
    assert not Task.objects.exists()


NESTED: list[tuple[str, Any, str]] = [
    ("paths", {"dockerfile": "/etc/passwd"}, "paths.dockerfile"),
    ("paths", {"compose": "../../x"}, "paths.compose"),
    ("paths", {"compose": "a/../b"}, "paths.compose"),
    ("paths", {"pre_script": "a\\b"}, "paths.pre_script"),
    ("paths", {"pre_script": "-x"}, "paths.pre_script"),
    ("paths", {"service": "a b"}, "paths.service"),
    ("paths", {"services": "app"}, "paths.services"),
    ("test_files", ["spec/a_spec.rb", "../b_spec.rb"], "test_files[1]"),
    ("test_files", ["spec/a_spec.rb", None], "test_files[1]"),
    ("test_files", ["--require=x"], "test_files[0]"),
    ("env_vars", {"A": 1}, "env_vars.A"),
    ("env_vars", {"A": None}, "env_vars.A"),
    ("env_vars", {"A B": "x"}, "env_vars.A B"),
    ("env_vars", {"1A": "x"}, "env_vars.1A"),
    ("env_vars", {"A=B": "x"}, "env_vars.A=B"),
    ("env_vars", {"": "x"}, 'env_vars.""'),
    ("env_vars", {"A\n": "x"}, "env_vars.A\n"),
    ("labels", {"a": 1}, "labels.a"),
    ("labels", {"1": "x"}, "labels.1"),
    ("labels", {"a": "x" * 256}, "labels.a"),
]


@pytest.mark.parametrize(("field", "value", "named"), NESTED)
def test_a_bad_value_inside_another_is_named_with_its_place(
    api: Api, field: str, value: object, named: str
) -> None:
    answer = api.post("/api/v1/tasks", task_body(**{field: value}))

    assert (answer.status, list(answer.errors)) == (422, [named])
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "name",
    """SATURNCI_API_HOST WORKER_ID WORKER_ACCESS_TOKEN TASK_ID RUN_ID TEST_SUITE_RUN_ID
    RUN_ORDER_INDEX NUMBER_OF_CONCURRENT_RUNS COMMIT_HASH RSPEC_SEED PROJECT_NAME BRANCH_NAME
    GITHUB_INSTALLATION_ID GITHUB_REPO_FULL_NAME SOURCE_ENV_FILE_PATH RETRY_INTERVAL_IN_SECONDS
    PATH HOME RUBYOPT GIT_DIR GIT_SSH_COMMAND http_proxy HTTPS_PROXY No_Proxy LD_PRELOAD
    LD_LIBRARY_PATH BASH_ENV""".split(),  # noqa: SIM905
)
def test_the_agents_own_variables_are_refused(api: Api, name: str) -> None:
    answer = api.create(env_vars={name: "x"})

    assert (answer.status, list(answer.errors)) == (422, [f"env_vars.{name}"])


@pytest.mark.parametrize(
    "field",
    [
        "account",
        "suite_run_id",
        "repository",
        "commit",
        "branch",
        "order_index",
        "order_count",
        "seed",
        "project_name",
    ],
)
def test_what_must_be_there_is_named_when_it_is_missing(api: Api, field: str) -> None:
    body = task_body()
    del body[field]

    answer = api.post("/api/v1/tasks", body)

    assert (answer.status, answer.errors) == (422, {field: "Is missing: add it."})


def test_an_unknown_field_is_refused_with_the_likely_one(api: Api) -> None:
    answer = api.create(comit="x", colour="red")

    assert answer.errors == {
        "comit": "Is unknown: did you mean commit?",
        "colour": "Is unknown: leave it out.",
    }


def test_all_bad_fields_are_named_at_once(api: Api) -> None:
    answer = api.create(branch="a..b", seed="x", paths={"compose": "/x"})

    assert list(answer.errors) == ["branch", "seed", "paths.compose"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("branch", "feature/über#1"),
        ("branch", "@x"),
        ("branch", "x@y.lockable"),
        ("repository", "Acme-Inc/shop.js_2"),
        ("repository", "acme/.github"),
        ("project_name", "acme/shop-api_v2.x"),
        ("clone_url", "ssh://git@example.com:2222/acme/shop.git"),
        ("clone_url", "git://example.com/shop"),
        ("clone_url", "http://127.0.0.1:3000/acme/shop.git"),
        ("command", "bin/test 'a b' && echo \"done\""),
        ("test_files", ["./spec/a b_spec.rb", "spec/ü_spec.rb"]),
        ("labels", {"ci.example/team": "", "a": "ü"}),
        ("user_id", ""),
        ("compose_text", "services: {}\n"),
        ("timeout_seconds", 1),
        ("priority", -100),
        ("seed", 0),
    ],
)
def test_a_good_value_is_taken_as_it_is(api: Api, field: str, value: object) -> None:
    answer = api.create(**{field: value})

    assert answer.status == 201, answer.content
    if field != "compose_text":
        assert answer.json[field] == value


def test_env_vars_take_any_text(api: Api) -> None:
    values = {"A": "", "b_2": "two\nlines", "C": "ü$(x)`'\"", "PATHS": "x", "RUBYLIB": "x"}

    assert api.create(env_vars=values).status == 201


def test_a_commit_is_kept_in_lower_case(api: Api) -> None:
    assert api.create(commit="ABCDEF12").json["commit"] == "abcdef12"


def test_file_urls_are_taken_where_the_installation_says_so(api: Api, settings: Settings) -> None:
    settings.ALLOW_FILE_CLONE_URLS = True

    assert api.create(clone_url="file:///srv/git/shop.git").status == 201
    assert "clone_url" in api.create(clone_url="file://host/x", order_index=2).errors
