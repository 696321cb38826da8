import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.elsewhere import Elsewhere, layout_of_the_cluster
from tests.cluster.images import crane
from tests.cluster.kept_images import KEPT, QUIET_SECONDS, digest_of, kept_image, telling
from tests.cluster.layout import cache
from tests.conformance.cluster import unique


def test_it_says_nothing_of_what_takes_a_moment() -> None:
    said: list[str] = []
    with telling("making it", said.append):
        pass
    assert said == []


def test_it_says_once_what_takes_longer() -> None:
    said: list[str] = []
    with telling("making it", said.append):
        deadline = time.monotonic() + 5 * QUIET_SECONDS
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)
    assert said == ["making it"]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """A part of the cluster's registry, and a cache, in which nothing is."""
    layout, program = layout_of_the_cluster(), binaries.binary("crane")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache().mkdir()
    (cache() / program.name).symlink_to(program)
    return Elsewhere(
        root=tmp_path,
        given_registry=f"{layout.registry}/{unique('kept')}",
        given_address=layout.address,
    )


def copying(made: list[str]) -> Callable[[str], None]:
    """Makes an image, and notes it."""

    def make(reference: str) -> None:
        made.append(reference)
        crane("copy", layout_of_the_cluster().busybox_image, reference)

    return make


@pytest.mark.cluster
def test_one_is_made_once_for_all_clusters(registry: Elsewhere) -> None:
    made: list[str] = []
    first = kept_image(registry, "box", "k1", copying(made))
    other = replace(registry, given_registry=f"{registry.registry}/other")
    second = kept_image(other, "box", "k1", copying(made))
    assert kept_image(registry, "box", "k1", copying(made)) == first
    assert made == [f"{registry.registry}/box:k1"]
    assert first == f"{registry.registry}/box@{digest_of(made[0])}"
    assert second == first.replace(registry.registry, other.registry)
    assert digest_of(second) == digest_of(first)


@pytest.mark.cluster
def test_one_that_could_not_be_made_is_not_kept(registry: Elsewhere) -> None:
    def fail(reference: str) -> None:
        raise RuntimeError(reference)

    with pytest.raises(RuntimeError):
        kept_image(registry, "box", "k1", fail)
    made: list[str] = []
    kept_image(registry, "box", "k1", copying(made))
    assert len(made) == 1


@pytest.mark.cluster
def test_those_that_were_used_last_are_kept(registry: Elsewhere) -> None:
    made: list[str] = []
    for number in range(KEPT):
        kept_image(registry, "box", f"k{number}", copying(made))
    other = replace(registry, given_registry=f"{registry.registry}/other")
    kept_image(other, "box", "k0", copying(made))
    kept_image(registry, "box", "new", copying(made))
    left = {folder.name for folder in cache().iterdir() if folder.name.startswith("box-")}
    assert left == {"box-k0", "box-new", *(f"box-k{number}" for number in range(2, KEPT))}
