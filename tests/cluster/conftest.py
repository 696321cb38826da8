from pathlib import Path

import pytest

from tests.cluster.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Of no cluster: what is written there is only looked at."""
    made = Layout(root=tmp_path / "cluster")
    made.root.mkdir()
    return made
