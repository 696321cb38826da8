"""HTTP/1.1 on loopback, with keep-alive: requests and answers, and a table of routes."""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

HOST = "127.0.0.1"
_MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Raises 400 for a body that is no JSON."""
        try:
            return json.loads(self.body or b"null")
        except (ValueError, RecursionError) as error:
            raise HttpError(400, f"the body is no JSON: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Response:
    """`body` is sent as it is, or as JSON where it is neither bytes nor text; `stream` takes its
    place and is sent piece by piece."""

    status: int = 200
    body: Any = b""
    stream: Iterator[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpError(Exception):
    """An answer other than 2xx; the body is the message where there is no other."""

    def __init__(
        self, status: int, message: str, *, body: Any = None, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(message)
        self.response = Response(
            status=status, body=f"{message}\n" if body is None else body, headers=headers
        )


Handler = Callable[..., Response]
Routes = Sequence[tuple[str, str, Handler]]


class Server(ThreadingHTTPServer):
    """`routes` are (method, regular expression of the whole path, handler); a handler is called
    with the request and the groups of the path."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, routes: Routes, port: int, verbose: bool = False) -> None:
        self._routes = [(method, re.compile(path), handler) for method, path, handler in routes]
        self.verbose = verbose
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def answer(self, request: Request) -> Response:
        """Raises HttpError."""
        known = False
        for method, path, handler in self._routes:
            if not (found := path.fullmatch(request.path)):
                continue
            if method == request.method:
                return handler(request, **found.groupdict())
            known = True
        raise HttpError(405 if known else 404, "method not allowed" if known else "not found")

    def server_bind(self) -> None:
        """Without the name lookup of the library, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = 60

    def _serve(self) -> None:
        try:
            response = self.server.answer(self._request())
        except HttpError as error:
            response = error.response
        except Exception as error:
            traceback.print_exc()
            response = Response(status=500, body=f"{type(error).__name__}: {error}\n")
        if response.stream is None:
            self._send(response)
        else:
            self._send_stream(response, response.stream)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body(),
        )

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            raise HttpError(411, "a body needs a Content-Length")
        if int(length) > _MAX_BODY:
            self.close_connection = True
            raise HttpError(413, "the body is too large")
        return self.rfile.read(int(length))

    def _send(self, response: Response) -> None:
        body, kind = response.body, "application/octet-stream"
        if isinstance(body, str):
            body, kind = body.encode(), "text/plain; charset=utf-8"
        elif not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), "application/json"
        self._begin(response, {"Content-Type": kind, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_stream(self, response: Response, stream: Iterator[bytes]) -> None:
        self._begin(response, {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        for piece in stream:
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self, response: Response, defaults: Mapping[str, str]) -> None:
        self.send_response(response.status)
        for name, value in {**defaults, **response.headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        if self.server.verbose:
            super().log_message(format, *args)


def announce(state: Path, server: Server) -> None:
    """Say where it is, once it answers: one line of JSON, and the same in DIR/server.json."""
    place = {"url": server.url, "port": server.server_port, "pid": os.getpid()}
    draft = state / ".server.json"
    draft.write_text(json.dumps(place))
    os.replace(draft, state / "server.json")
    print(json.dumps(place), flush=True)
