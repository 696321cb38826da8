"""A pod of kube/README.md as processes of this machine: agent, clone, and the tests' container.

The kubelet's part is played by the tests: they say when a container starts. There is no builder:
what it leaves behind is written by the tests, and an image is a copy of the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.waiting import wait_until
from tests.worker_image.agent_plane import ASSIGNMENT_ID, TOKEN, AgentPlane

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "worker_image" / "switchyard_agent"
FOLDERS = ("bin", "ctl", "out", "steps", "checkout", "work")
END_SECONDS = 40.0


class Container:
    """One container as a process; its output is kept in a file."""

    def __init__(self, argv: list[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv, env=dict(env), cwd=cwd, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text()

    def end(self, seconds: float = END_SECONDS) -> int:
        return self.process.wait(seconds)

    def terminate(self, seconds: float = END_SECONDS) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.end(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Pod:
    """`variables` are the Task's own. `settings` go to the agent and to clone."""

    def __init__(
        self,
        plane: AgentPlane,
        folder: Path,
        busybox: Path,
        *,
        variables: Mapping[str, str] | None = None,
        plan: Mapping[str, Any] | None = None,
        instance: str = "pod-1",
        **settings: str,
    ) -> None:
        self.plane, self.folder, self.busybox = plane, folder, busybox
        self.variables, self.instance, self.settings = dict(variables or {}), instance, settings
        self.containers: list[Container] = []
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        self.image = folder / "image"
        (folder / "token").write_text(TOKEN)
        (folder / "env").write_text(json.dumps(self.variables))
        (folder / "plan.json").write_text(json.dumps({"version": 1, **(plan or {})}))

    def __getattr__(self, name: str) -> Path:
        if name in FOLDERS:
            return self.folder / name
        raise AttributeError(name)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.work),
            "TMPDIR": str(self.work),
            "SWITCHYARD_CONTROL_PLANE_URL": self.plane.url,
            "SWITCHYARD_ASSIGNMENT_ID": ASSIGNMENT_ID,
            "SWITCHYARD_TASK_ID": "task-1",
            "SWITCHYARD_TOKEN_FILE": str(self.folder / "token"),
            "SWITCHYARD_LOOK_SECONDS": "0.02",
            **{f"SWITCHYARD_{name.upper()}_DIR": str(self.folder / name) for name in FOLDERS},
        }

    def start_agent(self, **more: str) -> Container:
        env = {
            **self.environment(),
            "SWITCHYARD_INSTANCE": self.instance,
            "SWITCHYARD_ENV_FILE": str(self.folder / "env"),
            "SWITCHYARD_PLAN_FILE": str(self.folder / "plan.json"),
            "SWITCHYARD_GRACE_SECONDS": "30",
            "SWITCHYARD_HEARTBEAT_SECONDS": "0.1",
            "SWITCHYARD_LOG_SECONDS": "0.05",
            **self.settings,
            **more,
        }
        return self._start("agent", [sys.executable, str(AGENT), "job"], env, self.work)

    def start_clone(self, **more: str) -> Container:
        env = {
            **self.environment(),
            "SWITCHYARD_CLONE_URL": self.plane.order["clone_url"],
            "SWITCHYARD_COMMIT": self.plane.order["commit"],
            **self.settings,
            **more,
        }
        return self._start("clone", [sys.executable, str(AGENT), "clone"], env, self.steps)

    def start_tests(
        self, workdir: Path | None = None, run_line: str = "", **more: str
    ) -> Container:
        """In the given folder, or in an image that the whole checkout was copied into, and then
        the command was run in."""
        if workdir is None and not self.image.exists():
            shutil.copytree(self.checkout, self.image, symlinks=True)
            subprocess.run(["sh", "-ec", run_line], cwd=self.image, check=True, timeout=20)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SWITCHYARD_BUSYBOX": str(self.busybox),
            **{
                f"SWITCHYARD_{name.upper()}_DIR": str(self.folder / name)
                for name in ("bin", "ctl", "out")
            },
            **self.variables,
            **more,
        }
        wrapper = ROOT / "worker_image" / "wrapper"
        argv = [str(self.busybox), "sh", str(wrapper)]
        return self._start("test", argv, env, workdir or self.image)

    def run(self, **more: Any) -> Container:
        """The whole life of a pod that needs no build: the agent, which has left."""
        agent = self.start_agent()
        assert self.start_clone().end() == 0, self.containers[-1].output()
        tests = self.start_tests(**more)
        self.finish(agent, tests)
        return agent

    def finish(self, agent: Container, tests: Container) -> None:
        """Everything is uploaded; the kubelet ends the sidecar when the tests' container has."""
        assert tests.end() == 0, agent.output()
        assert agent.terminate() == 0, agent.output()

    def build(self, log: str, code: int = 0, digest: str = "") -> None:
        """What a builder leaves behind."""
        (self.steps / "build.log").write_text(log)
        if digest:
            (self.steps / "digest").write_text(digest)
        self.write("build.rc", f"{code}\n")

    def write(self, name: str, text: str) -> None:
        draft = self.steps / f"{name}.part"
        draft.write_text(text)
        draft.rename(self.steps / name)

    def wait_for(self, *names: str) -> None:
        """Files of the pod, as in `ctl/claimed`."""
        wait_until(lambda: all((self.folder / name).exists() for name in names))

    def end(self) -> None:
        for container in self.containers:
            container.kill()

    def _start(self, name: str, argv: list[str], env: Mapping[str, str], cwd: Path) -> Container:
        container = Container(argv, env, cwd, self.folder / f"{name}.output")
        self.containers.append(container)
        return container
