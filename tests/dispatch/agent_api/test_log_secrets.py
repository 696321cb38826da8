"""No secret gets into a stored log, however the log is cut and sent again."""

import base64
from collections.abc import Callable
from io import BytesIO
from random import Random
from string import ascii_letters
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dispatch import redaction, tokens
from dispatch.agent_api import reports
from dispatch.models import LogStream, TaskSecret
from dispatch.redaction import FORGOTTEN, MASK, Redactor
from tests.dispatch.agent_api.agent import finished, received, release, running, stored

pytestmark = pytest.mark.django_db

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
    st.sampled_from([b"\n", b" ", b"=", b"\xff\xc3", b"a", b"z" * 40]),
)
LOGS = st.one_of(
    st.lists(PIECES, min_size=30, max_size=90).map(b"".join),
    st.lists(PIECES, max_size=10).map(b"".join),
)
# Of each post: how far back it begins, and how long it is.
POSTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 400)), min_size=4, max_size=40)


@pytest.mark.parametrize("long_lines", [False, True])
def test_however_a_log_is_cut_and_sent_again_no_secret_is_stored(
    long_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `long_lines` a line is taken in pieces long before it is a large one."""
    monkeypatch.setattr(redaction, "LONGEST_CREDENTIAL", 64)
    if long_lines:
        monkeypatch.setattr(reports, "LARGEST_HELD_BACK", 130)
    whole = Redactor(SECRETS.values())

    @settings(
        max_examples=120,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # to make a failure smaller takes longer than a test may
        suppress_health_check=list(HealthCheck),
    )
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


class SlowBody(BytesIO):
    """While it arrives, `meanwhile` happens."""

    def __init__(self, data: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(data)
        self._meanwhile = meanwhile

    def read(self, size: int | None = -1) -> bytes:
        self._meanwhile()
        return super().read(size)


def test_nothing_is_let_through_either_when_they_are_deleted_while_a_log_arrives() -> None:
    agent, line = finished(KEY="hunter2-long"), b"key hunter2-long\n"
    redaction._redactors.clear()

    def released() -> None:
        release(agent, minutes=1)
        TaskSecret.objects.all().delete()

    body: dict[str, Any] = {"wsgi.input": SlowBody(line, released)}
    token = tokens.derive("assignment", agent.assignment.pk)
    answer = agent.client.generic(
        "POST",
        f"/api/agent/v1/assignments/{agent.assignment.pk}/logs/test?offset=0",
        line,
        headers={"Authorization": f"Bearer {token}", "Switchyard-Agent": "1"},
        **body,
    )
    assert answer.status_code == 200
    assert stored(agent).rstrip() == FORGOTTEN.rstrip()
