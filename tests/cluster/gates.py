"""Gates for programs in pods: each asks at one by HTTP, and goes on when it is open. So a test
knows that a pod has come to a certain point, and keeps it there for as long as it likes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 60.0


class Gates:
    """`url` is for pods. A gate is there as soon as it is named, and closed at first."""

    def __init__(self, address: str) -> None:
        gates = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if gates._ask(self.path.strip("/")) else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._lock = threading.Lock()
        self._asked: dict[str, int] = {}
        self._open: set[str] = set()
        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self.server.server_port}"

    def shell(self, name: str) -> str:
        """Waits there, in a shell of an image with wget."""
        return f"until wget -q -O /dev/null {self.url}/{name}; do sleep 0.2; done"

    def open(self, name: str) -> None:
        with self._lock:
            self._open.add(name)

    def asked(self, name: str) -> int:
        with self._lock:
            return self._asked.get(name, 0)

    def wait_for(self, name: str, seconds: float = SECONDS, more_than: int = 0) -> None:
        """Until somebody has asked there, more often than so."""
        deadline = time.monotonic() + seconds
        while self.asked(name) <= more_than:
            assert time.monotonic() < deadline, f"nobody has come to {name}"
            time.sleep(0.05)

    def _ask(self, name: str) -> bool:
        with self._lock:
            self._asked[name] = self._asked.get(name, 0) + 1
            return name in self._open


@contextmanager
def gates_at(address: str) -> Iterator[Gates]:
    gates = Gates(address)
    thread = threading.Thread(target=gates.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gates
    finally:
        gates.server.shutdown()
        gates.server.server_close()
        thread.join()
