"""Logs: by raw offset, each byte once, in order, and never a secret, however they are cut."""

import base64
from concurrent.futures import ThreadPoolExecutor
from random import Random
from string import ascii_letters
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch import redaction, reporting, tokens
from dispatch.agent_api import reports
from dispatch.models import LogChunk, LogStream, TaskSecret
from dispatch.redaction import FORGOTTEN, MASK, Redactor
from tests.dispatch.agent_api.agent import (
    Agent,
    cancelled,
    finished,
    make_agent,
    release,
    running,
    superseded,
    timed_out,
)

pytestmark = pytest.mark.django_db


def stored(agent: Agent, name: str = "test") -> bytes:
    chunks = LogChunk.objects.filter(stream__assignment=agent.assignment, stream__name=name)
    data = chunks.order_by("start").values_list("data", flat=True)
    return b"".join(bytes(piece) for piece in data)


def received(agent: Agent, name: str = "test") -> int:
    return LogStream.objects.get(assignment=agent.assignment, name=name).received


# Offsets --------------------------------------------------------------------------------------


def test_the_answer_is_how_many_raw_bytes_have_arrived() -> None:
    agent = running(KEY="hunter2-long")
    answer = agent.log(b"key hunter2-long\n", 0)
    assert (answer.status, answer.json) == (200, {"offset": 17})
    assert agent.log(b"two\n", 17).json == {"offset": 21}
    assert stored(agent) == b"key [REDACTED]\ntwo\n"


def test_what_is_sent_again_is_ignored() -> None:
    agent = running()
    agent.log(b"one\ntwo\n", 0)
    assert agent.log(b"one\ntwo\n", 0).json == {"offset": 8}
    assert agent.log(b"two\nthree\n", 4).json == {"offset": 14}
    assert agent.log(b"o", 1).json == {"offset": 14}
    assert stored(agent) == b"one\ntwo\nthree\n"


def test_a_gap_is_refused_with_the_offset_to_go_on_from() -> None:
    agent = running()
    assert agent.log(b"one\n", 1).json["offset"] == 0
    assert not LogStream.objects.exists()
    agent.log(b"one\n", 0)
    answer = agent.log(b"three\n", 8)
    assert (answer.status, answer.json["offset"]) == (409, 4)
    assert agent.log(b"", 10**14).json["offset"] == 4
    assert stored(agent) == b"one\n"


def test_half_a_line_is_not_acknowledged_until_the_rest_of_it_comes() -> None:
    agent = running()
    assert agent.log(b"one\ntw", 0).json == {"offset": 4}
    assert agent.log(b"tw", 4).json == {"offset": 4}
    assert stored(agent) == b"one\n"
    assert agent.log(b"two\n", 4).json == {"offset": 8}
    assert stored(agent) == b"one\ntwo\n"


def test_the_last_half_of_a_line_is_taken_at_the_end() -> None:
    agent = running()
    for _ in range(2):
        assert agent.log(b"one\ntwo", 0, end=True).json == {"offset": 7}
        assert stored(agent) == b"one\ntwo\n"
    assert agent.log(b"", 7, end=True).json == {"offset": 7}
    assert agent.log(b"three\n", 7, end=True).json == {"offset": 13}
    assert stored(agent) == b"one\ntwo\nthree\n"


def test_bytes_that_are_no_text_are_kept_as_they_are() -> None:
    agent = running()
    data = bytes(range(256)) + b"\n"
    assert agent.log(data, 0).json == {"offset": 257}
    assert stored(agent) == data


def test_a_line_without_an_end_is_taken_in_pieces() -> None:
    agent = running()
    data = b"x" * 100_000
    offset = agent.log(data, 0).json["offset"]
    assert 0 < offset < len(data)
    assert agent.log(data[offset:], offset).json["offset"] == offset
    assert agent.log(data[offset:] + b"\n", offset).json["offset"] == len(data) + 1
    assert stored(agent) == data + b"\n"


@pytest.mark.parametrize("stream", ["system", "build", "test", "service-db", "service-my-db-2"])
def test_each_stream_is_its_own(stream: str) -> None:
    agent = running()
    assert agent.log(b"one\n", 0, stream=stream).json == {"offset": 4}
    assert stored(agent, stream) == b"one\n"


@pytest.mark.parametrize(
    "stream",
    ["tests", "service", "service-", "service-_x", "service-x-", "system.log", "TEST", "%0Atest",
     "service-" + "x" * 64],
)  # fmt: skip
def test_another_stream_is_none(stream: str) -> None:
    answer = running().log(b"one\n", 0, stream=stream)
    assert (answer.status, answer.json["error"].partition(":")[0]) == (404, "stream")


@pytest.mark.parametrize("query", ["", "offset=", "offset=-1", "offset=x", "offset=1.0",
                                   "offset=" + "9" * 16, "offset=%D9%A1", "Offset=1"])  # fmt: skip
def test_an_offset_is_a_number(query: str) -> None:
    answer = running().call(f"logs/test?{query}", b"one\n")
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, "offset")


def test_there_may_only_be_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_STREAMS", 2)
    agent = running()
    statuses = [agent.log(b"x\n", 0, stream=f"service-{n}").status for n in (1, 2, 3, 1)]
    assert statuses == [200, 200, 413, 200]


def test_a_log_is_a_sign_of_life() -> None:
    agent = running()
    claimed_at = agent.row.heard_at
    agent.log(b"one\n", 0)
    assert claimed_at is not None and agent.row.heard_at != claimed_at


@pytest.mark.parametrize("state", [make_agent, running, finished, cancelled, superseded, timed_out])
def test_logs_are_taken_whatever_became_of_the_assignment(state: Any) -> None:
    agent = state()
    closed = agent.row.closed_at
    assert agent.log(b"last words\n", 0).json == {"offset": 11}
    assert stored(agent) == b"last words\n"
    assert agent.row.closed_at == closed


@pytest.mark.django_db(transaction=True)
def test_concurrent_posts_of_one_log_are_one_log() -> None:
    agent = running(KEY="hunter2-long")
    data = b"".join(b"%04d hunter2-long %s\n" % (n, b"x" * (n % 90)) for n in range(400))

    def post(step: int) -> int:
        own, offset = Agent(agent.assignment), 0
        try:
            while offset < len(data):
                offset = own.log(data[offset : offset + step], offset).json["offset"]
            return offset
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(post, (700, 1500, 2500, 4000, 6000))) == [len(data)] * 5
    assert stored(agent) == data.replace(b"hunter2-long", MASK)
    assert received(agent) == len(data)


# The cap --------------------------------------------------------------------------------------


def test_beyond_the_cap_head_and_tail_are_kept_and_the_offsets_go_on(settings: Any) -> None:
    settings.LOG_CAP_BYTES = 10_000
    agent = running()
    data = b"".join(b"%09d\n" % number for number in range(5000))
    for at in range(0, len(data), 1000):
        assert agent.log(data[at : at + 1000], at).json == {"offset": at + 1000}
    row = LogStream.objects.get()
    assert (row.received, row.length, row.cut_from) == (50_000, 50_000, 5000)
    assert row.cut_to is not None and 43_000 < row.cut_to <= 45_000
    assert stored(agent) == data[:5000] + data[row.cut_to :]


# Secrets --------------------------------------------------------------------------------------

SECRETS = {"PASSWORD": "p@ss w/rd?", "KEY": "abcabcabd", "OTHER": "cabd-and-more", "SHORT": "x+y="}


def dressed(secret: str) -> list[bytes]:
    """How a secret may stand in a log."""
    raw = secret.encode()
    return [
        raw,
        quote(raw, safe="").encode(),
        base64.b64encode(raw),
        base64.b64encode(b"user:" + raw),
        base64.b64encode(b"u:" + raw + b"!"),
        base64.urlsafe_b64encode(raw),
        raw + raw,
    ]


def traces(secret: str) -> list[bytes]:
    """What must not be seen: the secret, and of Base64 what depends on it alone."""
    raw, found = secret.encode(), [secret.encode(), quote(secret, safe="").encode()]
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        found += [text[first:last], text[first:last].translate(bytes.maketrans(b"+/", b"-_"))]
    return [trace for trace in found if len(trace) >= 6 or trace == raw]


PIECES = st.one_of(
    st.sampled_from([one for secret in SECRETS.values() for one in dressed(secret)]),
    st.sampled_from([secret.encode()[:cut] for secret in SECRETS.values() for cut in (3, 5, 8)]),
    st.sampled_from([b"\n", b"\n", b" ", b"=", b"\xff\xc3", b"a", b"z" * 40, b"ab" * 150]),
)
LOGS = st.lists(PIECES, max_size=60).map(b"".join)
# Of each post: how far back it begins, and how long it is.
POSTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 400)), max_size=40)


@pytest.mark.parametrize("long_lines", [False, True])
def test_however_a_log_is_cut_and_sent_again_no_secret_is_stored(
    long_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `long_lines` a line is taken in pieces long before it is a large one."""
    monkeypatch.setattr(redaction, "LONGEST_CREDENTIAL", 64)
    if long_lines:
        monkeypatch.setattr(reports, "LARGEST_HELD_BACK", 130)
    whole = Redactor(SECRETS.values())

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(log=LOGS, posts=POSTS)
    def check(log: bytes, posts: list[tuple[int, int]]) -> None:
        LogStream.objects.all().delete()
        offset = 0
        for back, length in posts:
            start = max(0, offset - back)
            answer = agent.log(log[start : start + length], start)
            assert answer.status == 200 and offset <= answer.json["offset"] <= len(log)
            offset = answer.json["offset"]
        answer = agent.log(log[offset:], offset, end=True)
        assert answer.json == {"offset": len(log)}
        found = stored(agent)
        for secret in SECRETS.values():
            assert not [trace for trace in traces(secret) if trace in found]
        complete = log if not log or log.endswith(b"\n") else log + b"\n"
        assert found == whole.clean(complete) or not log.endswith(b"\n")
        assert not log or received(agent) == len(log)

    agent = running(**SECRETS)
    check()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_secret_that_is_cut_by_an_end_does_not_come_together_again(cut: int) -> None:
    agent = running(KEY="hunter2-long")
    agent.log(b"key hunter2-long"[: 4 + cut], 0, end=True)
    agent.log(b"hunter2-long\n"[cut:], 4 + cut, end=True)
    assert b"hunter2-long" not in stored(agent)
    assert received(agent) == 17


@pytest.mark.parametrize("length", [5_000, 70_000, 100_000])
def test_a_very_long_secret_is_not_seen_in_pieces_either(length: int) -> None:
    secret = "".join(Random(7).choices(ascii_letters, k=length))
    agent = running(KEY=secret)
    line, offset = b"key=" + secret.encode() + b"!\n", 0
    for end in range(0, len(line) + 20_000, 20_000):
        offset = agent.log(line[offset : end + 20_000], offset).json["offset"]
    assert offset == len(line)
    assert stored(agent).replace(MASK, b"") == b"key=!\n"


def test_the_assignments_own_token_is_a_secret() -> None:
    agent = running()
    token = tokens.derive("assignment", agent.assignment.pk).encode()
    basic = base64.b64encode(b"id:" + token)
    agent.log(b"token " + token + b" basic " + basic + b"\n", 0)
    assert token not in stored(agent) and basic[5:-5] not in stored(agent)


def test_a_credential_that_is_cut_in_a_long_line_is_not_stored() -> None:
    token = b"ghs_" + b"a1B2" * 9
    agent = running()
    line, offset = b"x " * 40_000 + token + b" " + b"y " * 40_000 + b"\n", 0
    for end in (80_010, 80_030, 120_000, len(line)):
        offset = agent.log(line[offset:end], offset).json["offset"]
    assert offset == len(line)
    assert stored(agent) == line.replace(token, MASK)


@pytest.mark.parametrize("end", [False, True])
def test_when_the_secrets_are_deleted_nothing_is_let_through(end: bool) -> None:
    """An agent on a node that was lost may go on after its Assignment was released."""
    agent = finished(KEY="hunter2-long")
    release(agent, minutes=1)
    TaskSecret.objects.all().delete()
    redaction._redactors.clear()
    assert agent.log(b"key hunter2-long" + (b"" if end else b"\n"), 0, end=end).status == 200
    assert stored(agent).rstrip() == FORGOTTEN.rstrip()
