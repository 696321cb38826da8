"""Droplets that run already are taken over: all or none, each after a live read."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from dispatch.models import DropletLife
from droplets.cloud import Cloud, Droplet
from droplets.config import Config
from droplets.models import Worker, WorkerState
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

HEADER = "worker_id,access_token,droplet_id\n"


@pytest.fixture
def running(cloud: Cloud) -> Droplet:
    made = cloud.create("legacy-worker-1", "#!/bin/sh\nexec sleep 300\n")

    def active() -> bool:
        droplet = cloud.droplet(made.provider_id)
        return droplet is not None and droplet.status == "active"

    wait_until(active)
    return made


@pytest.fixture(autouse=True)
def command_uses_the_sandbox(settings_of_droplets: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    command = importlib.import_module("droplets.management.commands.import-workers")
    monkeypatch.setattr(command, "config", lambda: settings_of_droplets)


def import_lines(tmp_path: Path, *lines: str) -> None:
    file = tmp_path / "workers.csv"
    file.write_text(HEADER + "\n".join(lines) + "\n")
    call_command("import-workers", str(file))


def test_a_running_droplet_becomes_a_worker_with_a_life(running: Droplet, tmp_path: Path) -> None:
    worker_id = uuid4()
    line = f"{worker_id},secret-token,{running.provider_id}"
    import_lines(tmp_path, line)
    import_lines(tmp_path, line)
    worker = Worker.objects.get()
    assert (worker.pk, worker.state, worker.imported) == (
        worker_id,
        WorkerState.PROVISIONING,
        True,
    )
    assert "secret-token" not in worker.token_digest
    assert DropletLife.objects.get().hourly_price is not None


def test_one_wrong_line_and_nothing_is_imported(running: Droplet, tmp_path: Path) -> None:
    good = f"{uuid4()},secret-token,{running.provider_id}"
    bad = [f"{uuid4()},t,999999999", "no-uuid,t,1", f"{uuid4()},,1", f"{uuid4()},t,x"]
    for line in bad:
        with pytest.raises(CommandError, match="line 3"):
            import_lines(tmp_path, good, line)
    assert not Worker.objects.exists()


def test_a_droplet_is_imported_once(running: Droplet, tmp_path: Path) -> None:
    import_lines(tmp_path, f"{uuid4()},t,{running.provider_id}")
    with pytest.raises(CommandError, match="is a Worker already"):
        import_lines(tmp_path, f"{uuid4()},t,{running.provider_id}")


def test_a_wrong_header_says_what_it_should_be(tmp_path: Path) -> None:
    file = tmp_path / "workers.csv"
    file.write_text("id,token\n")
    with pytest.raises(CommandError, match="worker_id,access_token,droplet_id"):
        call_command("import-workers", str(file))
