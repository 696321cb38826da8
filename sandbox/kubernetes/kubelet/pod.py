"""One pod on this node: a thread that looks at what is, and does what has to be done next.

Level-triggered: every step is decided from the record and from what the containers have left on
disk, so that whoever is killed anywhere in between, the next kubelet goes on. Other threads only
leave word (`ask`, `deliver`) and wake it.
"""

import copy
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict

from . import ending, health, starting
from .instance import Exit, Instance
from .logs import tail_text
from .node import HOST_IP, Node
from .probes import Prober, Verdict
from .publisher import Publisher, Wanted
from .record import Ending, PodRecord, Run, Shelf
from .spec import ContainerSpec, Json, PodSpec
from .status import pod_status, told

# Without any hint: how often a pod looks by itself.
_LOOK_SECONDS = 1.0
_IDLE_SECONDS = 30.0
_RETRY_SECONDS = 0.5
_MESSAGE_BYTES = 4096
# Of all containers together, each of which has the same share, whatever the others say.
_POD_MESSAGE_BYTES = 12 * 1024
_LOG_BYTES, _LOG_LINES = 2048, 80

Request = Callable[["Pod"], None]


class Pod:
    def __init__(
        self, node: Node, publisher: Publisher, raw: Json, record: PodRecord, shelf: Shelf
    ) -> None:
        self.node, self.record, self.shelf = node, record, shelf
        self.spec = PodSpec(raw)
        self.probers: dict[str, list[Prober]] = {}
        self._publisher = publisher
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._saved: Json = {}
        self._published: Json | None = None
        self._vanished = False
        self._thread = threading.Thread(target=self._run, name=f"pod-{self.spec.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the containers live on."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=10)
        for name in list(self.probers):
            self.stop_probing(name)

    @property
    def done(self) -> bool:
        """The thread has ended: nothing is left of the pod."""
        return not self._thread.is_alive()

    # What other threads leave word of.

    def ask(self, request: Request) -> None:
        self._requests.put(request)
        self._wake.set()

    def deliver(self, raw: Json) -> None:
        """A newer version of the pod."""

        def take(pod: "Pod") -> None:
            pod.spec = PodSpec(raw)
            pod.shelf.save_pod(raw)
            if pod.spec.deletion is not None or not told(pod.spec, pod.record, HOST_IP):
                pod._published = None

        self.ask(take)

    def vanish(self) -> None:
        """The API server knows it no more: end what runs, and leave nothing behind."""

        def take(pod: "Pod") -> None:
            pod._vanished = True

        self.ask(take)

    def evict(self, message: str) -> None:
        def take(pod: "Pod") -> None:
            pod.record.evict_at, pod.record.evict_message = time.time(), message

        self.ask(take)

    def doom(self, container: str, kind: str, exit_code: int) -> None:
        """Let a container, or what it runs, run out of memory (`oom`, `oom_child`)."""

        def take(pod: "Pod") -> None:
            if run := pod.record.of(container).run:
                run.doom, run.doom_at, run.doom_code = kind, time.time(), exit_code

        self.ask(take)

    # The thread.

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                pause = self._look()
            except Exception:
                traceback.print_exc(file=sys.stderr)
                pause = _RETRY_SECONDS
            if self._vanished and self.record.over:
                self.shelf.remove()
                return
            self._wake.wait(min(max(pause, 0.005), self._longest))

    @property
    def _longest(self) -> float:
        return _IDLE_SECONDS if self.record.over else _LOOK_SECONDS

    def _look(self) -> float:
        while not self._requests.empty():
            self._requests.get()(self)
        if time.time() < self.node.api.away_until:
            return self.node.api.away_until - time.time()
        pause = float("inf")
        if not self.record.over:
            self._notice_ends()
            self._carry_out_doom()
            ending.look_for_end(self, vanished=self._vanished)
            pause = ending.drive(self) if self.record.ending else starting.advance(self)
            self.save()
        self._publish()
        return pause

    def save(self) -> None:
        """Before anything that could not be told from the disk."""
        content = asdict(self.record)
        if content != self._saved:
            self.shelf.save(self.record)
            self._saved = content

    def _publish(self) -> None:
        record, spec = copy.deepcopy(self.record), self.spec

        def status(before: Json) -> Json:
            return pod_status(spec, record, before, HOST_IP, time.time())

        content = {**asdict(record), "deletion": spec.deletion}
        if content != self._published and not self._vanished:
            self._publisher.publish(Wanted(pod=spec, status=status, over=record.over))
            self._published = content

    # Containers.

    def instance(self, name: str) -> Instance | None:
        """The run that is on, or was last."""
        run = self.record.of(name).run
        if run is None:
            return None
        mark = self.node.mark(self.spec.uid, name)
        return Instance(self.shelf.run(name, run.number), mark)

    def running(self) -> Iterator[tuple[ContainerSpec, Run, Instance]]:
        for container in self.spec.containers:
            found = self.record.of(container.name)
            instance = self.instance(container.name)
            if found.running and found.run and instance:
                yield container, found.run, instance

    def watch(self, instance: Instance) -> None:
        """Look again as soon as it has ended."""
        if (pid := instance.shim_pid) is not None:
            self.node.exits.watch(pid, self._wake.set)

    def _notice_ends(self) -> None:
        for container, run, instance in self.running():
            if found := instance.ended():
                self.close(container, run, instance, found)

    def close(self, container: ContainerSpec, run: Run, instance: Instance, found: Exit) -> None:
        """Write down how a run has ended."""
        run.finished_at = found.at or time.time()
        doomed = run.doomed and run.doom != "oom_child"
        run.exit_code = run.doom_code if doomed else found.code
        run.reason = _reason(run, found)
        message = found.error or _termination_message(container, run, instance)
        run.message = _beginning(message, _POD_MESSAGE_BYTES // len(self.spec.containers))
        if found.error:
            run.started_at, run.finished_at = 0.0, found.at or time.time()
        run.ready = False
        self.stop_probing(container.name)
        self.save()

    def _carry_out_doom(self) -> None:
        for _, run, instance in self.running():
            if run.doomed or run.doom_at is None or time.time() < run.doom_at:
                continue
            run.doomed = True
            self.save()
            if run.doom != "crash":
                instance.note_oom()
            if run.doom == "oom_child":
                instance.kill_leaves()
            else:
                run.killed = True
                run.term_at = run.term_at or time.time()
                instance.kill()

    def hit(self, container: ContainerSpec, run: Run, instance: Instance) -> None:
        """TERM when its time has come and was not sent yet, KILL once that is due."""
        now = time.time()
        if run.term_at is None:
            return
        if not run.killed and run.kill_at is not None and now >= run.kill_at:
            run.killed = True
        if run.killed:
            instance.kill()

    def terminate(self, run: Run, instance: Instance, kill_at: float) -> None:
        run.term_at, run.kill_at = time.time(), kill_at
        self.save()
        if not run.ignores_term:
            instance.terminate(signal.Signals[run.stop_signal])

    # Probes.

    def hear(self, verdict: Verdict) -> None:
        self.ask(lambda pod: health.take_verdict(pod, verdict))

    def stop_probing(self, name: str) -> None:
        for prober in self.probers.pop(name, []):
            prober.stop()

    def end(self, why: str, grace: float, reason: str = "", message: str = "") -> None:
        """Begin the end of the pod."""
        self.record.ending = Ending(
            why=why, at=time.time(), grace=grace, reason=reason, message=message
        )
        self.save()


def _reason(run: Run, found: Exit) -> str:
    if found.error:
        return "StartError"
    if run.doomed and run.doom != "crash":
        return "OOMKilled"
    if found.lost:
        return "Unknown"
    return "Completed" if run.exit_code == 0 else "Error"


def _beginning(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _termination_message(container: ContainerSpec, run: Run, instance: Instance) -> str:
    try:
        text = instance.termination_log.read_bytes()[:_MESSAGE_BYTES].decode(errors="replace")
    except OSError:
        text = ""
    wants_log = container.raw.get("terminationMessagePolicy") == "FallbackToLogsOnError"
    if text or not wants_log or run.exit_code == 0:
        return text
    return tail_text(instance.log, lines=_LOG_LINES, size=_LOG_BYTES)
