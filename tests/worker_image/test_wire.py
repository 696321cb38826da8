from __future__ import annotations

import http.client
import time

import pytest

from tests.worker_image.control_plane import Answer, ControlPlane, Recorded
from tests.worker_image.loopback import Loopback, Reply
from worker_image.switchyard_agent.errors import GaveUp, Refused, Unreachable
from worker_image.switchyard_agent.stopping import Deadline
from worker_image.switchyard_agent.wire import Call, Wire

CALL = Call(method="POST", path="/x/api/v1/worker_agents/y", body=b"{}")


def wire(plane: ControlPlane | Loopback, seconds: float = 20, *, longest: float = 0.1) -> Wire:
    deadline = Deadline()
    deadline.shorten(seconds)
    return Wire(
        base_url=plane.url,
        headers={},
        deadline=deadline,
        timeout_seconds=5,
        first_backoff_seconds=0.01,
        longest_backoff_seconds=longest,
    )


def test_a_redirect_is_final_and_not_followed(control_plane: ControlPlane) -> None:
    control_plane.answer = lambda call: (302, b"")
    with pytest.raises(Refused) as caught:
        wire(control_plane).deliver(CALL)
    assert caught.value.status == 302


def test_it_gives_up_at_the_deadline(control_plane: ControlPlane) -> None:
    control_plane.stop()
    began = time.monotonic()
    with pytest.raises(GaveUp, match="Connection refused"):
        wire(control_plane, 0.3).deliver(CALL)
    assert 0.2 < time.monotonic() - began < 10


def test_one_try_is_one_try(control_plane: ControlPlane) -> None:
    control_plane.answer = lambda call: (503, b"")
    with pytest.raises(Unreachable, match="answered 503"):
        wire(control_plane).send(CALL)


def test_a_connection_that_is_reset_before_it_is_made_is_tried_again(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a server that goes away in this moment: the kernel cannot be made to do it."""
    connect, resets = http.client.HTTPConnection.connect, [ConnectionResetError(104, "reset")] * 2

    def reset_at_first(self: http.client.HTTPConnection) -> None:
        if resets:
            raise resets.pop()
        connect(self)

    monkeypatch.setattr(http.client.HTTPConnection, "connect", reset_at_first)
    assert wire(control_plane).deliver(CALL) == b""
    assert not resets


def test_an_answer_is_returned_when_it_comes(control_plane: ControlPlane) -> None:
    tries: list[Recorded] = []

    def answer(call: Recorded) -> Answer | None:
        tries.append(call)
        return (500, b"") if len(tries) < 4 else (200, b"here")

    control_plane.answer = answer
    assert wire(control_plane).deliver(CALL) == b"here"
    assert len(tries) == 4
    assert tries[3].body == b"{}"


def test_half_an_answer_is_none() -> None:
    halves = [Reply(headers={"Content-Length": "9"}, body=b"ghs_")]
    loopback = Loopback(lambda request: halves.pop() if halves else Reply(body=b"ghs_token"))
    loopback.start()
    try:
        assert wire(loopback).deliver(CALL) == b"ghs_token"
        assert not halves
    finally:
        loopback.stop()


def test_pauses_double_up_to_the_longest_and_differ(control_plane: ControlPlane) -> None:
    pauses = wire(control_plane, longest=0.05).pauses()
    for most in (0.01, 0.02, 0.04, 0.05, 0.05):
        assert most / 2 <= next(pauses) <= most
