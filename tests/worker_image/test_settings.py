from __future__ import annotations

import pytest

from worker_image.switchyard_agent.errors import BadSettings
from worker_image.switchyard_agent.settings import read_settings

NEEDED = {
    "SATURNCI_API_HOST": "http://127.0.0.1:8000/",
    "WORKER_ID": "w",
    "WORKER_ACCESS_TOKEN": "t",
}


def test_what_is_not_set_has_a_default() -> None:
    settings = read_settings(NEEDED)
    assert settings.api_host == "http://127.0.0.1:8000"
    assert (settings.poll_seconds, settings.grace_seconds) == (5, 5)
    assert settings.work_dir is None
    assert settings.keep is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SATURNCI_API_HOST": ""}, "SATURNCI_API_HOST is not set"),
        ({"SATURNCI_API_HOST": "example.com"}, "SATURNCI_API_HOST is 'example.com': give it as"),
        ({"WORKER_ID": " "}, "WORKER_ID is not set"),
        ({"WORKER_ACCESS_TOKEN": ""}, "WORKER_ACCESS_TOKEN is not set"),
        ({"SWITCHYARD_POLL_SECONDS": "soon"}, "SWITCHYARD_POLL_SECONDS is 'soon'"),
        ({"SWITCHYARD_POLL_SECONDS": "0"}, "SWITCHYARD_POLL_SECONDS is '0'"),
        ({"SWITCHYARD_GRACE_SECONDS": "inf"}, "SWITCHYARD_GRACE_SECONDS is 'inf'"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(change: dict[str, str], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        read_settings({**NEEDED, **change})
