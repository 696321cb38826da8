"""HTTP/1.1 on loopback: one event loop, all connections."""

import asyncio
import json
import logging
import socket
import struct
import sys
import time
import traceback

from aiohttp import web

from .application import Answer, Application
from .errors import ApiError, Disconnect, PageNotFound, internal
from .wire import Request, Response, Stream

HOST = "127.0.0.1"
_JSON = "application/json"
_MAX_BODY = 3 * 1024 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Server:
    """`start` and `stop` belong to one event loop."""

    def __init__(self, application: Application, port: int, verbose: bool = False) -> None:
        self._application = application
        self._wanted_port = port
        self._verbose = verbose
        self._runner: web.ServerRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Raises OSError when the port cannot be had."""
        http = web.Server(self._handle, handler_cancellation=True, logger=_quiet())
        self._runner = web.ServerRunner(http, shutdown_timeout=0.5)
        await self._runner.setup()
        listener = socket.create_server((HOST, self._wanted_port), backlog=256)
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            request = await _request(http)
            # A client that gives up does not undo what it asked for.
            answer = await asyncio.shield(asyncio.ensure_future(self._answer(request)))
        except ApiError as error:
            return self._finish(http, _refusal(error))
        except Disconnect as disconnect:
            return await _disconnect(http, disconnect)
        if isinstance(answer, Stream):
            self._tell(http, 200)
            return await _stream(http, answer)
        return self._finish(http, _complete(answer))

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._application.answer(request)
        except (ApiError, Disconnect):
            raise
        except Exception as error:
            traceback.print_exc()
            raise internal(f"{type(error).__name__}: {error}") from error

    def _finish(self, http: web.BaseRequest, response: web.Response) -> web.Response:
        made = _made(response) if self._verbose and response.status == 201 else ""
        self._tell(http, response.status, made)
        return response

    def _tell(self, http: web.BaseRequest, code: int, name: str = "") -> None:
        """Seconds since the epoch, method, path, status, and the name of what was made."""
        if self._verbose:
            words = (f"{time.time():.6f}", http.method, http.path_qs, str(code), name)
            print(" ".join(words).rstrip(), file=sys.stderr, flush=True)


def _made(response: web.Response) -> str:
    assert isinstance(response.body, bytes)
    name = json.loads(response.body).get("metadata", {}).get("name")
    return name if isinstance(name, str) else ""


def _quiet() -> logging.Logger:
    """What a client sends wrong is answered with 400, and is no news."""
    logger = logging.getLogger("sandbox.kubernetes.http")
    logger.setLevel(logging.CRITICAL)
    return logger


async def _request(http: web.BaseRequest) -> Request:
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return Request(
        method=http.method,
        path=http.path,
        query=dict(http.query),
        body=await _body(http),
        content_type=http.headers.get("Content-Type", ""),
        accept=http.headers.get("Accept", ""),
        client=http.headers.get("User-Agent", ""),
        token=token.strip() if scheme.lower() == "bearer" else None,
    )


async def _body(http: web.BaseRequest) -> bytes:
    if not http.can_read_body:
        return b""
    body = b""
    async for chunk in http.content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            message = f"Request entity too large: limit is {_MAX_BODY}"
            raise ApiError(413, "RequestEntityTooLarge", message)
    return body


def _refusal(error: ApiError) -> web.Response:
    if isinstance(error, PageNotFound):
        return web.Response(status=404, text=f"{error.message}\n")
    body = json.dumps(error.status).encode()
    return web.Response(status=error.code, body=body, content_type=_JSON, headers=error.headers)


def _complete(answer: Response) -> web.Response:
    body, kind = answer.body, _JSON
    if isinstance(body, str):
        body, kind = body.encode(), "text/plain"
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    response = web.Response(status=answer.code, body=body, content_type=kind)
    for name, value in answer.headers.items():
        response.headers[name] = value
    _warn(response, answer.warnings)
    return response


def _warn(response: web.StreamResponse, warnings: tuple[str, ...]) -> None:
    for text in warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')


async def _stream(http: web.BaseRequest, answer: Stream) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": answer.content_type})
    _warn(response, answer.warnings)
    response.enable_chunked_encoding()
    try:
        await response.prepare(http)
        async for chunk in answer.chunks:
            await response.write(chunk)
        await response.write_eof()
    except (ConnectionError, Disconnect):
        _close(http)
    return response


async def _disconnect(http: web.BaseRequest, disconnect: Disconnect) -> web.StreamResponse:
    await asyncio.sleep(disconnect.seconds)
    transport = http.transport
    if transport is not None and disconnect.reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    _close(http)
    return web.Response()


def _close(http: web.BaseRequest) -> None:
    if http.transport is not None:
        http.transport.abort()
