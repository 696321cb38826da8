"""Wakes whoever waits for a process that is not a child of this one."""

import os
import selectors
import threading
from collections.abc import Callable


class Exits:
    """One thread that watches the shims of all containers. Hints only: a pod looks by itself now
    and then, so nothing depends on them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._fresh: list[tuple[int, Callable[[], None]]] = []
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe()
        self._selector.register(self._reader, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="exits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        os.close(self._writer)
        self._thread.join(timeout=2)

    def watch(self, pid: int, call: Callable[[], None]) -> None:
        """Call once when the process has ended; at once when it has already."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            call()
            return
        with self._lock:
            self._fresh.append((descriptor, call))
        os.write(self._writer, b".")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == self._reader:
                    if not os.read(self._reader, 1024):
                        return
                    self._register()
                else:
                    self._selector.unregister(key.fileobj)
                    os.close(key.fd)
                    key.data()

    def _register(self) -> None:
        with self._lock:
            fresh, self._fresh = self._fresh, []
        for descriptor, call in fresh:
            self._selector.register(descriptor, selectors.EVENT_READ, call)
