import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import builder_image as module
from tests.cluster.builder_image import EXECUTOR, IMAGE, builder_image, builder_kind
from tests.cluster.built_image import BuiltImage, Entry
from tests.cluster.elsewhere import layout_of_the_cluster
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout

NOBODY = "registry.example.com/kaniko:debug"


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is, whatever the tests were started with."""
    for name in (IMAGE, EXECUTOR):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_an_image_that_is_given_is_used_as_it_is(
    chosen: pytest.MonkeyPatch, layout: Layout
) -> None:
    chosen.setenv(IMAGE, NOBODY)
    chosen.setenv(EXECUTOR, "/nowhere")
    assert (builder_image(layout), builder_kind()) == (NOBODY, "Kaniko image")


def test_it_says_what_builds(chosen: pytest.MonkeyPatch) -> None:
    assert builder_kind() == "test double"
    chosen.setenv(EXECUTOR, "/some/executor")
    assert builder_kind() == "Kaniko executor"


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02" + bytes(10)])
def test_what_is_no_program_is_refused_by_name(
    chosen: pytest.MonkeyPatch, layout: Layout, tmp_path: Path, content: bytes
) -> None:
    program = tmp_path / "executor"
    program.write_bytes(content)
    chosen.setenv(EXECUTOR, str(program))
    with pytest.raises(ClusterError, match=rf"{EXECUTOR}=.*executor is not a static program"):
        builder_image(layout)


def test_a_program_that_needs_libraries_is_refused(
    chosen: pytest.MonkeyPatch, layout: Layout
) -> None:
    chosen.setenv(EXECUTOR, os.path.realpath("/bin/sh"))
    with pytest.raises(ClusterError, match="CGO_ENABLED=0"):
        builder_image(layout)


def test_a_program_that_is_not_there_is_told(chosen: pytest.MonkeyPatch, layout: Layout) -> None:
    chosen.setenv(EXECUTOR, "/no/such/executor")
    with pytest.raises(ClusterError, match=f"{EXECUTOR}=/no/such/executor: No such file"):
        builder_image(layout)


@pytest.fixture
def packed() -> Iterator[BuiltImage]:
    if os.environ.get(IMAGE):
        pytest.skip("the image comes from elsewhere")
    yield BuiltImage(reference=builder_image(layout_of_the_cluster()))


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_it_is_pushed_once(packed: BuiltImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module, "_push")
    assert builder_image(layout_of_the_cluster()) == packed.reference


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_it_looks_as_kanikos_own_with_a_shell(packed: BuiltImage) -> None:
    found, config = packed.files(), packed.config()
    programs: list[Entry] = [found["/kaniko/executor"], found["/busybox/busybox"]]
    assert [(item.mode, item.owner) for item in programs] == [(0o755, (0, 0))] * 2
    assert all(found[f"/busybox/{name}"].link == "busybox" for name in ("sh", "tail", "mv"))
    assert found["/kaniko/.docker"].kind == "folder"
    assert found["/kaniko/ssl/certs/ca-certificates.crt"].kind == "file"
    assert "/etc/passwd" not in found
    assert config["Entrypoint"] == ["/kaniko/executor"] and config["Volumes"] == {"/busybox": {}}
