"""The registry's stand-in, for tests that look at images without a node that builds them."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import requests

from sandbox.kubernetes.kubelet.launch import Launched, launch_registry
from sandbox.kubernetes.registry.client import Registry
from sandbox.kubernetes.registry.store import digest_of


class ImageRegistry:
    def __init__(self, launched: Launched) -> None:
        self.url = launched.url
        self.host = launched.url.removeprefix("http://")

    def push(self, reference: str, content: str = "") -> str:
        """As a builder does. Returns the digest."""
        path, _, tag = reference.removeprefix(f"{self.host}/").rpartition(":")
        tree = Path(tempfile.mkdtemp(prefix="switchyard-tree-"))
        (tree / "file").write_text(content or reference)
        digest = digest_of((content or reference).encode())
        registry = Registry(self.url)
        registry.put_tree(digest, tree, [])
        config = {"config": {"Labels": {"content": content}}}
        return registry.push(path, tag, config, {"digest": digest, "size": 1})

    def lose(self, reference: str) -> None:
        """As retention does. `reference` is by digest."""
        path, _, digest = reference.removeprefix(f"{self.host}/").partition("@")
        answer = requests.delete(f"{self.url}/v2/{path}/manifests/{digest}", timeout=10)
        assert answer.status_code == 202

    def faults(self, *rules: dict[str, Any]) -> None:
        answer = requests.put(f"{self.url}/sandbox/faults", json=list(rules), timeout=10)
        assert answer.status_code == 200, answer.text


@cache
def image_registry() -> ImageRegistry:
    """One for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="switchyard-registry-"))
    launched = launch_registry(folder)

    def end() -> None:
        launched.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return ImageRegistry(launched)
