"""Rate limits of a token: so many requests in any hour, and so many in any minute.

Each request counts for a whole hour (and minute) after it was made; a refused one does not count.
"""

import hashlib
import math

from .errors import ApiError
from .settings import Settings
from .store import Store

HOUR = 3600.0
MINUTE = 60.0
UNLIMITED = 5000  # what the headers say where no limit is set


class RateLimits:
    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self.hour = settings.hour_limit
        self.minute = settings.minute_limit

    def admit(self, token: str, now: float) -> dict[str, str]:
        """Count one request and return the headers of its answer. Raises 429."""
        key = hashlib.sha256(token.encode()).hexdigest()[:16]
        if not self.hour and not self.minute:
            return self.untouched(now)
        with self._store.transaction():
            self._store.run("DELETE FROM request WHERE at <= ?", now - HOUR)
            hour, oldest = self._window(key, now - HOUR)
            minute, first = self._window(key, now - MINUTE)
            reset = (oldest if hour else now) + HOUR
            if self.minute and minute >= self.minute:
                wait = max(1, math.ceil(first + MINUTE - now))
                raise ApiError(429, headers={**self._headers(0, reset), "retry-after": str(wait)})
            if self.hour and hour >= self.hour:
                raise ApiError(429, headers=self._headers(0, reset))
            self._store.run("INSERT INTO request (token, at) VALUES (?, ?)", key, now)
        return self._headers((self.hour or UNLIMITED) - hour - 1, reset)

    def untouched(self, now: float) -> dict[str, str]:
        """The headers of an answer that nothing was counted for."""
        return self._headers((self.hour or UNLIMITED) - 1, now + HOUR)

    def _window(self, key: str, since: float) -> tuple[int, float]:
        row = self._store.one(
            "SELECT COUNT(*) AS n, MIN(at) AS first FROM request WHERE token = ? AND at > ?",
            key,
            since,
        )
        return (int(row["n"]), float(row["first"] or 0)) if row else (0, 0.0)

    def _headers(self, remaining: int, reset: float) -> dict[str, str]:
        return {
            "ratelimit-limit": str(self.hour or UNLIMITED),
            "ratelimit-remaining": str(max(0, remaining)),
            "ratelimit-reset": str(math.ceil(reset)),
        }
