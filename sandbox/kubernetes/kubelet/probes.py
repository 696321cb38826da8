"""Startup, readiness and liveness probes: one thread for each probe of a run that is on.

A prober tells only what changes, once a threshold is reached; its pod decides what follows. Delays
and periods are simulated time, time-outs are real. Source: pkg/kubelet/prober of Kubernetes.
"""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .instance import Command
from .places import Places
from .processes import MARK
from .spec import ContainerSpec, Json

KINDS = ("startup", "readiness", "liveness")
# However fast time is simulated, a program is not asked more often than this.
_SHORTEST_PERIOD = 0.2
_SHOWN_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A probe has come to a new result: `good`, or not, with what was seen last."""

    container: str
    run: int
    kind: str
    good: bool
    seen: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is probed. `simulated`: a stand-in, that is well from the moment `well_at` on; None
    for a program that is really asked. `never`: a fault lets every probe fail."""

    container: ContainerSpec
    run: int
    command: Command
    places: Places
    mark: str
    host: str
    started_at: float
    well_at: float | None = None
    never: bool = False


class Prober:
    """`tell` gets verdicts, and (as None) every single failure with its text, for the events."""

    def __init__(
        self,
        kind: str,
        target: Target,
        *,
        scaled: Callable[[float], float],
        tell: Callable[[Verdict], None],
        complain: Callable[[str, str], None],
    ) -> None:
        self._kind, self._target = kind, target
        self._scaled, self._tell, self._complain = scaled, tell, complain
        self._spec: Json = target.container.raw[f"{kind}Probe"]
        self._stop = threading.Event()
        name = f"{kind}-{target.container.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        delay = self._target.started_at + self._scaled(self._number("initialDelaySeconds", 0))
        period = max(self._scaled(self._number("periodSeconds", 10)), _SHORTEST_PERIOD)
        needed = {True: self._number("successThreshold", 1), False: self._failures()}
        streak, last, told = 0, None, None
        self._stop.wait(max(0.0, delay - time.time()))
        while not self._stop.is_set():
            good, seen = self._ask()
            if self._stop.is_set():
                return
            streak = streak + 1 if good is last else 1
            last = good
            if not good:
                self._complain(self._kind, seen)
            if streak >= needed[good] and told is not good:
                told = good
                self._verdict(good, seen)
                if self._kind == "startup":
                    return
            self._stop.wait(period)

    def _failures(self) -> float:
        return self._number("failureThreshold", 3)

    def _number(self, name: str, default: float) -> float:
        return float(self._spec.get(name) or default)

    def _verdict(self, good: bool, seen: str) -> None:
        container, run = self._target.container.name, self._target.run
        self._tell(Verdict(container=container, run=run, kind=self._kind, good=good, seen=seen))

    def _ask(self) -> tuple[bool, str]:
        if self._target.never:
            return False, "the sandbox was told to let every probe fail"
        if self._target.well_at is not None:
            well = time.time() >= self._target.well_at
            return well, "" if well else "the stand-in has not started up yet"
        timeout = self._number("timeoutSeconds", 1)
        if action := self._spec.get("exec"):
            return self._execute(action, timeout)
        if action := self._spec.get("httpGet"):
            return self._get(action, timeout)
        if action := self._spec.get("tcpSocket"):
            return self._connect(action, timeout)
        return False, f"this node has no such probe: {', '.join(self._spec)}"

    def _execute(self, action: Json, timeout: float) -> tuple[bool, str]:
        command = self._target.command
        argv = [self._target.places.rewrite(word) for word in action.get("command") or []]
        try:
            process = subprocess.Popen(
                argv,
                cwd=command.cwd,
                env={**command.env, MARK: self._target.mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, IndexError) as error:
            return False, str(error)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return False, f"command timed out: {argv!r} timed out after {timeout:g}s"
        finally:
            _end(process)
        return process.returncode == 0, output[:_SHOWN_BYTES].decode(errors="replace")

    def _get(self, action: Json, timeout: float) -> tuple[bool, str]:
        scheme = str(action.get("scheme") or "HTTP").lower()
        host, port = str(action.get("host") or self._target.host), self._port(action)
        path = "/" + str(action.get("path") or "/").lstrip("/")
        headers = {h["name"]: h["value"] for h in action.get("httpHeaders") or []}
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if scheme == "https":  # whoever it says it is
            trusting = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=trusting)
        try:
            connection.request("GET", path, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return False, f'Get "{scheme}://{host}:{port}{path}": {_failure(host, port, error)}'
        finally:
            connection.close()
        good = 200 <= status < 400
        return good, "" if good else f"HTTP probe failed with statuscode: {status}"

    def _connect(self, action: Json, timeout: float) -> tuple[bool, str]:
        address = (str(action.get("host") or self._target.host), self._port(action))
        try:
            socket.create_connection(address, timeout=timeout).close()
        except OSError as error:
            return False, _failure(*address, error)
        return True, ""

    def _port(self, action: Json) -> int:
        """A number, or the name of one of the container's ports."""
        port: Any = action.get("port")
        named = {
            p.get("name"): p["containerPort"] for p in self._target.container.raw.get("ports") or []
        }
        return int(named.get(port, port))


def _failure(host: str, port: int, error: Exception) -> str:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return f"dial tcp {host}:{port}: connect: {reason}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout:
        process.stdout.close()
    process.wait()
