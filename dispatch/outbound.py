"""One POST to somebody else's server, bounded in time as a whole."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Thread

import requests

LONGEST_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`status` is None where no answer came, and `error` then says why. `retry_after`: seconds
    that the server asked to be left alone."""

    status: int | None = None
    error: str = ""
    retry_after: float = 0.0
    timed_out: bool = False

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: dict[str, str], *, timeout: float) -> Reply:
    """Follows no redirect and reads no body of the answer.

    A server that dribbles its answer restarts every timeout of a socket, so the call runs in a
    thread that is left behind when the time is over.
    """
    found: list[Reply] = []
    arguments = (url, body, headers, timeout, found)
    thread = Thread(target=_post, args=arguments, name="outbound", daemon=True)
    thread.start()
    thread.join(timeout)
    if found:
        return found[0]
    return Reply(error=f"No answer within {timeout:g} seconds.", timed_out=True)


def _post(
    url: str, body: bytes, headers: dict[str, str], timeout: float, found: list[Reply]
) -> None:
    with requests.Session() as session:
        session.trust_env = False  # neither a proxy nor credentials from this machine
        try:
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
        except requests.Timeout:
            return
        except (requests.RequestException, OSError, ValueError) as error:
            found.append(Reply(error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR]))
            return
        with answer:
            found.append(_read(answer))


def _read(answer: requests.Response) -> Reply:
    status = answer.status_code
    reply = Reply(status=status, retry_after=_seconds(answer.headers.get("Retry-After", "")))
    if reply.good:
        return reply
    remedy = ": redirects are not followed, give the final URL" if 300 <= status < 400 else ""
    return Reply(status=status, retry_after=reply.retry_after, error=f"Answered {status}{remedy}.")


def _seconds(text: str) -> float:
    """Retry-After is a number of seconds or a date; anything else counts for nothing."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text[:10])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
