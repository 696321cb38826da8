"""Keeps the qcluster running: restarts it when it ends or falls silent, and takes all of its
processes along at the end.

The qcluster's own guard does not notice everything: when one of its processes is killed at the
wrong moment, the others can wait for ever for a lock that it held.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from dispatch.controller.upkeep import probe_functions
from dispatch.models import LoopBeat

STOP_SECONDS = 15.0
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
RESTART_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Supervisor:
    """Runs until SIGTERM or SIGINT. Only the main thread may make one."""

    def __init__(self) -> None:
        self._stopping = False
        self._undertaker = Undertaker()
        self._since = timezone.now()
        self._asked = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def run(self) -> None:
        while not self._stopping:
            cluster = self._start()
            try:
                self._watch(cluster)
            finally:
                end(cluster, gently=self._stopping)
            if not self._stopping:
                self._wait(RESTART_SECONDS)
        self._undertaker.dismiss()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "django", "qcluster"]
        cluster = subprocess.Popen(command, cwd=settings.ROOT, start_new_session=True)
        self._undertaker.look_after(cluster.pid)
        self._since = timezone.now()
        logger.info("The qcluster runs as process %s", cluster.pid)
        return cluster

    def _watch(self, cluster: subprocess.Popen[bytes]) -> None:
        """Returns when it has to be ended, or has ended by itself."""
        while not self._stopping:
            if cluster.poll() is not None:
                logger.error("The qcluster ended by itself with %s", cluster.returncode)
                return
            if self._silent():
                logger.error("The qcluster is silent: it will be restarted")
                return
            self._wait(LOOK_SECONDS)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def _silent(self) -> bool:
        """While the database is away nobody can give a sign of life."""
        try:
            close_old_connections()
            beat = LoopBeat.objects.filter(name="functions").first()
            age = self._age(beat.at if beat else None)
            self._ask_again(age)
        except DatabaseError as error:
            logger.warning("Cannot see whether the qcluster lives: %s", error)
            connection.close()
            self._since = timezone.now()
            return False
        return age > timedelta(seconds=settings.FUNCTIONS_SILENCE_SECONDS)

    def _age(self, beat: datetime | None) -> timedelta:
        return timezone.now() - max(beat or self._since, self._since)

    def _ask_again(self, age: timedelta) -> None:
        """The controller asks for signs of life; where it is away, we do."""
        pause = settings.FUNCTIONS_SILENCE_SECONDS / 4
        if age.total_seconds() > pause and time.monotonic() - self._asked > pause:
            self._asked = time.monotonic()
            probe_functions()


def end(cluster: subprocess.Popen[bytes], *, gently: bool) -> None:
    """End it and every process of its group; gently lets it finish what it does, for a while."""
    if gently and cluster.poll() is None:
        cluster.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            cluster.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(cluster.pid, signal.SIGKILL)
    cluster.wait()


class Undertaker:
    """A small process of our own that ends the qcluster when we are killed without a chance to.

    It reads the ids of process groups from a pipe; the pipe's end is our end.
    """

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writing)
            try:
                _bury(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def look_after(self, group: int) -> None:
        os.write(self._writing, f"{group}\n".encode())

    def dismiss(self) -> None:
        self.look_after(0)
        os.close(self._writing)
        os.waitpid(self._pid, 0)


def _bury(reading: int) -> None:
    os.setsid()  # whoever kills our group does not reach it
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(reading) as pipe:
        groups = [int(line) for line in pipe]
    if not groups or groups[-1] == 0:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(groups[-1], signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS / 3
        while time.monotonic() < until:
            os.kill(groups[-1], 0)
            time.sleep(POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(groups[-1], signal.SIGKILL)
