"""`manage.py controller`: run the loops until SIGTERM or SIGINT, then end their steps and leave."""

import contextlib
import logging
import os
import secrets
import signal
import socket
from threading import Event
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from dispatch import wake
from dispatch.controller import all_loops, runner

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Runs the controller's loops until SIGTERM or SIGINT. Several may run: one leads, "
        "another takes over within seconds when it is gone."
    )

    def handle(self, *arguments: Any, **options: Any) -> None:
        stop = Event()
        _stop_on_signal(stop)
        holder = _holder()
        loops = all_loops()
        names = [loop.name for loop in loops]
        logger.info("Controller starts", extra={"holder": holder, "loops": names})
        runner.tune_python()
        runner.run(loops, holder=holder, stop=stop)
        _sweep_stale_socket()
        logger.info("Controller ends", extra={"holder": holder})


def _holder() -> str:
    """Who holds the lease: readable, and never the same again after a restart."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


def _stop_on_signal(stop: Event) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _sweep_stale_socket() -> None:
    """Remove our SQLite wake socket, unless another controller has bound the path since."""
    if connection.vendor != "sqlite":
        return
    path = wake.socket_path()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
