"""What a compose file asks for reaches the tests of a pod: from the planner over the manifest to
our own programs on the sandbox's node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.kubelet_cluster import Cluster
from tests.sandbox.whole_pods import start_job
from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.conftest import make_git_repository

DOCKERFILE = """\
FROM ruby:3.3
WORKDIR /app
COPY . .
RUN mkdir -p tmp && cp config/database.yml built.yml && chmod +x enter other
ENTRYPOINT ["/app/enter"]
"""
COMPOSE = """\
services:
  saturn_test_app:
    build: {context: .., dockerfile: .saturnci/Dockerfile}
    env_file:
      - path: ../raw.env
        format: raw
      - .env
      - ./app.env
      - path: ./missing.env
        required: false
    environment: {SET: compose}
    volumes:
      - ../shared:/app/shared
      - ../shared/one:/app/only:ro
      - ./message:/app/tmp/message:ro
"""
ENTER = '#!/bin/sh\necho "NAME for $1"\nexec "$@"\n'
TEXTS = {
    ".saturnci/Dockerfile": DOCKERFILE,
    ".saturnci/docker-compose.yml": COMPOSE,
    ".saturnci/app.env": 'SET=file\nGREETING="hello $WHO"\nWHO=file\n',
    ".saturnci/message": "a message\n",
    ".saturnci/database.yml": "host: kept\n",
    ".dockerignore": "shared\n",
    "config/database.yml": "host: usual\n",
    "raw.env": "RAW='as it stands' $WHO\nWHO=raw\n",
    "shared/one/file": "one\n",
    "enter": ENTER.replace("NAME", "entered"),
    "other": ENTER.replace("NAME", "other"),
}
COMMAND = """
cat config/database.yml built.yml shared/one/file only/file tmp/message
echo "$SET|$GREETING|$WHO|$RAW"
echo written > shared/new
cat shared/new
"""
SAID = """\
host: kept
host: kept
one
one
a message
compose|hello task|file|'as it stands' $WHO
written
"""


@pytest.fixture
def repository(tmp_path: Path) -> tuple[str, str]:
    return make_git_repository(tmp_path / "repository", TEXTS)


@pytest.fixture
def plane(repository: tuple[str, str]) -> Iterator[AgentPlane]:
    found = AgentPlane(order=work_order(*repository, command=COMMAND))
    found.start()
    yield found
    found.stop()


@pytest.mark.parametrize(
    ("keys", "entered"),
    [
        ("", "entered for /bin/sh\n"),
        ("    entrypoint: [./other]\n", "other for /bin/sh\n"),
        ("    entrypoint: []\n", ""),
    ],
)
def test_entrypoint_env_files_and_binds_reach_the_tests(
    cluster: Cluster, repository: tuple[str, str], plane: AgentPlane, keys: str, entered: str
) -> None:
    pod = start_job(
        cluster, repository, (COMPOSE + keys, DOCKERFILE), plane=plane, variables={"WHO": "task"}
    )
    pod.wait_end("Succeeded")
    assert plane.text("test") == entered + SAID
    mounts = {m["mountPath"]: m for m in pod.get()["spec"]["containers"][0]["volumeMounts"]}
    assert "readOnly" not in mounts["/app/shared"]
    assert mounts["/app/only"] | {"readOnly": True, "subPath": "shared/one"} == mounts["/app/only"]
    assert mounts["/app/tmp/message"]["subPath"] == ".saturnci/message"


def test_an_env_file_that_is_missing_fails_as_the_services_and_says_what_to_do(
    cluster: Cluster, repository: tuple[str, str], plane: AgentPlane
) -> None:
    compose = COMPOSE.replace("./app.env", "./forgotten.env")
    pod = start_job(cluster, repository, (compose, DOCKERFILE), plane=plane)
    pod.wait_end("Succeeded")
    detail = plane.only("events service_failed").json["detail"]
    assert detail.startswith("env_file .saturnci/forgotten.env of the service saturn_test_app")
    assert detail.endswith("commit it, or say `required: false`")
    assert plane.only("finish").json["exit_code"] is None and not plane.has("results")


def test_tests_that_never_end_are_over_at_the_tasks_timeout_and_so_is_the_pod(
    cluster: Cluster, repository: tuple[str, str], plane: AgentPlane
) -> None:
    plane.order |= {"command": "sleep 3600", "timeout_seconds": 15}
    pod = start_job(cluster, repository, (COMPOSE, DOCKERFILE), plane=plane)
    pod.wait_end("Succeeded")
    said = "the Task's timeout is over: 15 seconds from the claim"
    assert plane.only("events timed_out").json["detail"] == said
    assert plane.only("finish").json["exit_code"] is None and not plane.has("results")
    wait_until(lambda: not pod.pids())


def test_an_agent_whose_container_is_started_again_in_mid_run_goes_on(
    cluster: Cluster, repository: tuple[str, str], plane: AgentPlane
) -> None:
    """In the same pod, so it is the same instance: nothing is told or sent twice."""
    plane.order["command"] = "echo one; until [ -e shared/go ]; do sleep 0.1; done; echo two"
    pod = start_job(cluster, repository, (COMPOSE, DOCKERFILE), plane=plane)
    pod.wait(lambda: plane.text("test").endswith("one\n"))
    order = {"namespace": cluster.namespace, "pod": pod.name, "container": "agent"}
    assert cluster.order("oom", **order).status_code == 202
    pod.wait(lambda: pod.container("agent").get("restartCount", 0) >= 1)
    (pod.folder / "volumes" / "checkout" / "shared" / "go").touch()
    pod.wait_end("Succeeded")
    assert plane.text("test") == "entered for /bin/sh\none\ntwo\n"
    assert "The agent was started again and goes on\n" in plane.text("system")
    assert {call.json["instance"] for call in plane.named("claim")} == {pod.uid}
    assert len(plane.named("claim")) >= 2 and len(plane.named("finish")) == 1
    assert plane.only("finish").json["exit_code"] == 0
