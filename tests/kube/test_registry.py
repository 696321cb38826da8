"""What the controller sees of a registry, over HTTP."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from kube.registry import Registry, Unseen
from tests.kube.image_registry import ImageRegistry
from tests.ports import free_port

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
PATH = "switchyard/r-1"
TOKEN = "a-token-for-this-image"
Handle = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    handle_get: Handle

    def do_GET(self) -> None:
        type(self).handle_get(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def server(handle: Handle) -> Iterator[str]:
    """A registry that answers as we like; yields its host."""
    kind = type("OneHandler", (Handler,), {"handle_get": staticmethod(handle)})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{made.server_port}"
        finally:
            made.shutdown()
            thread.join()


def registry_at(host: str, **facts: object) -> Registry:
    return Registry(**{"host": host, "url": f"http://{host}", "timeout": 5.0, **facts})  # type: ignore[arg-type]


def look(host: str, **facts: object) -> str | None:
    return registry_at(host, **facts).digest_of(f"{host}/{PATH}:task-a1")


def test_an_image_that_was_pushed_is_seen_with_its_digest(registry: ImageRegistry) -> None:
    digest = registry.push(f"{registry.host}/{PATH}:task-a1")
    assert look(registry.host) == digest


def test_one_that_is_not_there_or_gone_is_not_seen(registry: ImageRegistry) -> None:
    digest = registry.push(f"{registry.host}/{PATH}:gone", "to be lost")
    assert registry_at(registry.host).digest_of(f"{registry.host}/never/was:there") is None
    registry.lose(f"{registry.host}/{PATH}@{digest}")
    assert registry_at(registry.host).digest_of(f"{registry.host}/{PATH}:gone") is None


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_an_answer_that_does_not_say_is_no_absence(registry: ImageRegistry, status: int) -> None:
    registry.push(f"{registry.host}/{PATH}:task-a1")
    registry.faults({"status": status, "path": "/manifests/"})
    with pytest.raises(Unseen, match=str(status)):
        look(registry.host)


def test_a_registry_that_is_away_is_no_absence() -> None:
    with pytest.raises(Unseen, match="no answer"):
        look(f"127.0.0.1:{free_port()}")


def test_it_may_be_reached_at_another_address_than_its_name(registry: ImageRegistry) -> None:
    digest = registry.push(f"{registry.host}/{PATH}:task-a1")
    there = Registry(host="registry.cluster", url=registry.url)
    assert there.digest_of(f"registry.cluster/{PATH}:task-a1") == digest


def test_an_answer_that_is_too_slow_is_given_up() -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" " * 70_000)
            time.sleep(0.05)

    with server(_quietly(drip)) as host:
        began = time.monotonic()
        with pytest.raises(Unseen):
            look(host, timeout=0.5)
        assert time.monotonic() - began < 5


def test_an_answer_that_never_comes_is_given_up() -> None:
    enough = threading.Event()
    with server(lambda handler: None if enough.wait(20) else None) as host:
        with pytest.raises(Unseen):
            look(host, timeout=0.3)
        enough.set()


def test_a_manifest_that_is_not_what_its_digest_says_is_not_believed() -> None:
    told = f"sha256:{'0' * 64}"
    with (
        server(lambda one: one.answer(200, MANIFEST, Docker_Content_Digest=told)) as host,
        pytest.raises(Unseen, match="not what its digest says"),
    ):
        look(host)


def test_a_registry_that_asks_for_a_password_gets_it() -> None:
    pair = base64.b64encode(b"reader:secret").decode()

    def ask(handler: Handler) -> None:
        if handler.headers.get("Authorization") == f"Basic {pair}":
            handler.answer(200, MANIFEST)
        else:
            handler.answer(401, WWW_Authenticate='Basic realm="registry"')

    with server(ask) as host:
        assert look(host, username="reader", password="secret") == DIGEST
        for facts in ({}, {"username": "reader", "password": "wrong"}):
            with pytest.raises(Unseen, match="401"):
                look(host, **facts)


def test_a_registry_that_asks_for_a_token_gets_the_one_that_it_names() -> None:
    asked: list[dict[str, list[str]]] = []
    pair = base64.b64encode(b"reader:secret").decode()

    def ask(handler: Handler) -> None:
        address = urlsplit(handler.path)
        if address.path == "/token":
            asked.append(parse_qs(address.query))
            right = handler.headers.get("Authorization") == f"Basic {pair}"
            handler.answer(200 if right else 401, json.dumps({"token": TOKEN}).encode())
        elif handler.headers.get("Authorization") == f"Bearer {TOKEN}":
            handler.answer(200, MANIFEST)
        else:
            realm = f'realm="http://{handler.headers["Host"]}/token"'
            challenge = f'Bearer {realm},service="here",scope="repository:{PATH}:pull"'
            handler.answer(401, WWW_Authenticate=challenge)

    with server(ask) as host:
        assert look(host, username="reader", password="secret") == DIGEST
        assert asked == [{"service": ["here"], "scope": [f"repository:{PATH}:pull"]}]
        with pytest.raises(Unseen, match="401"):
            look(host)


@pytest.mark.parametrize("given", [b"[]", b"null", b'"token"', b"{}", b"no JSON"])
def test_a_token_that_is_none_is_no_absence(given: bytes) -> None:
    def ask(handler: Handler) -> None:
        if handler.path.startswith("/token"):
            handler.answer(200, given)
        else:
            realm = f'Bearer realm="http://{handler.headers["Host"]}/token"'
            handler.answer(401, WWW_Authenticate=realm)

    with server(ask) as host, pytest.raises(Unseen):
        look(host)


def test_an_image_is_found_by_its_digest_and_nothing_else_is_taken_for_it(
    registry: ImageRegistry,
) -> None:
    digest = registry.push(f"{registry.host}/{PATH}:task-a1")
    here = registry_at(registry.host)
    assert here.digest_of(f"{registry.host}/{PATH}@{digest}") == digest
    other = f"sha256:{'0' * 64}"
    assert here.digest_of(f"{registry.host}/{PATH}@{other}") is None
    with (
        server(lambda one: one.answer(200, MANIFEST)) as host,
        pytest.raises(Unseen, match="not what its digest says"),
    ):
        registry_at(host).digest_of(f"{host}/{PATH}@{other}")


def test_looks_that_are_not_back_in_time_are_unseen_and_the_others_count(
    registry: ImageRegistry,
) -> None:
    digest = registry.push(f"{registry.host}/{PATH}:task-a1")
    there, gone = f"{registry.host}/{PATH}:task-a1", f"{registry.host}/{PATH}:none"
    assert registry_at(registry.host).look_at([there, gone]) == [digest, None]
    enough = threading.Event()
    with server(lambda handler: None if enough.wait(20) else None) as host:
        began = time.monotonic()
        seen = registry_at(host, timeout=0.5).look_at([f"{host}/{PATH}:{n}" for n in range(30)])
        assert time.monotonic() - began < 1.5
        assert len(seen) == 30 and all(isinstance(one, Unseen) for one in seen)
        enough.set()


@pytest.mark.parametrize("status,body", [(200, MANIFEST), (404, b"<html>"), (403, b"{}")])
def test_a_registry_that_does_not_say_what_is_not_there_is_told_from_one_that_does(
    registry: ImageRegistry, status: int, body: bytes
) -> None:
    registry_at(registry.host).check_below("switchyard/preflight")
    with (
        server(lambda one: one.answer(status, body)) as host,
        pytest.raises(Unseen, match=f"/v2/switchyard/preflight/manifests/none: {status}"),
    ):
        registry_at(host).check_below("switchyard/preflight")


@pytest.mark.parametrize("challenge", ["", "Bearer", 'Bearer realm="ftp://x"', "Negotiate"])
def test_a_challenge_that_nobody_can_meet_is_no_absence(challenge: str) -> None:
    with (
        server(lambda one: one.answer(401, WWW_Authenticate=challenge)) as host,
        pytest.raises(Unseen),
    ):
        look(host)


def test_a_password_is_in_no_message_and_goes_to_nobody_else() -> None:
    seen: list[str | None] = []

    def elsewhere(handler: Handler) -> None:
        seen.append(handler.headers.get("Authorization"))
        handler.answer(404)

    with server(elsewhere) as other:

        def away(handler: Handler) -> None:
            if "Authorization" not in handler.headers:
                handler.answer(401, WWW_Authenticate='Basic realm="registry"')
            else:
                handler.answer(307, Location=f"http://{other.replace('127.0.0.1', 'localhost')}/")

        with server(away) as host:
            registry = registry_at(host, username="reader", password="secret")
            registry.digest_of(f"{host}/{PATH}:task-a1")
            assert "secret" not in repr(registry)
    assert seen == [None]


def test_what_is_no_registry_is_told(registry: ImageRegistry) -> None:
    registry_at(registry.host).check()
    with (
        server(lambda one: one.answer(404)) as host,
        pytest.raises(Unseen, match="no registry"),
    ):
        registry_at(host).check()


def _quietly(handle: Handle) -> Handle:
    def quiet(handler: Handler) -> None:
        try:
            handle(handler)
        except OSError:
            handler.close_connection = True

    return quiet
