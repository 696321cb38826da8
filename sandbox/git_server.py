"""`python -m sandbox.git_server --root FOLDER`: a git host over HTTP.

Gives the repositories below a folder, bare or not, to whoever clones: git's own smart protocol
through `git http-backend`. `http://HOST:PORT/NAME` is the repository `FOLDER/NAME`. Nothing can be
pushed. With `--token` every request must bring it, as GitHub wants an installation's token: Basic,
as the user `x-access-token`; others get 401. It prints a line of JSON once it answers.
"""

import argparse
import base64
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.parse import unquote, urlsplit

LOOPBACK = "127.0.0.1"
TOKEN_USER = "x-access-token"
LARGEST_REQUEST = 16 * 1024 * 1024
MOST_AT_ONCE = 16
SECONDS_FOR_A_REQUEST = 120.0
PIECE = 64 * 1024
READ_ONLY = "This git host is read-only."
# Any commit may be fetched by its id, as on GitHub; the folder may be somebody else's.
GIT_CONFIG = {"uploadpack.allowAnySHA1InWant": "true", "safe.directory": "*"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


class GitServer(ThreadingHTTPServer):
    """`root` holds the repositories; an empty `token` lets everybody in."""

    daemon_threads = True

    def __init__(self, root: Path, *, bind: str = LOOPBACK, port: int = 0, token: str = "") -> None:
        super().__init__((bind, port), Handler)
        self.root = root.resolve()
        self.token = token
        self.room = threading.BoundedSemaphore(MOST_AT_ONCE)

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    def allows(self, authorization: str) -> bool:
        if not self.token:
            return True
        wanted = base64.b64encode(f"{TOKEN_USER}:{self.token}".encode())
        return hmac.compare_digest(authorization.encode(), b"Basic " + wanted)


class Handler(BaseHTTPRequestHandler):
    server: GitServer
    timeout = SECONDS_FOR_A_REQUEST
    server_version = "sandbox-git"

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_GET

    def _answer(self) -> None:
        refusal = self._refusal()
        if refusal:
            return self._send(refusal)
        if not self.server.room.acquire(timeout=SECONDS_FOR_A_REQUEST):
            return self._send(Answer(status=503, body=b"Too many clones at once.\n"))
        try:
            self._run()
        finally:
            self.server.room.release()

    def _refusal(self) -> Answer | None:
        if not self.server.allows(self.headers.get("Authorization", "")):
            ask = [("WWW-Authenticate", 'Basic realm="sandbox"')]
            return Answer(status=401, headers=ask, body=b"A token is needed.\n")
        place = urlsplit(self.path)
        if "git-receive-pack" in place.path + place.query:
            return Answer(status=403, body=READ_ONLY.encode() + b"\n")
        if ".." in Path(unquote(place.path)).parts:
            return Answer(status=400, body=b"Not a path of a repository.\n")
        if self._length() > LARGEST_REQUEST or self.headers.get("Transfer-Encoding"):
            return Answer(status=413, body=b"That is too much to ask for at once.\n")
        return None

    def _run(self) -> None:
        body = self.rfile.read(self._length())
        program = subprocess.Popen(
            ["git", "http-backend"],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        limit = threading.Timer(SECONDS_FOR_A_REQUEST, _kill, (program.pid,))
        limit.start()
        # Whoever asked may leave in the middle.
        with program, suppress(BrokenPipeError, ConnectionResetError):
            try:
                self._pass_through(program, body)
            finally:
                limit.cancel()
                _kill(program.pid)

    def _pass_through(self, program: "subprocess.Popen[bytes]", body: bytes) -> None:
        assert program.stdin and program.stdout
        with suppress(BrokenPipeError):
            program.stdin.write(body)
            program.stdin.close()
        head = list(_head(program.stdout))
        status = next((value for name, value in head if name.lower() == "status"), "200")
        others = [pair for pair in head if pair[0].lower() != "status"]
        self._send(Answer(status=int(status.split()[0]), headers=others))
        while piece := program.stdout.read1(PIECE):  # type: ignore[attr-defined]
            self.wfile.write(piece)

    def _send(self, answer: Answer) -> None:
        """The body ends with the connection."""
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _environment(self) -> dict[str, str]:
        """As RFC 3875 has it, and what `git help http-backend` adds."""
        place = urlsplit(self.path)
        numbered = {
            f"GIT_CONFIG_{part}_{index}": text
            for index, pair in enumerate(GIT_CONFIG.items())
            for part, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": str(len(GIT_CONFIG)),
            **numbered,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(place.path),
            "QUERY_STRING": place.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(self._length()),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": str(self.client_address[0]),
        }

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "0")
        return int(text) if text.isdigit() else LARGEST_REQUEST + 1

    def log_message(self, format: str, *arguments: Any) -> None:
        """One line for each request, without what it brought."""
        sys.stderr.write(f"{self.client_address[0]} {format % arguments}\n")


def _head(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        yield name, value.strip()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@contextmanager
def served(root: Path, *, bind: str = LOOPBACK, token: str = "") -> Iterator[GitServer]:
    """A server in this process, for the length of a `with` block."""
    server = GitServer(root, bind=bind, token=token)
    thread = threading.Thread(target=server.serve_forever, name="git server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.git_server", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder with the repositories")
    parser.add_argument("--bind", default=LOOPBACK, help="address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument("--token", default="", help="what to ask for (default: nothing)")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with GitServer(options.root, bind=options.bind, port=options.port, token=options.token) as git:
        print(json.dumps({"url": git.url, "port": git.server_port, "pid": os.getpid()}), flush=True)
        git.serve_forever()
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
