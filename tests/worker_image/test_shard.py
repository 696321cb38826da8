"""Which files a shard has; test_same_files.py compares that with real Ruby."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker_image.switchyard_agent.shard import shard, spec_files

FILES = [f"./spec/{name}_spec.rb" for name in "abcdefg"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Names that sort differently by letter, by byte and by folder; links; hidden ones."""
    names = ("a/x", "a.b/q", "B/z", "a", "a-1", "", "d_spec.rb/in", "é", "deep/er/still/x", "Z")
    for name in names:
        file = tmp_path / "spec" / f"{name}_spec.rb"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
    for other in ("spec/.hidden_spec.rb", "spec/helper.rb", "other_spec.rb", "spec/a/x_spec.rbx"):
        (tmp_path / other).touch()
    (tmp_path / "spec" / ".git").mkdir()
    (tmp_path / "spec" / ".git" / "h_spec.rb").touch()
    (tmp_path / "spec" / "link").symlink_to("a")
    (tmp_path / "spec" / "dangling_spec.rb").symlink_to("nowhere")
    (tmp_path / "spec" / "linked_spec.rb").symlink_to("a")
    return tmp_path


def test_files_come_in_the_order_of_rubys_glob(tree: Path) -> None:
    assert spec_files(tree) == [
        "./spec/B/z_spec.rb",
        "./spec/Z_spec.rb",
        "./spec/_spec.rb",
        "./spec/a/x_spec.rb",
        "./spec/a-1_spec.rb",
        "./spec/a.b/q_spec.rb",
        "./spec/a_spec.rb",
        "./spec/d_spec.rb",
        "./spec/d_spec.rb/in_spec.rb",
        "./spec/dangling_spec.rb",
        "./spec/deep/er/still/x_spec.rb",
        "./spec/linked_spec.rb",
        "./spec/é_spec.rb",
    ]


def test_a_repository_without_specs_has_none(tmp_path: Path) -> None:
    assert spec_files(tmp_path) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 8, 20])
def test_the_shards_cover_each_file_once_and_the_larger_ones_come_first(count: int) -> None:
    shards = [
        shard(FILES, seed=9, order_index=index, order_count=count) for index in range(1, count + 1)
    ]
    sizes = [len(files) for files in shards]
    assert sorted(sum(shards, [])) == FILES
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1


def test_an_order_index_beyond_the_count_gets_nothing() -> None:
    assert shard(FILES, seed=9, order_index=4, order_count=3) == []
