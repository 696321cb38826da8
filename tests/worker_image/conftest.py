"""A control plane, real git repositories and agents as processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.samples import Sample, create_samples
from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane
from tests.worker_image.busyboxes import make_busybox
from tests.worker_image.control_plane import ControlPlane
from tests.worker_image.pods import Pod

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "worker_image" / "switchyard_agent"
WORKER_ID, TOKEN = "worker-1", "worker-access-token"
END_SECONDS = 25.0

GIT_ENV = {
    **{name: text for name, text in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_NAME": "T" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "t@example.com" for role in ("AUTHOR", "COMMITTER")},
}


@dataclass
class Agent:
    """An agent as a process. `work_dir` is where it makes its folder."""

    process: subprocess.Popen[str]
    work_dir: Path
    output: list[str] = field(default_factory=list)

    def end(self, seconds: float = END_SECONDS) -> int:
        """Waits for its end: the exit code."""
        text, _ = self.process.communicate(timeout=seconds)
        self.output.append(text)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def pid(self) -> int:
        return self.process.pid


StartAgent = Callable[..., Agent]


@pytest.fixture
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def start_agent(control_plane: ControlPlane, tmp_path: Path) -> Iterator[StartAgent]:
    """Starts agents against the control plane; what is left of them is killed at the end."""
    agents: list[Agent] = []

    def start(plane: ControlPlane = control_plane, **env: str) -> Agent:
        agents.append(launch(plane, tmp_path / f"work-{len(agents)}", **env))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


def launch(plane: ControlPlane, work_dir: Path, **env: str) -> Agent:
    settings = {
        "SATURNCI_API_HOST": plane.url,
        "WORKER_ID": WORKER_ID,
        "WORKER_ACCESS_TOKEN": TOKEN,
        "SWITCHYARD_POLL_SECONDS": "0.1",
        "SWITCHYARD_GRACE_SECONDS": "2",
        "SWITCHYARD_WORK_DIR": str(work_dir),
    }
    process = subprocess.Popen(
        [sys.executable, str(AGENT)],
        env={"PATH": os.environ["PATH"], **settings, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Agent(process=process, work_dir=work_dir)


@pytest.fixture
def plane() -> Iterator[AgentPlane]:
    with AgentPlane() as found:
        yield found


MakePod = Callable[..., Pod]


@pytest.fixture
def make_pod(plane: AgentPlane, tmp_path: Path) -> Iterator[MakePod]:
    """Makes pods for the plane's work order; what is left of them is killed at the end."""
    pods: list[Pod] = []
    (tmp_path / "machine").mkdir()
    busybox = make_busybox("machine", tmp_path / "machine")

    def make(plane: AgentPlane = plane, **facts: Any) -> Pod:
        pods.append(Pod(plane, tmp_path / f"pod-{len(pods)}", busybox, **facts))
        return pods[-1]

    yield make
    for pod in pods:
        (pod.ctl / "stop").touch()
        pod.end()


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return create_samples(tmp_path_factory.mktemp("samples"))


def item(clone_url: str, commit: str, **changes: Any) -> dict[str, Any]:
    """As the control plane hands one out; `changes` are for its own keys, or `switchyard`'s."""
    ours = {"clone_url": clone_url}
    for name in ("paths", "command", "test_files", "timeout_seconds", "log_cap_bytes"):
        if name in changes:
            ours[name] = changes.pop(name)
    return {
        "id": f"assignment-{uuid.uuid4()}",
        "run_id": "task-1",
        "task_id": "task-1",
        "run_order_index": 1,
        "test_suite_run_id": "suite-1",
        "project_name": "shop",
        "branch_name": "main",
        "number_of_concurrent_runs": 1,
        "commit_hash": commit,
        "rspec_seed": 42,
        "github_installation_id": "77",
        "github_repo_full_name": "acme/shop",
        "env_vars": {"SAMPLE_SECONDS": "0"},
        "switchyard": ours,
        **changes,
    }


def sample_item(sample: Sample, **changes: Any) -> dict[str, Any]:
    return item(sample.clone_url, sample.commit, **changes)


MakeRepository = Callable[[dict[str, str]], tuple[str, str]]


@pytest.fixture
def make_repository(tmp_path: Path) -> MakeRepository:
    """Makes a git repository of texts by path: its URL and its commit. Scripts are executable."""

    return lambda texts: make_git_repository(tmp_path / f"repository-{uuid.uuid4()}", texts)


def make_git_repository(folder: Path, texts: Mapping[str, str]) -> tuple[str, str]:
    for path, text in {"README.md": "A repository\n", **texts}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=Begin")
    return folder.as_uri(), git(folder, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=GIT_ENV,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout.strip()


def lives(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for_pids(file: Path, count: int) -> list[int]:
    """The process ids that a command writes into `file`, one a line."""
    wait_until(lambda: file.exists() and len(file.read_text().splitlines()) >= count)
    return [int(line) for line in file.read_text().splitlines()]


def trailer(plane: ControlPlane) -> str:
    """The exit code that the log of the tests ends with."""
    pattern = r'\nScript done on [0-9: +-]+ \[COMMAND_EXIT_CODE="(\d+)"\]\n\Z'
    found = re.search(pattern, plane.text("test_output"))
    assert found, plane.text("test_output")
    return found[1]
