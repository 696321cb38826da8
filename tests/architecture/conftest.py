from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.architecture.source_tree import SourceTree

Plant = Callable[[Mapping[str, str]], SourceTree]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes a small tree of the given files (path to text) and reads it as the project is read."""

    def plant_files(files: Mapping[str, str]) -> SourceTree:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return SourceTree.read(tmp_path)

    return plant_files
