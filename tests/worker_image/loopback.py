"""A server on loopback that hands every call to one function, and can break off what it answers."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
LONGEST_WAIT = 30.0


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`trouble` is what becomes of it on its way, though the call has done its work: `cut` in the
    middle, `reset` before its first byte, `late` so that nobody waits for it any more."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


@dataclass
class Loopback:
    """`deaf_to` says of a path that its call is not even read to its end before the connection is
    reset."""

    answer: Callable[[Request], Reply]
    port: int = 0
    deaf_to: Callable[[str], bool] = lambda path: False
    stopped: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        """Also again, on the same port, after `stop`."""
        ThreadingHTTPServer.allow_reuse_address = True
        self.stopped.clear()
        handler = type("Handler", (_Handler,), {"loopback": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class OnLoopback:
    """What answers there: between `start` and `stop`, or for the length of a `with` block."""

    _loopback: Loopback

    @property
    def url(self) -> str:
        return self._loopback.url

    def start(self) -> None:
        """Also again, on the same port, after `stop`."""
        self._loopback.start()

    def stop(self) -> None:
        self._loopback.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    loopback: Loopback

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.loopback.deaf_to(self.path):
            self.rfile.read(size // 2)
            self.reset()
            return
        body = self.rfile.read(size)
        headers = dict(self.headers)
        request = Request(method=self.command, path=self.path, headers=headers, body=body)
        self.give(self.loopback.answer(request))

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def give(self, reply: Reply) -> None:
        if reply.trouble in ("late", "reset"):
            if reply.trouble == "late":
                self.wait_until_nobody_waits()
            self.reset()
            return
        self.send_response(reply.status)
        for name, text in {"Content-Length": len(reply.body), **reply.headers}.items():
            self.send_header(name, str(text))
        self.end_headers()
        whole = reply.trouble != "cut"
        self.wfile.write(reply.body if whole else reply.body[: len(reply.body) // 2])
        if not whole:
            self.reset()

    def wait_until_nobody_waits(self) -> None:
        """The other end hangs up, which reads as the end of what it sends."""
        self.connection.settimeout(0.1)
        until = time.monotonic() + LONGEST_WAIT
        with suppress(OSError):
            while not self.loopback.stopped.is_set() and time.monotonic() < until:
                with suppress(TimeoutError):
                    if not self.connection.recv(1):
                        return

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.rfile.close()
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
