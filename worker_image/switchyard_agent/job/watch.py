"""Waiting for what the other containers do, and passing on what they write meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import Stopped, TimedOut
from ..plain_files import open_plain
from ..spool import Spool
from ..stopping import Stop
from .files import Out

BLOCK = 256 * 1024
# A file that grows faster than it can be passed on must not keep us from looking elsewhere.
MOST_BLOCKS_AT_ONCE = 16


class Follower:
    """Passes on to a spool what is appended to a file, from where the spool has it."""

    def __init__(self, root: Path, name: str, spool: Spool) -> None:
        self._root, self._name, self._spool = root, name, spool
        self._source = f"{root.name}/{name}"
        self._file: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the file is there."""
        if self._file is None:
            with suppress(OSError):
                self._file = open_plain(self._root, self._name)
        return self._file is not None

    def catch_up(self, blocks: int = MOST_BLOCKS_AT_ONCE) -> bool:
        """False when there may be more at once."""
        return any(not (self.begun and self._take()) for _ in range(blocks))

    def end(self) -> None:
        """Nothing is written to it any more: all of it, and the last line as a whole one."""
        while not self.catch_up():
            pass
        self._spool.end_line()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self) -> bool:
        assert self._file is not None
        data = os.pread(self._file, BLOCK, self._spool.taken(self._source))
        if data:
            self._spool.take(self._source, data)
        return bool(data)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """`ends_at` is the Task's timeout on the monotonic clock."""

    stop: Stop
    out: Out
    ends_at: float
    look_seconds: float

    def check(self) -> None:
        """Raises what ends the work now, if anything does."""
        if self.out.terminated:
            self.stop.request("terminated")
        self.stop.check()
        if time.monotonic() >= self.ends_at:
            raise TimedOut("the Task's timeout is over")

    def wait_for(self, condition: Callable[[], bool], *followers: Follower) -> None:
        """Raises Stopped or TimedOut."""
        while True:
            met = condition()  # first: what was written before it is passed on as well
            caught_up = [follower.catch_up() for follower in followers]
            self.check()
            if met:
                return
            if all(caught_up):
                self.stop.requested.wait(self.look_seconds)

    def wait_for_init(self, condition: Callable[[], bool], *followers: Follower) -> None:
        """For what an init container leaves behind: where one has failed, TERM comes to us as soon
        as it has ended, and what it has said before counts. Raises Stopped or TimedOut."""
        try:
            self.wait_for(condition, *followers)
        except Stopped:
            if self.stop.reason != "terminated" or not condition():
                raise

    def sleep(self, seconds: float) -> None:
        """Raises Stopped or TimedOut."""
        until = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= until)

    def settle(self, condition: Callable[[], bool], seconds: float, *followers: Follower) -> None:
        """For after the end of the work: waits, but only so long, whatever is requested."""
        until = time.monotonic() + seconds
        while True:
            met = condition()
            for follower in followers:
                follower.catch_up()
            if met or time.monotonic() >= until:
                return
            time.sleep(self.look_seconds)
