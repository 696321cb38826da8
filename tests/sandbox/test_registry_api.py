"""The registry stand-in speaks the Distribution API and keeps what it was given."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.kubernetes.kubelet.launch import Launched, launch_registry
from sandbox.kubernetes.registry.client import MANIFEST, Registry, RegistryError
from sandbox.kubernetes.registry.store import Store, digest_of

LAYER = "sha256:" + "ab" * 32
CONFIG = {"config": {"Entrypoint": ["/entry"], "Env": ["A=1"]}}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    launched = launch_registry(tmp_path_factory.mktemp("registry"))
    yield launched
    launched.stop()


def make_tree(folder: Path, text: str = "x") -> Path:
    tree = folder / f"tree-{time.monotonic_ns()}"
    (tree / "app").mkdir(parents=True)
    (tree / "app" / "file").write_text(text)
    return tree


def push(url: str, name: str, tag: str, tree: Path, layer: str = LAYER) -> str:
    registry = Registry(url)
    registry.put_tree(layer, tree, ["/app"])
    return registry.push(name, tag, CONFIG, {"digest": layer, "size": 1})


def get(registry: Launched, path: str, method: str = "GET", **more: Any) -> requests.Response:
    return requests.request(method, registry.url + path, timeout=10, **more)


def test_it_says_which_api_it_speaks(registry: Launched) -> None:
    answer = get(registry, "/v2/")
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_what_was_pushed_is_found_by_tag_and_by_digest(registry: Launched, tmp_path: Path) -> None:
    digest = push(registry.url, "acme/shop/app", "key-1", make_tree(tmp_path))
    for reference in ("key-1", digest):
        answer = get(registry, f"/v2/acme/shop/app/manifests/{reference}")
        assert answer.headers["Docker-Content-Digest"] == digest == digest_of(answer.content)
        assert answer.headers["Content-Type"] == MANIFEST
        head = get(registry, f"/v2/acme/shop/app/manifests/{reference}", "HEAD")
        assert head.headers["Content-Length"] == str(len(answer.content)) and not head.content
    config = answer.json()["config"]["digest"]
    assert get(registry, f"/v2/acme/shop/app/blobs/{config}").json() == CONFIG
    assert get(registry, "/v2/acme/shop/app/tags/list").json()["tags"] == ["key-1"]
    assert "acme/shop/app" in get(registry, "/v2/_catalog").json()["repositories"]
    pulled = Registry(registry.url).pull("acme/shop/app", "key-1")
    assert (pulled.tree / "app" / "file").read_text() == "x"
    assert pulled.places == ("/app",) and pulled.config == CONFIG["config"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/acme/none/manifests/x", "MANIFEST_UNKNOWN"),
        (f"/v2/acme/none/blobs/{LAYER}", "BLOB_UNKNOWN"),
        ("/v2/acme/none/tags/list", "NAME_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_404_with_its_code(registry: Launched, path: str, code: str) -> None:
    answer = get(registry, path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, code)


def test_a_blob_comes_in_pieces_and_must_be_what_it_says(registry: Launched) -> None:
    for data, status in ((b"two pieces", 201), (b"two lies", 400)):
        begun = get(registry, "/v2/acme/b/blobs/uploads/", "POST")
        assert begun.status_code == 202
        place = begun.headers["Location"]
        assert get(registry, place, "PATCH", data=data[:4]).headers["Range"] == "0-3"
        digest = digest_of(b"two pieces")
        answer = get(registry, f"{place}?digest={digest}", "PUT", data=data[4:])
        assert answer.status_code == status
    assert get(registry, f"/v2/acme/b/blobs/{digest}").content == b"two pieces"


def test_a_manifest_must_refer_to_what_is_there(registry: Launched) -> None:
    manifest = {"config": {"digest": LAYER}, "layers": []}
    bodies = (json.dumps(manifest), "{}", "[]", "no json")
    for body in bodies:
        answer = get(registry, "/v2/acme/m/manifests/t", "PUT", data=body)
        assert answer.status_code == 400, body
        assert answer.json()["errors"][0]["code"] == "MANIFEST_INVALID"
    wrong = "sha256:" + "0" * 64
    answer = get(registry, f"/v2/acme/m/manifests/{wrong}", "PUT", data="{}")
    assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"


def test_a_deleted_manifest_takes_its_tags_along(registry: Launched, tmp_path: Path) -> None:
    digest = push(registry.url, "acme/gone", "t", make_tree(tmp_path))
    assert get(registry, "/v2/acme/gone/manifests/t", "DELETE").status_code == 405
    assert get(registry, f"/v2/acme/gone/manifests/{digest}", "DELETE").status_code == 202
    assert get(registry, "/v2/acme/gone/manifests/t").status_code == 404
    assert get(registry, "/v2/acme/gone/tags/list").json()["tags"] == []


def test_it_can_be_told_to_refuse(registry: Launched, tmp_path: Path) -> None:
    push(registry.url, "acme/refused", "t", make_tree(tmp_path))
    rules = [{"status": 401, "path": "/v2/acme/refused/", "count": 2}]
    assert get(registry, "/sandbox/faults", "PUT", json=rules).status_code == 200
    for _ in range(2):
        with pytest.raises(RegistryError, match="UNAUTHORIZED"):
            Registry(registry.url).pull("acme/refused", "t")
    assert Registry(registry.url).pull("acme/refused", "t").digest
    bad = get(registry, "/sandbox/faults", "PUT", json=[{"status": 200}])
    assert bad.status_code == 422 and bad.text == "rule 1: status: must be a 4xx or 5xx status\n"


def test_everything_outlives_a_restart(tmp_path: Path) -> None:
    first = launch_registry(tmp_path / "state")
    digest = push(first.url, "acme/app", "t", make_tree(tmp_path))
    first.kill()
    second = launch_registry(tmp_path / "state")
    try:
        assert Registry(second.url).pull("acme/app", "t").digest == digest
    finally:
        second.stop()


def test_equal_files_are_stored_once_and_what_nobody_uses_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    layers = [f"sha256:{hashlib.sha256(name).hexdigest()}" for name in (b"a", b"b")]
    for layer in layers:
        store.trees.take(layer, make_tree(tmp_path, "x" * 100_000), ["/app"])
    found = [store.trees.find(layer) for layer in layers]
    inodes = {(tree.path / "app" / "file").stat().st_ino for tree in found if tree}
    assert len(inodes) == 1
    config = store.put_blob(b"{}")
    body = json.dumps({"config": {"digest": config}, "layers": [{"digest": layers[0]}]}).encode()
    store.put_manifest("acme/app", "t", MANIFEST, body)
    long_ago = time.time() - 7200
    for folder in ("blobs", "trees"):
        for path in (tmp_path / "state" / folder).iterdir():
            os.utime(path, (long_ago, long_ago))
    assert store.collect(3600) == 0
    assert store.trees.find(layers[0]) and not store.trees.find(layers[1])
    assert store.manifest("acme/app", "t")
    for path in (tmp_path / "state").rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert store.collect(3600) == 1
    assert not store.trees.find(layers[0])
    assert list((tmp_path / "state" / "blobs").iterdir()) == []
