"""HTTP/1.1 on loopback, with keep-alive."""

import json
import socket
import struct
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .application import Application
from .errors import ApiError, Disconnect
from .wire import Request, Response

HOST = "127.0.0.1"
_JSON = "application/json; charset=utf-8"
_MAX_BODY = 1024 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class _Gone(Exception):
    """The connection was reset; there is nothing left to close in order."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, application: Application, port: int, verbose: bool = False) -> None:
        self.application = application
        self.verbose = verbose
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def server_bind(self) -> None:
        """Without the name lookup of the library, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), _Gone | ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "sandbox-digitalocean"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = 60

    def _serve(self) -> None:
        try:
            response = self.server.application.answer(self._request())
        except ApiError as error:
            self._send_error(error)
        except Disconnect as disconnect:
            self._disconnect(disconnect)
        except Exception:
            traceback.print_exc()
            self._send_error(ApiError(500))
        else:
            self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return Request(
            method=self.command,
            path=unquote(parts.path).rstrip("/"),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            body=self._body(),
            base_url=f"http://{self.headers.get('Host') or self.server.url[7:]}",
            token=token.strip() if scheme.lower() == "bearer" else None,
        )

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            raise ApiError(411, "a body needs a Content-Length")
        if int(length) > _MAX_BODY:
            self.close_connection = True
            raise ApiError(413, "the body is too large")
        return self.rfile.read(int(length))

    def _send(self, response: Response) -> None:
        body, headers = response.body, response.headers
        if isinstance(body, str):
            self._write(response.status, "text/plain; charset=utf-8", body, headers)
        else:
            text = "" if body is None else json.dumps(body)
            self._write(response.status, _JSON, text, headers)

    def _send_error(self, error: ApiError) -> None:
        if error.html:
            page = f"<html><body><h1>{error.status} {error.message}</h1></body></html>"
            self._write(error.status, "text/html", page, error.headers)
            return
        text = json.dumps({"id": error.id, "message": error.message})
        self._write(error.status, _JSON, text, error.headers)

    def _write(self, status: int, kind: str, text: str, headers: Any) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _disconnect(self, disconnect: Disconnect) -> None:
        time.sleep(disconnect.seconds)
        self.close_connection = True
        if disconnect.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # The socket is closed when the last of its three holders is; then the reset goes out.
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
            raise _Gone

    def log_message(self, format: str, *args: Any) -> None:
        if self.server.verbose:
            super().log_message(format, *args)
