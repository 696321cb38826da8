"""Reports by the agent API, while the work goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import GaveUp, Refused, Unreachable
from ..outbox import SUPERSEDED, Outbox
from ..pump import Pump
from ..spool import Spool
from ..stopping import Stop
from ..wire import Call, Wire
from . import api
from .heartbeat import Heartbeat
from .journal import Journal

# The number of an event is its place here, so that after a restart it is the same one. Each is
# told at most once.
EVENTS = (
    "cloned",
    "build_started",
    "build_finished",
    "services_ready",
    "pre_script_started",
    "pre_script_finished",
    "examples_counted",
    "tests_started",
    "tests_finished",
    "shard_empty",
    "clone_failed",
    "build_failed",
    "build_ended",
    "service_failed",
    "pre_script_failed",
    "test_oom",
    "timed_out",
    "agent_error",
)
# Each decides the outcome. A final report that comes without the one that was meant may pass.
ENDS = frozenset(EVENTS[EVENTS.index("clone_failed") :]) - {"build_ended"}
GAP = 409
LONGEST_WHY = 200


class JobReport:
    """`streams` are the logs by the name that the control plane knows them by."""

    def __init__(
        self,
        streams: Mapping[str, Spool],
        *,
        journal: Journal,
        wire: Wire,
        stop: Stop,
        heartbeat_seconds: float,
        log_seconds: float,
    ) -> None:
        self._journal, self._wire, self._stop, self._streams = journal, wire, stop, streams
        self._outbox = Outbox(wire, stop, api.fields)
        self._results: set[str] = set()
        # Something that decides the outcome did not arrive.
        self._unsaid = False
        self._pumps = {
            name: Pump(
                spool,
                partial(self._send_log, name),
                stop=stop,
                interval=log_seconds,
                offset=self._received(name) if spool.resumed else 0,
            )
            for name, spool in streams.items()
        }
        self._phase = "claimed"
        self._counts: dict[str, int] = {}
        self._heartbeat = Heartbeat(self._beat, wire=wire, stop=stop, interval=heartbeat_seconds)

    def event(self, kind: str, detail: str = "") -> None:
        self._phase = kind
        self._journal.reach(kind)
        call = api.event(EVENTS.index(kind), kind, detail)
        if kind in ENDS:
            self._outbox.put(call, self._lost_end)
        else:
            self._outbox.put(call)

    def count(self, name: str, amount: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + amount

    def results(self, file: Path, name: str) -> None:
        self.count("results")
        self._results.add(name)
        self._outbox.put(api.results(file, name), partial(self._lost_results, name))

    def artifact(self, file: Path, name: str) -> None:
        self.count("artifacts")
        self._outbox.put(api.artifact(file, name))

    def deliver_logs(self) -> None:
        """What the others wrote is complete, and delivered before anything that follows."""
        for name, pump in self._pumps.items():
            pump.flush() if name == "system" else pump.finish()

    def refused_results(self) -> dict[str, str]:
        """Those that were not taken, by name, and why; also by an earlier process. Everything put
        so far is delivered or lost before."""
        self._outbox.drain()
        return self._journal.refused

    @property
    def results_arrived(self) -> bool:
        return bool(self._results - set(self._journal.refused))

    def finish(self, exit_code: int | None, image_digest: str) -> None:
        """The final report, after all the others; after a restart it is the one made before. There
        is none where it could make a pass of what did not arrive before it."""
        report = self._journal.finish
        if not self._outbox.drain() or self._unsaid:
            print("No final report: what decides the outcome did not arrive", flush=True)
            return
        if report is None:
            report = self._final(exit_code, image_digest)
            self._journal.keep_finish(report)
        self._heartbeat.end()
        self._outbox.put(api.finish(report))
        self._outbox.drain()

    def leave(self) -> None:
        """The last logs, whatever was reported."""
        for pump in self._pumps.values():
            pump.finish()
        self._outbox.drain()
        self._heartbeat.end()

    def _final(self, exit_code: int | None, image_digest: str) -> dict[str, Any]:
        bytes_of_logs = {f"{name}_log_bytes": spool.size for name, spool in self._streams.items()}
        return {
            "exit_code": exit_code,
            "counts": {**self._counts, **bytes_of_logs},
            "phases": self._journal.phases,
            "image_digest": image_digest,
        }

    def _lost_results(self, name: str, why: Refused | GaveUp) -> None:
        """What was refused for good can be told of. Where time ran out, or the Assignment is not
        ours any more, there is nothing more to say."""
        if isinstance(why, Refused) and why.status != SUPERSEDED:
            self._journal.refuse(name, _told(why))
        else:
            self._unsaid = True

    def _lost_end(self, why: Refused | GaveUp) -> None:
        self._unsaid = True

    def _beat(self) -> Call:
        sizes = {f"{name}_log_bytes": spool.size for name, spool in self._streams.items()}
        return api.heartbeat(self._phase, {**self._counts, **sizes})

    def _send_log(self, stream: str, lines: bytes, offset: int, last: bool) -> int:
        """What is refused for good is not sent again."""
        call = api.log_lines(stream, lines, offset, last=last)
        try:
            return _offset(self._wire.deliver(call, api.fields), offset + len(lines))
        except Refused as refusal:
            if refusal.status == GAP:
                return _offset(refusal.body, offset + len(lines))
            print(refusal, flush=True)
        except GaveUp as end:
            print(end, flush=True)
        return offset + len(lines)

    def _received(self, stream: str) -> int:
        """How much of it has arrived, by an earlier process."""
        call = api.log_lines(stream, b"", api.BEYOND_ANY_LOG, last=False)
        try:
            self._wire.send(call)
        except Refused as refusal:
            if refusal.status == GAP:
                return _offset(refusal.body, 0)
        except Unreachable:
            pass
        return 0


def _told(refusal: Refused) -> str:
    """The refusal, with what the control plane says of it."""
    said = ""
    with suppress(Unreachable):
        said = str(api.fields(refusal.body).get("error") or "")
    return f"{refusal}: {said[:LONGEST_WHY]}" if said else str(refusal)


def _offset(body: bytes, otherwise: int) -> int:
    try:
        offset = api.fields(body).get("offset")
    except Unreachable:
        return otherwise
    return offset if isinstance(offset, int) and 0 <= offset < api.BEYOND_ANY_LOG else otherwise
