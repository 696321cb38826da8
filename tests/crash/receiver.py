"""The Rails end of the webhooks: a real server that sometimes fails after it has listened."""

import json
import random
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """`heard` has, for each Task, the messages by sequence number; `contradictions` those numbers
    under which there were two."""

    def __init__(self, seed: int) -> None:
        self.heard: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.contradictions: list[tuple[str, int]] = []
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hear(self, body: bytes) -> int:
        """Keep the message; now and then claim that it did not arrive."""
        message = json.loads(body)
        task, number = message["data"]["task_id"], message["data"]["sequence"]
        with self._lock:
            if self.heard[task].setdefault(number, message) != message:
                self.contradictions.append((task, number))
            return 503 if self._random.random() < 0.1 else 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = receiver.hear(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        return Handler
