from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.plane import Plane, running_plane
from tests.run import on_ci


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Of no cluster: what is written there is only looked at."""
    made = Layout(root=tmp_path / "cluster")
    made.root.mkdir()
    return made


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane on the cluster that the tests run on, for all of them together."""
    try:
        with running_plane(tmp_path_factory.mktemp("plane")) as running:
            yield running
    except ClusterError as error:
        pytest.fail(str(error)) if on_ci() else pytest.skip(str(error))
