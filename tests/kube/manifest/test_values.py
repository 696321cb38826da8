"""Whatever a Task's variable is part of lies in the Secret; all else is as it was written."""

import base64
import json
import re
from typing import Any

import pytest

from kube.manifest.job import Manifests
from kube.manifest.values import TaskRefused, escape
from tests.kube.making import container, make_manifests, with_main, with_service
from tests.kube.structure import containers

SECRET = "s3cr3t value"


def expanded(text: str, env: dict[str, str]) -> str:
    """What Kubernetes makes of a command, an argument or an environment value.

    Source: kubernetes third_party/forked/golang/expansion/expand.go.
    """
    found, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            found, at = found + text[at], at + 1
        elif text[at + 1] == "$":
            found, at = found + "$", at + 2
        elif text[at + 1] == "(" and ")" in text[at:]:
            end = text.index(")", at)
            name = text[at + 2 : end]
            found, at = found + env.get(name, f"$({name})"), end + 1
        else:
            found, at = found + text[at : at + 2], at + 2
    return found


@pytest.mark.parametrize(
    "text", ["$(date)", "$$", "$$$(x)$", "a$b", "$", "$(", "$$(", "$($)", "${x}", "x$(A)$$(B)", ""]
)
def test_kubernetes_leaves_an_escaped_text_as_it_was(text: str) -> None:
    assert expanded(escape(text), {"date": "no", "A": "no", "B": "no", "x": "no"}) == text


def data_of(found: Manifests, name: str) -> dict[str, str]:
    (secret,) = (item for item in found.secrets if item["metadata"]["name"] == name)
    return {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}


def environment(found: Manifests, name: str) -> dict[str, str]:
    """What the container's programs find in their environment."""
    item = container(found, name)
    values: dict[str, str] = {}
    for source in item.get("envFrom", []):
        values |= data_of(found, source["secretRef"]["name"])
    for variable in item.get("env", []):
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        text = data_of(found, source["name"])[source["key"]] if source else variable.get("value")
        values[variable["name"]] = text if source else expanded(text or "", values)
    return values


def words(found: Manifests, name: str) -> list[str]:
    """What the container runs."""
    item, env = container(found, name), environment(found, name)
    return [expanded(word, env) for word in [*item.get("command", []), *item.get("args", [])]]


def test_a_variable_reaches_the_environment_through_the_secret() -> None:
    keys = "environment: {A: '${X}', B: 'x-${X}-$$(y)', C: , D: , E: '$$(z)', F: '${Y:-d}'}"
    found = make_manifests(with_service(keys), variables={"X": SECRET, "C": "own"})
    values = environment(found, "db")
    wanted = {"A": SECRET, "B": f"x-{SECRET}-$(y)", "C": "own", "E": "$(z)", "F": "d"}
    assert values == wanted


def test_a_variable_reaches_commands_through_the_environment() -> None:
    keys = "entrypoint: [run, '--key=${X}', '$$(a)']\ncommand: go ${X} '$$(b)' ${Y:-plain}"
    found = make_manifests(with_service(keys), variables={"X": SECRET})
    assert words(found, "db") == [
        "run", f"--key={SECRET}", "$(a)", "go", "s3cr3t", "value", "$(b)", "plain",
    ]  # fmt: skip


def test_a_probe_reads_it_from_the_environment() -> None:
    found = make_manifests(
        with_service("healthcheck: {test: 'check -p ${X} $$(y)'}"), variables={"X": SECRET}
    )
    shell = container(found, "db")["startupProbe"]["exec"]["command"]
    assert shell[:2] == ["/bin/sh", "-c"]
    name = re.fullmatch(r'eval "\$(\w+)"', shell[2])
    assert name and environment(found, "db")[name[1]] == f"check -p {SECRET} $(y)"


def test_a_probe_without_one_is_as_it_was() -> None:
    found = make_manifests(with_service("healthcheck: {test: 'check $$(y) $$$$'}"))
    command = container(found, "db")["startupProbe"]["exec"]["command"]
    assert command == ["/bin/sh", "-c", "check $(y) $$"]


def test_the_build_gets_its_arguments() -> None:
    args = "args: {A: 'x${X}', B: , C: , NOTE: '$$(z)'}"
    compose = with_main("{}").replace("dockerfile:", f"{args}, dockerfile:").replace("    {}\n", "")
    variables = {"X": SECRET, "B": "given", "BUNDLE_GEMFILE": "G", "OTHER": "unused"}
    found = words(make_manifests(compose, variables=variables), "kaniko")
    assert [word for word in found if word.startswith("--build-arg")] == [
        "--build-arg=BUNDLE_GEMFILE=G",
        f"--build-arg=A=x{SECRET}",
        "--build-arg=B=given",
        "--build-arg=NOTE=$(z)",
    ]


def test_the_tests_have_the_tasks_variables_below_composes() -> None:
    compose = with_main("environment: {A: compose}\ndepends_on: [db]", "  db: {image: x}\n")
    found = make_manifests(compose, variables={"A": "task", "B": "task"})
    values = environment(found, "test")
    assert (values["A"], values["B"]) == ("compose", "task")
    assert environment(found, "db") == {}


def test_a_service_has_them_where_it_asks_for_them() -> None:
    found = make_manifests(with_service("env_file: .env"), variables={"B": "task"})
    assert environment(found, "db") == {"B": "task"}


def everything(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_no_secret_stands_in_the_job_or_the_config_map() -> None:
    keys = (
        "environment: {A: '${X}'}\ncommand: run ${X}\nhealthcheck: {test: 'a ${X}'}\nenv_file: .env"
    )
    compose = with_service(keys).replace("dockerfile:", "args: {A: '${X}'}, dockerfile:")
    found = make_manifests(compose, variables={"X": SECRET}, token="t0k3n")
    for part in ("s3cr3t", "t0k3n"):
        assert part not in everything(found.job) + everything(found.config_map)
        assert part in "".join(data_of(found, found.job["metadata"]["name"]).values())


def test_one_text_is_kept_once() -> None:
    compose = with_service("environment: {A: '${X}', B: '${X}'}")
    found = make_manifests(compose, variables={"X": SECRET})
    assert (
        sum(key.startswith("value-") for key in data_of(found, found.job["metadata"]["name"])) == 1
    )


def refusal(compose: str, **variables: str) -> str:
    with pytest.raises(TaskRefused) as caught:
        make_manifests(compose, variables=variables)
    assert all(problem.remedy for problem in caught.value.problems)
    return str(caught.value)


def test_a_variable_that_would_shape_the_pod_is_refused() -> None:
    compose = with_service("hostname: ${NAME:-db}\nuser: ${ID:-1}")
    assert make_manifests(compose, variables={"OTHER": "x"})
    told = refusal(compose, NAME="s3cr3t", ID="s3cr3t")
    assert "service db, hostname: the Task sets the variable NAME" in told
    assert "service db, user: the Task sets the variable ID" in told
    assert "s3cr3t" not in told


def test_the_main_services_entrypoint_shapes_the_pod_too() -> None:
    assert "entrypoint" in refusal(with_main("entrypoint: [run, '$X']"), X="x")
    assert "entrypoint" in refusal(with_main("entrypoint: run $X"), X="x")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("environment: {A: '${X:?give it}'}", "environment.A"),
        ("command: run ${X:?give it}", "command"),
        ("entrypoint: [run, '${X?give it}']", "entrypoint"),
        ("healthcheck: {test: '${X:?give it}'}", "healthcheck.test"),
    ],
)
def test_a_variable_that_is_needed_must_be_there(keys: str, key: str) -> None:
    told = refusal(with_service(keys))
    assert f"service db, {key}: the variable X is not set: give it" in told
    assert make_manifests(with_service(keys), variables={"X": "x"})


def test_a_line_that_a_variable_breaks_is_refused() -> None:
    told = refusal(with_service("command: run ${X}"), X="it's")
    assert "service db, command: it has a quote that never ends" in told and "it's" not in told


def test_there_is_an_end_to_what_variables_fill() -> None:
    many = ", ".join(f"A{n}: '{n}${{X}}'" for n in range(10))
    assert "more than 400000 bytes" in refusal(
        with_service(f"environment: {{{many}}}"), X="x" * 99_000
    )


def test_every_container_refers_to_the_jobs_own_secrets() -> None:
    found = make_manifests(
        with_service("environment: {A: '${X}'}"), variables={"X": "x"}, attempt=3
    )
    names = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for item in containers(found)
        for variable in item.get("env", [])
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    assert names == {found.job["metadata"]["name"]}
