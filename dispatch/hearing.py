"""Whether agents can be heard at all: silence counts against one only while they can."""

from datetime import datetime, timedelta

import requests

ANSWER_SECONDS = 3.0
# Between two looks. After a longer one nobody knows who could be heard meanwhile: our database was
# away, this process was stopped, or another one led.
LONGEST_GAP = timedelta(seconds=20)


def agents_reach_us(url: str) -> bool:
    """Whether a web process answers where the agents call."""
    try:
        return requests.get(f"{url}/livez", timeout=ANSWER_SECONDS).ok
    except requests.RequestException:
        return False


class Hearing:
    """Since when agents can be heard without a break, as this process knows it: since it started,
    or since web or the database came back."""

    def __init__(self) -> None:
        self.since: datetime | None = None
        self._noted: datetime | None = None

    def note(self, now: datetime, can_be_heard: bool) -> None:
        without_a_gap = self._noted is not None and now - self._noted <= LONGEST_GAP
        self._noted = now
        if not can_be_heard:
            self.since = None
        elif self.since is None or not without_a_gap:
            self.since = now

    def lasts(self, now: datetime, silence: timedelta) -> bool:
        """Whether whoever was silent for so long could have been heard all the time."""
        return self.since is not None and self.since < now - silence
