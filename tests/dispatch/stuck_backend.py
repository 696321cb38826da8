"""A backend in memory whose calls can be made to hang, as calls do that wait for a timeout."""

from collections.abc import Sequence
from threading import Event

from dispatch.backends import BackendEntry, Capacity, Placement, Rejected, Sighting
from dispatch.fake import FakeBackend
from dispatch.models import Assignment

PATIENCE = 60.0


class StuckBackend(FakeBackend):
    """`stuck` names the calls that hang until `free` is set: capacity, start, observe, stop, and
    `answer`, a start that has worked and whose answer does not come. `hanging` has one entry for
    each call that hangs now, `tried` one for each start ever begun. `refusal` is what every start
    gets."""

    def __init__(self) -> None:
        super().__init__(limit=50)
        self.stuck: set[str] = set()
        self.free = Event()
        self.hanging: list[str] = []
        self.tried: list[str] = []
        self.refusal: Rejected | None = None

    def _hang(self, call: str) -> None:
        if call not in self.stuck:
            return
        self.hanging.append(call)
        try:
            assert self.free.wait(PATIENCE), f"nobody set the {call} free"
        finally:
            self.hanging.remove(call)

    def start(self, assignment: Assignment) -> Placement:
        self.tried.append(str(assignment.pk))
        self._hang("start")
        if self.refusal:
            raise self.refusal
        placement = super().start(assignment)
        self._hang("answer")
        return placement

    def stop(self, assignment: Assignment) -> None:
        self._hang("stop")
        super().stop(assignment)

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        self._hang("observe")
        return super().observe(assignments)

    def capacity(self) -> Capacity:
        self._hang("capacity")
        return super().capacity()


ENTRY = BackendEntry(title="Stuck", backend=StuckBackend)
