"""Says what is going on: a bar in a terminal, elsewhere a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

LINE_EVERY_SECONDS = 5.0


class Progress:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Something whose length nobody knows."""
        started = time.monotonic()
        with self._console.status(title):
            if not self._console.is_terminal:
                self._console.print(f"{title} …")
            yield
        self._console.print(f"{title}: {time.monotonic() - started:.1f} s", style="dim")

    def rounds(self, title: str, count: int) -> Iterator[int]:
        """0, 1, … count-1, shown as they go by."""
        if self._console.is_terminal:
            return self._with_a_bar(title, count)
        return self._with_lines(title, count)

    def _with_a_bar(self, title: str, count: int) -> Iterator[int]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bars(*columns, TimeElapsedColumn(), console=self._console) as bars:
            yield from bars.track(range(count), description=title)

    def _with_lines(self, title: str, count: int) -> Iterator[int]:
        said = time.monotonic()
        self._console.print(f"{title}: 0/{count}")
        for number in range(count):
            yield number
            if time.monotonic() - said > LINE_EVERY_SECONDS or number + 1 == count:
                said = time.monotonic()
                self._console.print(f"{title}: {number + 1}/{count}")
