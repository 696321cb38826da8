from pathlib import Path

import pytest

from tests.cluster import binaries


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of one program, in a cache of its own."""
    monkeypatch.setattr(binaries, "SOURCES", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "etcd"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.test/etcd\n")
    (folder / "main.go").write_text("package main\n")
    return folder


def test_the_same_sources_have_one_place(sources: Path) -> None:
    assert binaries.binary("etcd") == binaries.binary("etcd")


@pytest.mark.parametrize("file", ["go.mod", "main.go"])
def test_other_sources_have_another_place(sources: Path, file: str) -> None:
    before = binaries.binary("etcd")
    with (sources / file).open("a") as changed:
        changed.write("// changed\n")
    assert binaries.binary("etcd") != before


def test_it_is_kept_outside_the_checkout(sources: Path) -> None:
    kept = binaries.binary("etcd").parent
    assert kept == sources.parent / "cache" / "switchyard-cluster"


def test_the_version_that_is_told_is_the_one_that_is_built() -> None:
    text = (binaries.SOURCES / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{binaries.VERSION}\n" in text
