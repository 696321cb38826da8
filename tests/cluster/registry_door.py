"""A door before the cluster's registry, which lets in who knows the password, and refuses what it
is told to refuse."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from kube.manifest.request import Login
from tests.cluster.layout import Layout

SECONDS = 30.0
# Of one connection, or made anew by whoever sends the answer on.
OWN_HEADERS = ("connection", "content-length", "date", "server", "transfer-encoding")


class Door(ThreadingHTTPServer):
    """`refused` is a regular expression of what is denied, as `PUT /v2/name/manifests/tag`."""

    daemon_threads = True

    def __init__(self, layout: Layout, login: Login | None, refused: str) -> None:
        super().__init__((layout.address, 0), _Visitor)
        self.inner = f"http://{layout.registry}"
        self.refused = re.compile(refused) if refused else None
        self.login = _basic(login) if login else None

    @property
    def address(self) -> str:
        return f"{self.server_address[0]!s}:{self.server_port}"


@contextmanager
def registry_door(
    layout: Layout, *, login: Login | None = None, refused: str = ""
) -> Iterator[str]:
    """Its address, for a pod as for this machine."""
    door = Door(layout, login, refused)
    thread = threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield door.address
    finally:
        door.shutdown()
        thread.join(SECONDS)
        door.server_close()


class _Visitor(BaseHTTPRequestHandler):
    server: Door
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self._body()
        if self.server.login and self.headers.get("Authorization") != self.server.login:
            self._refuse(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="door"'})
        elif self.server.refused and self.server.refused.search(f"{self.command} {self.path}"):
            self._refuse(403, "DENIED", {})
        else:
            self._let_in(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer

    def _let_in(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name != "Authorization"}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                self.command,
                self.server.inner + self.path,
                data=body,
                headers=headers,
                timeout=SECONDS,
                allow_redirects=False,
            )
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in OWN_HEADERS}
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        self._send(answer.status_code, kept, answer.content, length)

    def _refuse(self, status: int, code: str, headers: dict[str, str]) -> None:
        text = f'{{"errors": [{{"code": "{code}", "message": "refused by the door"}}]}}'
        self._send(status, {"Content-Type": "application/json", **headers}, text.encode())

    def _send(
        self, status: int, headers: dict[str, str], content: bytes, length: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, format: str, *args: object) -> None:
        """Not among the output of the tests."""


def _basic(login: Login) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
