"""A whole control plane on a real cluster: our own processes, PostgreSQL where there is one, a git
host that wants a token, and a namespace with an account of exactly the rights of ops/.

    def test_x(plane: Plane) -> None:
        task = plane.run(Project(name="x", dockerfile="FROM {busybox}\\nCOPY . /app\\n"))
        assert plane.wait_end(task)["category"] == "passed"
        plane.wait_gone(task)

`plane` is a fixture of the session: tests have to name their projects differently. In Dockerfile
and compose file `{busybox}` and `{base}` stand for the images of these names.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from sandbox.demo.rails import Rails
from sandbox.stack import Given, Options, Process, Stack
from sandbox.stack.real_cluster import RealCluster
from sandbox.stack.stack import ROOT
from tests import rails as github
from tests.cluster.agent_image import agent_image
from tests.cluster.base_image import base_image
from tests.cluster.builder_image import builder_image
from tests.cluster.elsewhere import (
    Elsewhere,
    cluster_kubeconfig,
    dns_policy,
    layout_of_the_cluster,
)
from tests.cluster.images import push_base_images
from tests.cluster.layout import Layout
from tests.cluster.plane_settings import JOBS, SETTINGS
from tests.cluster.repositories import PLACE, Project, Repository, make_repository
from tests.postgres import postgres_bin, throwaway_postgres

Json = dict[str, Any]
ENDED = ("passed", "failed", "errored", "cancelled")
SECONDS = 60.0
KINDS = ("jobs", "pods", "secrets", "configmaps")
TASK_LABEL = "switchyard/task"
TEST_COMMAND = f"{PLACE}/test"


@dataclass(frozen=True, kw_only=True)
class Plane:
    """`base` is an image with Python, git and a Debian around them; `busybox` a tiny one with a
    shell. Times are seconds."""

    stack: Stack
    cluster: RealCluster
    layout: Layout
    rails: Rails
    base: str

    @property
    def busybox(self) -> str:
        return self.layout.busybox_image

    @property
    def git_token(self) -> str:
        """What Rails gives for a clone."""
        return self.cluster.given.git_token

    # What Rails does --------------------------------------------------------------------------

    def repository(self, project: Project) -> Repository:
        named = replace(
            project,
            dockerfile=self.filled(project.dockerfile),
            compose=self.filled(project.compose),
        )
        return make_repository(self.cluster.repositories, self.cluster.git_url, named)

    def filled(self, text: str) -> str:
        return text.replace("{busybox}", self.busybox).replace("{base}", self.base)

    def send(
        self,
        repository: Repository,
        *,
        shards: int = 1,
        suite_run: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> list[str]:
        """The ids of the Tasks of a new suite run, in order; `fields` are each Task's,
        `suite_run` those of all together. They run `.saturnci/test` unless told otherwise."""
        project = repository.project
        task = {"command": TEST_COMMAND, "timeout_seconds": 300, **fields}
        body = {
            "account": "acme",
            "suite_run_id": f"{project.name}-{secrets.token_hex(4)}",
            "repository": f"acme/{project.name}",
            "commit": repository.commit,
            "branch": "main",
            "order_count": shards,
            "seed": 7,
            "project_name": project.name,
            "clone_url": repository.clone_url,
            "github_installation_id": 1,
            "compose_text": project.compose,
            "dockerfile_text": project.dockerfile,
            "tasks": [{"order_index": index, **task} for index in range(1, shards + 1)],
            **(suite_run or {}),
        }
        key = secrets.token_hex(8)
        return [made["id"] for made in self.rails.call("POST", "/suite_runs", body, key)["tasks"]]

    def run(self, project: Project, **fields: Any) -> str:
        """The id of one Task of a new repository."""
        (task,) = self.send(self.repository(project), **fields)
        return task

    def cancel(self, task: str) -> None:
        self.rails.call("POST", f"/tasks/{task}/cancel", {}, secrets.token_hex(8))

    @contextmanager
    def controller_with(self, **settings: str) -> Iterator[None]:
        """Another controller takes over for the length of a `with` block, with these settings."""
        first = self.stack.controller
        env = {**self.stack.env, **settings}
        command = [sys.executable, "manage.py", "controller"]
        log = first.log.with_name("controller-with.log")
        second = Process("controller", command, env, ROOT, log)
        try:
            self._change_controllers(second)
            yield
        finally:
            self._change_controllers(first)

    def _change_controllers(self, new: Process) -> None:
        self.stack.controller.stop()
        self.stack.controller = new
        new.start()

    # What Rails sees --------------------------------------------------------------------------

    def task(self, task: str) -> Json:
        """With its `attempts`."""
        found: Json = self.rails.call("GET", f"/tasks/{task}")
        return found

    def events(self, task: str) -> list[Json]:
        found: list[Json] = self.rails.call("GET", f"/tasks/{task}/events?limit=200")["events"]
        return found

    def streams(self, task: str) -> list[Json]:
        found: list[Json] = self.rails.call("GET", f"/tasks/{task}/logs")["streams"]
        return found

    def results(self, task: str) -> Json:
        found: Json = self.rails.call("GET", f"/tasks/{task}/results")
        return found

    def log(self, task: str, stream: str) -> bytes:
        """What is stored of it by now, of the newest attempt that has it; nothing where none has.
        What was cut out of it is passed over."""
        found = [one for one in self.streams(task) if one["name"] == stream]
        return b"".join(self._pieces(found[-1])) if found else b""

    def _pieces(self, stream: Json) -> Iterator[bytes]:
        offset = 0
        while offset < stream["length"]:
            url = f"{self.stack.url}{stream['url']}&offset={offset}"
            request = Request(url, headers={"Authorization": f"Bearer {self.rails.key}"})
            with urlopen(request, timeout=30) as answer:
                yield answer.read()
                offset = int(answer.headers["Log-Next-Offset"])

    def wait_end(self, task: str, seconds: float = SECONDS) -> Json:
        """The Task, once it has ended."""

        def end() -> Json | None:
            found = self.task(task)
            return found if found["state"] in ENDED else None

        found: Json = self.wait(end, seconds, lambda: self.story(task))
        return found

    def wait_event(self, task: str, kind: str, seconds: float = SECONDS) -> Json:
        """The first event of this kind, once it is there."""

        def first() -> Json | None:
            return next((event for event in self.events(task) if event["type"] == kind), None)

        found: Json = self.wait(first, seconds, lambda: self.story(task))
        return found

    def wait_log(self, task: str, stream: str, part: bytes, seconds: float = SECONDS) -> bytes:
        """The stream, once it has this in it."""

        def holding() -> bytes | None:
            found = self.log(task, stream)
            return found if part in found else None

        found: bytes = self.wait(holding, seconds, lambda: self.story(task))
        return found

    def secret_told(self, task: str, secret: str) -> list[str]:
        """The streams of a Task that have it in them."""
        told = {one["name"]: b"".join(self._pieces(one)) for one in self.streams(task)}
        return [name for name, said in told.items() if secret.encode() in said]

    # What the cluster holds -------------------------------------------------------------------

    def held(self, task: str) -> list[str]:
        """What there is of a Task in the cluster: `jobs/NAME`, `secrets/NAME` …"""
        return [
            f"{kind}/{item['metadata']['name']}"
            for kind in KINDS
            for item in self.cluster.items(kind)
            if (item["metadata"].get("labels") or {}).get(TASK_LABEL) == task
        ]

    def pods(self, task: str) -> list[Json]:
        return [
            pod
            for pod in self.cluster.items("pods")
            if pod["metadata"]["labels"].get(TASK_LABEL) == task
        ]

    def wait_gone(self, *tasks: str, seconds: float = SECONDS) -> None:
        """Until the cluster holds nothing of them any more."""
        left: list[str] = []

        def gone() -> bool:
            left[:] = [name for task in tasks for name in self.held(task)]
            return not left

        self.wait(gone, seconds, lambda: f"still there: {left}")

    # ------------------------------------------------------------------------------------------

    def wait(
        self, condition: Callable[[], Any], seconds: float, story: Callable[[], str] = str
    ) -> Any:
        """What it gives once that is true. Fails with the story when it is not in time."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            self.stack.check()
            assert time.monotonic() < deadline, f"not after {seconds:g} s: {story()}"
            time.sleep(0.2)
        return found

    def story(self, task: str) -> str:
        """All that could tell why a Task is not where it should be."""
        lines = [str(self.task(task))]
        lines += [f"{event['type']} {event['detail']}" for event in self.events(task)]
        for stream in self.streams(task):
            said = b"".join(self._pieces(stream))[-2000:].decode(errors="replace")
            lines.append(f"--- {stream['name']} of attempt {stream['attempt']}\n{said}")
        lines += [str(pod["status"]) for pod in self.pods(task)]
        lines.append(f"--- controller\n{self.stack.controller.tail()}")
        return "\n".join(lines)


@contextmanager
def running_plane(
    state: Path, settings: Mapping[str, str] | None = None, jobs: int = JOBS
) -> Iterator[Plane]:
    """One of its own, in a namespace of its own, with other settings where they are given. Raises
    ClusterError where something has to be said of the cluster first."""
    layout = layout_of_the_cluster()
    if isinstance(layout, Elsewhere):
        push_base_images(layout)
    with ExitStack() as around:
        upstream = around.enter_context(github.served())
        url = around.enter_context(throwaway_postgres()) if postgres_bin() else ""
        options = Options(
            state=state,
            database_url=url,
            web_workers=1,
            jobs=jobs,
            droplets=False,
            given=given(layout),
            settings={**SETTINGS, "SWITCHYARD_GITHUB_TOKEN_URL": upstream.url, **(settings or {})},
        )
        stack = Stack(options)
        around.callback(stack.stop)
        yield started(stack, layout)


def given(layout: Layout) -> Given:
    return Given(
        kubeconfig=cluster_kubeconfig(),
        address=layout.address,
        registry=f"{layout.registry}/switchyard",
        agent_image=agent_image(layout),
        builder_image=builder_image(layout),
        dns_policy=dns_policy(layout),
        git_token=github.TOKEN,
    )


def started(stack: Stack, layout: Layout) -> Plane:
    assert isinstance(stack.cluster, RealCluster)
    stack.prepare()
    rails = Rails(stack.url, stack.create_api_key(), {})
    stack.start()
    base = base_image(layout)
    return Plane(stack=stack, cluster=stack.cluster, layout=layout, rails=rails, base=base)
