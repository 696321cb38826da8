"""The stand-in executor as a program; its messages and exit codes are those of the real one.

Of its own it needs SANDBOX_REGISTRIES (JSON: host to URL) and SANDBOX_PATH, which the node sets.
"""

import json
import os
import platform
import signal
import sys
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.kubernetes.kubelet import images
from sandbox.kubernetes.kubelet.disk import remove, usage
from sandbox.kubernetes.registry.client import Registry, RegistryError

from . import context
from .build import BuildError, Built, Order, build
from .flags import Flags, UsageError, read

_DENIED = (
    "checking push permissions -- make sure you entered the correct tag name, and that you are"
    " authenticated correctly, and try again: checking push permission for"
)


class Failed(Exception):
    """The last line, and what to exit with."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        flags = read(arguments)
        _execute(flags)
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 1
    except Failed as error:
        print(error, file=sys.stderr, flush=True)
        return error.code
    return 0


def _execute(flags: Flags) -> None:
    folder, dockerfile = _find_input(flags)
    pushes = [] if flags.on("no-push") else [_check_push(text) for text in _destinations(flags)]
    work = Path(tempfile.mkdtemp(prefix="build-", dir=Path(os.environ.get("TMPDIR", "/tmp"))))
    try:
        order = Order(
            context=folder,
            dockerfile=dockerfile,
            target=flags.text("target"),
            build_args=flags.pairs("build-arg"),
            machine_path=os.environ["SANDBOX_PATH"],
        )
        built = _build(order, work)
        _info("Taking snapshot of full filesystem...")
        _push(built, pushes, flags)
    finally:
        remove(work)


def _find_input(flags: Flags) -> tuple[Path, Path]:
    try:
        folder = context.find_context(
            flags.text("context", "/workspace"), flags.text("context-sub-path")
        )
        return folder, context.find_dockerfile(flags.text("dockerfile", "Dockerfile"), folder)
    except context.ContextError as error:
        raise Failed(f"Error: error resolving dockerfile path: {error}") from error


def _destinations(flags: Flags) -> Sequence[str]:
    found = flags.lists.get("destination", ())
    if not found:
        raise Failed("Error: you must provide --destination, or use --no-push")
    return found


def _check_push(text: str) -> tuple[images.Reference, Registry]:
    """Whether it could be pushed, asked before anything is built, as the real one does."""
    try:
        reference = images.parse(text)
    except images.InvalidName as error:
        raise Failed(f"error {_DENIED} {json.dumps(text)}: {error}") from error
    url = images.registry_url(reference.host, json.loads(os.environ["SANDBOX_REGISTRIES"]))
    try:
        if url is None:
            raise RegistryError(0, f"lookup {reference.host}: no such host")
        Registry(url).check()
    except RegistryError as error:
        raise Failed(
            f'error {_DENIED} "{text}": creating push check transport for {reference.host} failed:'
            f' Get "https://{reference.host}/v2/": dial tcp: {error}'
        ) from error
    return reference, Registry(url)


def _build(order: Order, work: Path) -> Built:
    for line in order.dockerfile.read_text("utf-8", "replace").splitlines():
        if line.strip().upper().startswith("FROM "):
            _info(f"Retrieving image manifest {line.split()[1]}")
    try:
        return build(order, work, _write)
    except BuildError as error:
        raise Failed(f"error building image: {error}", error.code) from error


def _push(built: Built, pushes: list[tuple[images.Reference, Registry]], flags: Flags) -> None:
    layer, size = f"sha256:{uuid.uuid4().hex}{uuid.uuid4().hex}", usage(built.tree)
    config = _image_config(built, layer, flags)
    digest = ""
    for reference, registry in pushes:
        _info(f"Pushing image to {reference.text}")
        try:
            registry.put_tree(layer, built.tree, built.places)
            digest = registry.push(
                reference.path, reference.tag, config, {"digest": layer, "size": size}
            )
        except RegistryError as error:
            raise Failed(
                f"error pushing image: failed to push to destination {reference.text}: {error}"
            ) from error
        _info(f"Pushed {reference.repository}@{digest}")
    if path := flags.text("digest-file"):
        Path(path).write_text(digest)


def _image_config(built: Built, layer: str, flags: Flags) -> dict[str, Any]:
    labels = {**built.config["Labels"], **flags.pairs("label")}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "architecture": machine,
        "os": "linux",
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "author": "kaniko",
        "config": {**built.config, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [],
    }


def _info(text: str) -> None:
    _write(f"INFO[0000] {text}\n".encode())


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
