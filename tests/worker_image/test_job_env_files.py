"""Env files as Docker Compose reads them: its own format, the raw one, and which value wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worker_image.switchyard_agent.errors import ServiceFailed
from worker_image.switchyard_agent.job.env_files import read_env_files
from worker_image.switchyard_agent.job.plan import EnvFile, Plan

TASK = {"TASK": "from the task", "EMPTY": ""}


def read(
    checkout: Path, text: str | bytes, names: tuple[str, ...] = (), **about: Any
) -> dict[str, str]:
    """The values of one file, with the Task's own variables around it."""
    data = text if isinstance(text, bytes) else text.encode()
    (checkout / "app.env").write_bytes(data)
    file = EnvFile(path="app.env", **about)
    plan = Plan(service="app", env_files=(file,), environment_names=frozenset(names))
    return read_env_files(plan, checkout, TASK)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A = spaced out ", "spaced out"),
        ("export A=exported", "exported"),
        ("  A: colon", "colon"),
        ("A=", ""),
        ("A=a # comment", "a"),
        ("A=a#no-comment", "a#no-comment"),
        ("A='single $TASK # kept'", "single $TASK # kept"),
        (r"A='it\'s'", "it's"),
        ('A="double $TASK" # comment', "double from the task"),
        (r'A="one\ntwo\t\"three\""', 'one\ntwo\t"three"'),
        (r'A="price \$5"', "price $5"),
        ('A="over\ntwo lines"', "over\ntwo lines"),
        ("A=$TASK and ${TASK}", "from the task and from the task"),
        ("A=$$TASK", "$TASK"),
        ("A=${NOBODY:-a default}", "a default"),
        ("A=${EMPTY:-a default}|${EMPTY-none}", "a default|"),
        ("A=${TASK:+set}${NOBODY+set}", "set"),
        ("A=${NOBODY}", ""),
        ("B=first\nA=${B} then", "first then"),
        ("A=one\nA=two", "two"),
        ("A=crlf\r\nB=x\r\n", "crlf"),
        ("\ufeffA=after the mark", "after the mark"),
    ],
)
def test_a_value_in_the_format_of_compose(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, line)["A"] == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A='quotes' \"stay\" # so does this", "'quotes' \"stay\" # so does this"),
        ("A=$TASK", "$TASK"),
        ("A= space ", " space "),
        ("A=with=equals", "with=equals"),
        ("  A=indented", "indented"),
    ],
)
def test_a_value_in_the_raw_format_is_as_it_stands(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"# comment\n\n{line}\n", format="raw") == {"A": value}


@pytest.mark.parametrize("form", ["compose", "raw"])
def test_a_name_alone_takes_the_tasks_value_or_none(tmp_path: Path, form: str) -> None:
    (tmp_path / "names.env").write_text("NOBODY\nEMPTY\nTASK \nA=1\n")
    files = (EnvFile(path=".env", task_variables=True), EnvFile(path="names.env", format=form))
    found = read_env_files(Plan(env_files=files), tmp_path, {"TASK ": "raw", **TASK})
    named = {"TASK": "from the task"} if form == "compose" else {"TASK ": "raw"}
    assert found == {"EMPTY": "", "A": "1", **named}


def test_bytes_that_are_no_text_come_through(tmp_path: Path) -> None:
    value = read(tmp_path, b"A=\xff\xfe\n")["A"]
    assert value.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_what_compose_sets_itself_is_not_taken_from_a_file(tmp_path: Path) -> None:
    assert read(tmp_path, "A=1\nB=2\n", names=("A",)) == {"B": "2"}


def test_of_two_files_and_the_tasks_variables_the_last_one_wins(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("TASK=one\nA=one\nB=one\n")
    (tmp_path / "two.env").write_text("A=two ${B}\n")
    one, two = EnvFile(path="one.env"), EnvFile(path="two.env")
    task = EnvFile(path=".env", task_variables=True)

    def order(*files: EnvFile) -> dict[str, str]:
        return read_env_files(Plan(env_files=files), tmp_path, TASK)

    assert order(one, two) == {"TASK": "one", "A": "two one", "B": "one"}
    assert order(one, task, two) == {"A": "two one", "B": "one"}  # the Task's own stays
    assert order(task, two, one)["TASK"] == "one"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=1\nwhat is this\n", "line 2 is not NAME=VALUE"),
        ('A="never ends', "the quote that begins the value of A never ends"),
        ("A=${B:?must be set}", "B is not set: must be set"),
    ],
)
def test_what_cannot_be_read_names_file_service_and_line(
    tmp_path: Path, text: str, why: str
) -> None:
    with pytest.raises(ServiceFailed) as failure:
        read(tmp_path, text)
    assert str(failure.value) == f"env_file app.env of the service app: {why}"


def test_a_file_that_is_not_there_is_a_failure_only_where_it_is_required(tmp_path: Path) -> None:
    optional = EnvFile(path="none.env", required=False)
    assert read_env_files(Plan(env_files=(optional,)), tmp_path, TASK) == {}
    with pytest.raises(ServiceFailed, match="commit it, or say `required: false`"):
        read_env_files(Plan(env_files=(EnvFile(path="none.env"),)), tmp_path, TASK)


def test_no_link_leads_out_of_the_checkout(tmp_path: Path) -> None:
    checkout, token = tmp_path / "checkout", tmp_path / "token"
    (checkout / "config").mkdir(parents=True)
    token.write_text("A=secret")
    (checkout / "out.env").symlink_to(token)
    (checkout / "config" / "in.env").write_text("A=inside")
    (checkout / "in.env").symlink_to("config/in.env")
    assert read_env_files(Plan(env_files=(EnvFile(path="in.env"),)), checkout, {}) == {
        "A": "inside"
    }
    with pytest.raises(ServiceFailed, match="it leads out of the checkout"):
        read_env_files(Plan(env_files=(EnvFile(path="out.env"),)), checkout, {})
