"""Rate limits: each request counts for its own hour and minute."""

from collections.abc import Callable

from tests.sandbox.digitalocean_client import Clocked, Running


def test_every_answer_says_what_is_left_of_the_hour(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    first = api.call("GET", "/v2/account").headers
    assert (first["ratelimit-limit"], first["ratelimit-remaining"]) == ("5000", "4999")
    assert int(first["ratelimit-reset"]) == api.clock.now() + 3600
    api.clock.advance(100)
    missing = api.call("GET", "/v2/droplets/1")
    assert (missing.status_code, missing.headers["ratelimit-remaining"]) == (404, "4998")
    # The oldest request expires first, so the reset has not moved.
    assert missing.headers["ratelimit-reset"] == first["ratelimit-reset"]


def test_a_burst_over_the_minute_gets_429_with_retry_after(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    for _ in range(250):
        assert api.call("GET", "/v2/account").status_code == 200
    api.clock.advance(20)
    refused = api.call("GET", "/v2/account")
    assert refused.status_code == 429
    assert refused.json() == {"id": "too_many_requests", "message": "API rate limit exceeded."}
    assert refused.headers["retry-after"] == "40"
    assert refused.headers["ratelimit-remaining"] == "0"
    api.clock.advance(40)
    assert api.call("GET", "/v2/account").status_code == 200


def test_the_hour_gets_429_without_retry_after_and_refusals_do_not_count(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked(hour_limit=3, minute_limit=0)
    for expected in ("2", "1", "0"):
        assert api.call("GET", "/v2/account").headers["ratelimit-remaining"] == expected
    for _ in range(5):
        refused = api.order()
        assert refused.status_code == 429
        assert "retry-after" not in refused.headers
    assert api.state()["droplets"] == []
    api.clock.advance(3600)
    assert api.call("GET", "/v2/account").headers["ratelimit-remaining"] == "2"


def test_tokens_are_limited_apart_and_the_operator_is_not(run: Callable[..., Running]) -> None:
    api = run("--minute-limit=2", "--token=other")
    codes = [api.call("GET", "/v2/account").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert api.with_token("other").call("GET", "/v2/account").status_code == 200
    for _ in range(5):
        assert api.call("GET", "/sandbox/state").status_code == 200


def test_what_was_used_up_is_remembered_over_a_restart(run: Callable[..., Running]) -> None:
    api = run("--minute-limit=2")
    api.call("GET", "/v2/account")
    api.call("GET", "/v2/account")
    api.kill()
    assert run("--minute-limit=2").call("GET", "/v2/account").status_code == 429
