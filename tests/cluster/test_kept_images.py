import time

from tests.cluster.kept_images import QUIET_SECONDS, telling


def test_it_says_nothing_of_what_takes_a_moment() -> None:
    said: list[str] = []
    with telling("making it", said.append):
        pass
    assert said == []


def test_it_says_once_what_takes_longer() -> None:
    said: list[str] = []
    with telling("making it", said.append):
        deadline = time.monotonic() + 5 * QUIET_SECONDS
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)
    assert said == ["making it"]
