"""A Rails that gives GitHub tokens, over real HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "ghs_abc.DEF-123_x"


class Rails(ThreadingHTTPServer):
    """Answers with what it is told to; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RailsHandler)
        self.asked: list[tuple[str, str, bytes]] = []
        self.status, self.body, self.gate = 200, TOKEN.encode(), threading.Event()
        self.gate.set()
        self.promised: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tokens"


class RailsHandler(BaseHTTPRequestHandler):
    server: Rails

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("Authorization", ""), body))
        self.server.gate.wait(10)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.promised or len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def served() -> Iterator[Rails]:
    server = Rails()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
