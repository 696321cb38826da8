"""An HTTP client that costs next to nothing: requests are bytes made beforehand."""

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_SECONDS = 30.0


def request(
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    kind: str = "application/json",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """Kept alive, as long as the server plays along."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def ask(self, sent: bytes, expected: int) -> bytes:
        """The body of the answer. Raises AssertionError for another status."""
        self._socket.sendall(sent)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head, body = answer[:end], answer[end + 4 :]
        length = _length(head)
        while len(body) < length:
            body += self._more()
        if int(head[9:12]) != expected:
            raise AssertionError(f"{head.decode()}\n\n{body.decode(errors='replace')}")
        return body

    def ask_all(self, requests: Iterable[bytes], expected: int) -> None:
        for sent in requests:
            self.ask(sent, expected)

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise AssertionError("the server closed the connection")
        return received


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    raise AssertionError(f"no Content-Length: {head.decode()}")


def ask_once(port: int, sent: bytes, expected: int) -> bytes:
    connection = Connection(port)
    try:
        return connection.ask(sent, expected)
    finally:
        connection.close()


class Crowd:
    """Several clients at once, each on a connection of its own that is kept."""

    def __init__(self, port: int, size: int) -> None:
        self._connections = [Connection(port) for _ in range(size)]
        self._threads = ThreadPoolExecutor(size)

    def close(self) -> None:
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def send(self, requests: Sequence[bytes], expected: int) -> float:
        """Requests per second; all have to be answered with the expected status."""
        size = len(self._connections)
        shares = [requests[start::size] for start in range(size)]
        started = time.perf_counter()
        list(self._threads.map(Connection.ask_all, self._connections, shares, [expected] * size))
        return len(requests) / (time.perf_counter() - started)
