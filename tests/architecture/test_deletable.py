"""`droplets/` is deletable: on a copy of the tree, with a database that holds droplet history, the
folder and its line in the settings are taken away; the rest starts, migrates, shows that history
and passes its own tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import SourceTree

ROOT = Path(__file__).resolve().parent.parent.parent
LINE = '    "droplets": "droplets.entry.ENTRY",\n'
GOES_WITH_IT = ("droplets", "tests/droplets", "tests/crash", "tests/bench")
SECONDS = 600

LEAVE_HISTORY = """
from datetime import timedelta
from django.utils import timezone
from dispatch.models import Assignment, DropletLife
from tests.droplets.factories import make_worker
from tests.factories import make_assignment, make_suite_run
from django.contrib.auth.models import User

User.objects.create_user("kim", password="not-a-secret", is_staff=True)
worker = make_worker(name="switchyard-default-old", ready_at=timezone.now())
now = timezone.now()
DropletLife.objects.create(worker_id=worker.pk, name=worker.name, provider_id="7", size="s-1",
    hourly_price="0.07143", created_at=now - timedelta(hours=1), destroyed_at=now)
from droplets.dispatcher import claim
run = make_suite_run(suite_run_id="from-the-droplet-days")
ended, running, waiting = (make_assignment(run) for _ in range(3))
assert claim(ended)
ended.refresh_from_db()
ended.claim("boot-1")
ended.close("passed")
make_worker(ready_at=now)
assert claim(running)
print(ended.task_id)
"""

LOOK_AT_HISTORY = """
import sys
from datetime import timedelta
from django.test import Client
from django.utils import timezone
from dispatch.comparison import summary
from dispatch.models import DropletLife, Task
from dispatch.placement import rehome

task = Task.objects.get(pk=sys.argv[1])
client = Client(SERVER_NAME="localhost")
assert client.login(username="kim", password="not-a-secret")
PAGES = ("/", "/tasks/", f"/tasks/{task.pk}/", "/rollout/", "/comparison/", "/readiness/")
for path in (*PAGES, "/readyz", "/metrics"):
    answer = client.get(path, follow=True)
    assert answer.status_code == 200, (path, answer.status_code)
page = client.get(f"/tasks/{task.pk}/", follow=True).content.decode()
assert "from-the-droplet-days" in page and "droplets" in page
assert client.get("/droplets/", follow=True).status_code == 404
now = timezone.now()
(row,) = [one for one in summary(now - timedelta(days=1), now + timedelta(1)) if one.tasks]
assert (row.backend, row.passed) == ("droplets", 1) and row.cost and row.cost.total > 0
rehome()
task.delete()
assert DropletLife.objects.exists()
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    """The environment of a database that this tree has filled, and a Task that ended there."""
    database = tmp_path_factory.mktemp("history") / "switchyard.sqlite3"
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{database}?synchronous=OFF"}
    env |= {"SWITCHYARD_SECRET_KEY": "only-for-tests", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    run(ROOT, env, "manage.py", "migrate", "--verbosity", "0")
    return env, run(
        ROOT, env, "manage.py", "shell", "--verbosity", "0", "-c", LEAVE_HISTORY
    ).strip()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree without the folder, its tests, and its line."""
    target = tmp_path_factory.mktemp("copy")
    for file in SourceTree.read(ROOT).files:
        if not file.as_posix().startswith(tuple(f"{name}/" for name in GOES_WITH_IT)):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, target / file)
    settings = target / "controlplane" / "settings.py"
    text = settings.read_text()
    assert text.count(LINE) == 1, "exactly one line names the backend"
    settings.write_text(text.replace(LINE, ""))
    return target


def run(folder: Path, env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_the_rest_starts_migrates_and_shows_the_history(
    history: tuple[dict[str, str], str], copy: Path
) -> None:
    env, task = history
    run(copy, env, "manage.py", "check")
    run(copy, env, "manage.py", "makemigrations", "--check", "--dry-run")
    run(copy, env, "manage.py", "migrate", "--verbosity", "0")
    script = LOOK_AT_HISTORY.replace("sys.argv[1]", repr(task))
    run(copy, env, "manage.py", "shell", "--verbosity", "0", "-c", script)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_the_rest_passes_its_own_tests(copy: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    env.pop("DATABASE_URL", None)
    own = ("tests/dispatch", "tests/contract", "tests/controlplane")
    wanted = ("-m", "not browser and not slow", "-p", "no:cacheprovider", "-q", "-x")
    out = run(copy, env, "-m", "pytest", *own, *wanted)
    assert " passed" in out
