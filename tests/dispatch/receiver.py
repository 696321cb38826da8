"""The other end of the webhooks: a real server that answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """`delay` and `dribble` (a pause after every byte of the answer) are seconds."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    dribble: float = 0.0


@dataclass
class Receiver:
    """`next` holds what it does with the next requests; after those it does `always`."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    next: list[Behaviour] = field(default_factory=list)
    always: Behaviour = field(default_factory=Behaviour)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, heard: Heard) -> Behaviour:
        with self.lock:
            self.heard.append(heard)
            return self.next.pop(0) if self.next else self.always


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def _handler(found: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            behaviour = found.hear(Heard(path=self.path, headers=headers, body=body))
            time.sleep(behaviour.delay)
            if behaviour.dribble:
                self._dribble(behaviour)
                return
            self.send_response(behaviour.status)
            for name, value in behaviour.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _dribble(self, behaviour: Behaviour) -> None:
            try:
                for byte in b"HTTP/1.1 204 No Content\r\nX: " + b"x" * 1000:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(behaviour.dribble)
            except OSError:
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    return Handler
