"""Logs: decoded leniently, stored single-spaced, clean of secrets, and read for the exit code."""

import base64
from typing import Any

import pytest

from dispatch import tokens
from dispatch.models import Assignment, LogChunk, TaskSecret
from dispatch.outcomes import Category
from dispatch.redaction import Redactor
from droplets.protocol.logs import decode, whole_lines
from tests.droplets.protocol.agent import rspec, running, trailer

NOTHING = Redactor()


def stored(assignment: Assignment, name: str = "system") -> bytes:
    rows = LogChunk.objects.filter(stream__assignment=assignment, stream__name=name)
    return b"".join(bytes(data) for data in rows.order_by("start").values_list("data", flat=True))


@pytest.mark.parametrize(
    "body,text",
    [
        (base64.encodebytes(b"x" * 500), b"x" * 500),
        (b"", b""),
        (b"\n\n", b""),
        (b"aGVsbG8", b"hello"),
        (b"aGVs bG8=\r\n", b"hello"),
        (b"aGVs\0bG8=", b"hello"),
        (b"aGVsb", b"hel"),
        (b"aGVsbG8=\naGVsbG8=", b"hello"),
        (b"=====", b""),
        (base64.b64encode(b"\xff\x00\xfe"), b"\xff\x00\xfe"),
    ],
)
def test_base64_is_decoded_as_ruby_does(body: bytes, text: bytes) -> None:
    assert decode(body) == text


def as_ruby_sends(lines: list[bytes]) -> bytes:
    """`File.readlines(…)[n..].join("\\n") + "\\n"`"""
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize(
    "lines,text",
    [
        ([b"a\n"], b"a\n"),
        ([b"a\n", b"b\n"], b"a\nb\n"),
        ([b"a\n", b"\n", b"\n", b"b\n"], b"a\n\n\nb\n"),
        ([b"\n"], b"\n"),
        ([b"\n", b"a\n"], b"\na\n"),
        ([b"a\r\n", b"b\r\n"], b"a\r\nb\r\n"),
        ([b"a\n", b"half"], b"a\nhalf\n"),
        ([b"half"], b"half\n"),
    ],
)
def test_double_spaced_lines_are_stored_single(lines: list[bytes], text: bytes) -> None:
    assert whole_lines(as_ruby_sends(lines), NOTHING) == text


@pytest.mark.parametrize("text", [b"a\nb\n", b"a\n\nb\nc\n", b"no end", b""])
def test_text_that_the_ruby_agent_did_not_make_stays(text: bytes) -> None:
    assert whole_lines(text, NOTHING) == text


@pytest.mark.django_db
def test_posts_are_appended_in_order_of_arrival() -> None:
    agent, assignment = running()
    for lines in ([b"boot\n", b"up\n"], [b"clone\n"], [b"half"]):
        answer = agent.log(assignment.task_id, "system_logs", as_ruby_sends(lines))
        assert (answer.status_code, answer.content) == (200, b"")
    assert stored(assignment) == b"boot\nup\nclone\nhalf\n"


@pytest.mark.django_db
def test_the_first_post_may_be_large() -> None:
    agent, assignment = running()
    text = b"".join(b"%08d something happened\n" % number for number in range(200_000))
    lines = as_ruby_sends(text.splitlines(keepends=True))
    assert agent.log(assignment.task_id, "system_logs", lines).status_code == 200
    assert stored(assignment) == text


@pytest.mark.django_db
def test_a_body_over_the_limit_is_told_so_briefly(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    agent, assignment = running()
    answer = agent.log(assignment.task_id, "system_logs", b"x" * 2000)
    assert (answer.status_code, answer.content) == (413, b"The body is too large.\n")


@pytest.mark.django_db
def test_no_secret_is_stored() -> None:
    variables = {"KEY": "k3y-value", "PEM": "first-line\nsecond-line", "ON": "1"}
    agent, assignment = running(env_vars=variables)
    lines = [
        b"KEY=k3y-value\n",
        b"first-line\n",
        b"second-line\n",
        b"token " + agent.token.encode() + b"\n",
        b"Basic " + base64.b64encode(f"{agent.worker_id}:{agent.token}".encode()) + b"\n",
        b"GitHub token: abc.def\n",
        b"1 is one\n",
        b"KEY=k3y-",
    ]
    agent.log(assignment.task_id, "system_logs", as_ruby_sends(lines))
    text = stored(assignment)
    assert text.splitlines()[:4] == [
        b"KEY=[REDACTED]", b"[REDACTED]", b"[REDACTED]", b"token [REDACTED]"
    ]  # fmt: skip
    assert text.splitlines()[5:] == [b"GitHub token: [REDACTED]", b"1 is one", b"KEY=[REDACTED]"]
    encoded = base64.b64encode(tokens.derive("worker", agent.worker_id).encode())
    assert encoded[4:-4] not in text


@pytest.mark.django_db
@pytest.mark.parametrize("cancelled", [False, True])
def test_logs_after_the_end_are_clean_of_secrets_too(cancelled: bool) -> None:
    agent, assignment = running(env_vars={"KEY": "k3y-value"})
    if cancelled:
        assignment.task.cancel(actor="rails")
    else:
        assignment.close(Category.PASSED)
    agent.log(assignment.task_id, "system_logs", b"late k3y-value\n")
    assert stored(assignment) == b"late [REDACTED]\n"
    assert Assignment.by_id(assignment.pk).release()
    assert not TaskSecret.objects.filter(task=assignment.task_id).exists()


@pytest.mark.django_db
def test_our_own_agents_offset_tells_a_chunk_that_is_sent_again() -> None:
    agent, assignment = running()

    def send(text: bytes, offset: int) -> None:
        doubled, header = text.replace(b"\n", b"\n\n"), {"Switchyard-Offset": str(offset)}
        assert agent.log(assignment.task_id, "test_output", doubled, **header).status_code == 200

    send(b"one\n\ntwo\n", 0)
    send(b"one\n\ntwo\n", 0)
    send(b"three", 9)
    send(b" four\n", 14)
    assert stored(assignment, "test") == b"one\n\ntwo\nthree four\n"


def exit_code_of(assignment: Assignment) -> int | None:
    return Assignment.by_id(assignment.pk).exit_code


@pytest.mark.django_db
@pytest.mark.parametrize("code", [0, 1, 247])
def test_the_exit_code_is_read_from_the_trailer(code: int) -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "test_output", b"....\n\n" + trailer(code))
    assert exit_code_of(assignment) == code


@pytest.mark.django_db
@pytest.mark.parametrize("cut", range(1, 75, 7))
def test_the_exit_code_is_found_across_the_border_of_two_posts(cut: int) -> None:
    agent, assignment = running()
    text = b'x\n\nScript done on 2025-12-05 08:58:12-05:00 [COMMAND_EXIT_CODE="3"]\n'
    header = {"Switchyard-Offset": "0"}
    agent.log(assignment.task_id, "test_output", text[:cut].replace(b"\n", b"\n\n"), **header)
    header = {"Switchyard-Offset": str(cut)}
    agent.log(assignment.task_id, "test_output", text[cut:].replace(b"\n", b"\n\n"), **header)
    assert exit_code_of(assignment) == 3


@pytest.mark.django_db
def test_the_last_trailer_counts_and_the_bare_form_never_does() -> None:
    agent, assignment = running()
    for text in (
        b'[COMMAND_EXIT_CODE="0"]\n',
        b'said: Script done on x [COMMAND_EXIT_CODE="0"]\n',
    ):
        agent.log(assignment.task_id, "test_output", text)
    assert exit_code_of(assignment) is None
    agent.log(assignment.task_id, "test_output", trailer(0) + trailer(2))
    assert exit_code_of(assignment) == 2
    agent.log(assignment.task_id, "test_output", trailer(1))
    assert exit_code_of(assignment) == 1


@pytest.mark.django_db
def test_a_trailer_in_the_system_log_is_none() -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "system_logs", trailer(0))
    assert exit_code_of(assignment) is None


@pytest.mark.django_db
def test_the_trailer_closes_what_only_waited_for_it() -> None:
    agent, assignment = running()
    agent.results(assignment.task_id, rspec(2))
    assert Assignment.by_id(assignment.pk).live
    agent.log(assignment.task_id, "test_output", trailer(0))
    assert Assignment.by_id(assignment.pk).category == Category.PASSED
