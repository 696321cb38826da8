"""What the agent reads of an image: from the sandbox's registry, and behind what real ones put in
front of theirs."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.kubelet.launch import Launched, launch_registry
from sandbox.kubernetes.registry.client import Registry as Client
from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.loopback import Loopback, Reply, Request
from worker_image.switchyard_agent.errors import StepFailed, Unreachable
from worker_image.switchyard_agent.job.image import ImageConfig, read_config
from worker_image.switchyard_agent.job.settings import Registry

LAYER: dict[str, Any] = {"digest": "sha256:" + "ab" * 32, "size": 1}
ENTER = ["/bin/sh", "-c", 'echo "entered for $1"; exec "$@"', "enter"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    launched = launch_registry(tmp_path_factory.mktemp("registry"))
    tree = tmp_path_factory.mktemp("tree")
    Client(launched.url).put_tree(LAYER["digest"], tree, ["/app"])
    yield launched
    launched.stop()


@pytest.fixture
def push(registry: Launched) -> Callable[[dict[str, Any]], tuple[str, str]]:
    """Pushes an image with this configuration: its reference and its digest."""

    def make(config: dict[str, Any]) -> tuple[str, str]:
        digest = Client(registry.url).push("acme/shop", "key", {"config": config}, LAYER)
        return f"{host(registry)}/acme/shop:key", digest

    return make


@pytest.fixture
def faults(registry: Launched) -> Iterator[Callable[..., None]]:
    def put(*rules: dict[str, Any]) -> None:
        url, data = f"{registry.url}/sandbox/faults", json.dumps(rules).encode()
        urllib.request.urlopen(urllib.request.Request(url, data, method="PUT"), timeout=10).close()

    yield put
    put()


def host(registry: Launched) -> str:
    return registry.url.removeprefix("http://")


def at(image: str, config: Path | None = None) -> Registry:
    return Registry(image=image, config=config, insecure=True)


Push = Callable[[dict[str, Any]], tuple[str, str]]


def test_entrypoint_and_digest_are_read_by_tag_and_by_digest(push: Push) -> None:
    image, digest = push({"Entrypoint": ENTER, "Cmd": ["rspec"]})
    wanted = ImageConfig(entrypoint=tuple(ENTER), digest=digest)
    assert read_config(at(image)) == wanted
    assert read_config(at(f"{image.rpartition(':')[0]}@{digest}")) == wanted


@pytest.mark.parametrize("config", [{}, {"Entrypoint": None, "Cmd": ["rspec"]}])
def test_an_image_without_an_entrypoint_has_none(push: Push, config: dict[str, Any]) -> None:
    image, _ = push(config)
    assert read_config(at(image)).entrypoint == ()


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, Unreachable), (429, Unreachable), (500, Unreachable), (403, StepFailed)],
)
def test_what_will_pass_is_told_from_what_will_not(
    push: Push, faults: Callable[..., None], status: int, error: type[Exception]
) -> None:
    image, _ = push({})
    faults({"status": status, "path": "/manifests/"})
    with pytest.raises(error, match=f"the registry answered {status} for {image}"):
        read_config(at(image))


def test_a_registry_that_is_away_is_out_of_reach() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        read_config(at("127.0.0.1:9/acme/shop:key"))


def test_a_reference_without_a_registry_is_refused() -> None:
    with pytest.raises(StepFailed, match="names no registry"):
        read_config(at("shop"))


# What stands in front of real registries ---------------------------------------------------------

Answer = Callable[[str], Reply]


@dataclass
class Front:
    """Answers calls by their path and credentials. `seen` has both of each call."""

    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    loopback: Loopback = field(init=False)

    def __post_init__(self) -> None:
        self.loopback = Loopback(self._reply)
        self.loopback.start()

    @property
    def host(self) -> str:
        return self.loopback.host

    def _reply(self, request: Request) -> Reply:
        credentials = request.headers.get("Authorization", "")
        self.seen.append((request.path, credentials))
        return self.answers[request.path](credentials)


@pytest.fixture
def make_front() -> Iterator[Callable[[], Front]]:
    fronts: list[Front] = []

    def make() -> Front:
        fronts.append(Front())
        return fronts[-1]

    yield make
    for front in fronts:
        front.loopback.stop()


@pytest.fixture
def front(make_front: Callable[[], Front]) -> Front:
    return make_front()


def document(found: Any, **headers: str) -> Answer:
    return lambda credentials: Reply(headers=headers, body=json.dumps(found).encode())


def serve_image(front: Front) -> None:
    front.answers |= {
        "/v2/acme/shop/manifests/key": document({"config": {"digest": "sha256:c"}}),
        "/v2/acme/shop/blobs/sha256:c": document({"config": {"Entrypoint": ["/e"]}}),
    }


def login(folder: Path, host: str) -> Path:
    file = folder / "config.json"
    pair = base64.b64encode(b"a-1:the-password").decode()
    file.write_text(json.dumps({"auths": {host: {"auth": pair}}}))
    return file


def test_a_token_is_fetched_once_with_the_credentials_of_this_registry(
    front: Front, tmp_path: Path
) -> None:
    serve_image(front)
    scope = "repository:acme/shop:pull"
    realm = f"http://{front.host}/token"
    challenge = f'Bearer realm="{realm}",service="the registry",scope="{scope}"'

    def guarded(answer: Answer) -> Answer:
        refused = Reply(status=401, headers={"WWW-Authenticate": challenge})
        return lambda credentials: answer("") if credentials == "Bearer t0ken" else refused

    front.answers = {path: guarded(answer) for path, answer in front.answers.items()}
    asked = "/token?service=the+registry&scope=repository%3Aacme%2Fshop%3Apull"
    front.answers[asked] = document({"token": "t0ken"})
    assert read_config(at(f"{front.host}/acme/shop:key", login(tmp_path, front.host)))
    basic = "Basic " + base64.b64encode(b"a-1:the-password").decode()
    assert front.seen == [
        ("/v2/acme/shop/manifests/key", ""),
        (asked, basic),
        ("/v2/acme/shop/manifests/key", "Bearer t0ken"),
        ("/v2/acme/shop/blobs/sha256:c", "Bearer t0ken"),
    ]


def test_credentials_that_are_refused_are_no_reason_to_try_again(
    front: Front, tmp_path: Path
) -> None:
    front.answers["/v2/acme/shop/manifests/key"] = lambda credentials: Reply(
        status=401, headers={"WWW-Authenticate": 'Basic realm="here"'}
    )
    with pytest.raises(StepFailed, match="answered 401"):
        read_config(at(f"{front.host}/acme/shop:key", login(tmp_path, front.host)))
    assert len(front.seen) == 2


def test_a_redirect_to_a_store_elsewhere_is_followed_without_the_credentials(
    front: Front, make_front: Callable[[], Front], tmp_path: Path
) -> None:
    serve_image(front)
    store = make_front()
    store.answers["/blob"] = front.answers["/v2/acme/shop/blobs/sha256:c"]
    away = Reply(status=307, headers={"Location": f"http://{store.host}/blob"})
    asks = Reply(status=401, headers={"WWW-Authenticate": "Basic"})
    front.answers["/v2/acme/shop/blobs/sha256:c"] = lambda credentials: (
        away if credentials else asks
    )
    read = read_config(at(f"{front.host}/acme/shop:key", login(tmp_path, front.host)))
    assert read.entrypoint == ("/e",)
    assert store.seen == [("/blob", "")]


def test_of_an_image_for_several_machines_ours_is_read(front: Front) -> None:
    serve_image(front)
    front.answers["/v2/acme/shop/manifests/sha256:ours"] = front.answers.pop(
        "/v2/acme/shop/manifests/key"
    )
    entries = [
        {"digest": "sha256:other", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:ours", "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    index = document({"manifests": entries}, **{"Docker-Content-Digest": "sha256:index"})
    front.answers["/v2/acme/shop/manifests/key"] = index
    read = read_config(at(f"{front.host}/acme/shop:key"))
    assert read == ImageConfig(entrypoint=("/e",), digest="sha256:index")


def test_an_answer_that_breaks_off_is_out_of_reach_and_no_bad_manifest(front: Front) -> None:
    front.answers["/v2/acme/shop/manifests/key"] = lambda credentials: Reply(
        headers={"Content-Length": "100"}, body=b'{"config"'
    )
    with pytest.raises(Unreachable, match="91 bytes of an answer are missing"):
        read_config(at(f"{front.host}/acme/shop:key"))


def test_what_is_no_manifest_is_no_reason_to_try_again(front: Front) -> None:
    front.answers["/v2/acme/shop/manifests/key"] = lambda credentials: Reply(body=b"<html>")
    with pytest.raises(StepFailed, match="no manifest that can be read"):
        read_config(at(f"{front.host}/acme/shop:key"))


# In a pod ----------------------------------------------------------------------------------------


def test_the_entrypoint_of_the_image_comes_before_every_command_once_the_registry_knows_it(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    push: Push,
    faults: Callable[..., None],
) -> None:
    image, digest = push({"Entrypoint": ENTER})
    faults({"status": 404, "path": "/manifests/", "count": 1})
    texts = {".saturnci/pre.sh": "#!/bin/sh\necho prepared\n"}
    plane.order = work_order(*make_repository(texts), command="echo tested")
    make_pod(SWITCHYARD_IMAGE=image, SWITCHYARD_REGISTRY_INSECURE="1").run()
    assert "entered for /bin/sh\nprepared\n" in plane.text("system")
    assert plane.text("test") == "entered for /bin/sh\ntested\n"
    assert plane.only("finish").json["image_digest"] == digest


@pytest.mark.parametrize("entrypoint", [[], ["/usr/bin/env", "FROM=compose"]])
def test_the_entrypoint_of_compose_takes_the_place_of_the_images(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    push: Push,
    entrypoint: list[str],
) -> None:
    image, _ = push({"Entrypoint": ENTER})
    plane.order = work_order(*make_repository({}), command='echo "from ${FROM-nobody}"')
    pod = make_pod(
        plan={"entrypoint": entrypoint}, SWITCHYARD_IMAGE=image, SWITCHYARD_REGISTRY_INSECURE="1"
    )
    pod.run()
    assert plane.text("test") == f"from {'compose' if entrypoint else 'nobody'}\n"


def test_a_registry_that_refuses_is_told_and_nothing_runs(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    push: Push,
    faults: Callable[..., None],
) -> None:
    image, _ = push({})
    faults({"status": 403, "path": "/manifests/"})
    plane.order = work_order(*make_repository({}), command="echo tested")
    make_pod(SWITCHYARD_IMAGE=image, SWITCHYARD_REGISTRY_INSECURE="1").run()
    told = plane.only("events agent_error").json["detail"]
    assert told == f"the registry answered 403 for {image}"
    assert not plane.has("events pre_script_started") and plane.text("test") == ""
    assert plane.only("finish").json["exit_code"] is None
