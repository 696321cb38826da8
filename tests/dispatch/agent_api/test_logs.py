"""Logs: by raw offset, each byte once, in order, whatever became of the Assignment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from dispatch import reporting
from dispatch.models import LogStream
from dispatch.redaction import MASK
from tests.dispatch.agent_api.agent import (
    Agent,
    cancelled,
    finished,
    make_agent,
    received,
    running,
    stored,
    superseded,
    timed_out,
)

pytestmark = pytest.mark.django_db


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
