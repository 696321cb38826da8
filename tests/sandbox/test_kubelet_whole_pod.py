"""The pod of the manifest builder, whole, on the sandbox's node.

A few lines of shell do what the contract (kube/README.md) says of the agent's programs;
test_kubelet_samples.py has those programs themselves.
"""

import subprocess
from pathlib import Path

import pytest

from tests.sandbox.kubelet_cluster import Cluster, RunningPod
from tests.sandbox.whole_pods import only_job, start_job
from tests.waiting import wait_until
from tests.worker_image.conftest import GIT_ENV

DOCKERFILE = """\
FROM ruby:3.3
WORKDIR /app
COPY . .
RUN mkdir modules && echo built > modules/built && echo "$USER" > user
ENTRYPOINT ["/app/entry.sh"]
"""
COMPOSE = """\
services:
  saturn_test_app:
    build: {context: .., dockerfile: .saturnci/Dockerfile}
    depends_on: {my_db: {condition: service_healthy}}
    environment: {DATABASE_HOST: my_db, RAILS_ENV: test}
    volumes:
      - ../:/app
      - ./database.yml:/app/config/database.yml:ro
      - modules:/app/modules
  my_db:
    image: postgres:17
    healthcheck: {test: [CMD, pg_isready], interval: 1s}
volumes:
  modules:
"""
FILES = {
    ".saturnci/Dockerfile": DOCKERFILE,
    ".saturnci/docker-compose.yml": COMPOSE,
    ".saturnci/database.yml": "host: my_db\n",
    "config/database.yml": "host: wrong\n",
    "spec/a_spec.rb": "a spec\n",
    ".dockerignore": "spec\n",
}
TOOLS = 'cp -L /opt/switchyard/busybox /opt/switchyard/wrapper "$SWITCHYARD_BIN_DIR"'
AGENT = """\
trap 'exit 0' TERM
until [ -e "$SWITCHYARD_OUT_DIR/ready" ]; do
  [ -e "$SWITCHYARD_CTL_DIR/claimed" ] || touch "$SWITCHYARD_CTL_DIR/claimed"
  sleep 0.05
done
cat > "$SWITCHYARD_CTL_DIR/part" <<'END'
cat config/database.yml spec/a_spec.rb modules/built
echo "$RAILS_ENV" > "$SWITCHYARD_OUT_DIR/result"
basename "$PWD"
exit 3
END
mv "$SWITCHYARD_CTL_DIR/part" "$SWITCHYARD_CTL_DIR/step-1.sh"
until [ -e "$SWITCHYARD_OUT_DIR/1.rc" ]; do sleep 0.05; done
cat "$SWITCHYARD_OUT_DIR/1.log" "$SWITCHYARD_OUT_DIR/1.rc" "$SWITCHYARD_OUT_DIR/result"
touch "$SWITCHYARD_CTL_DIR/quit"
while :; do sleep 0.05; done
"""
CLONE = """\
until [ -e "$SWITCHYARD_CTL_DIR/claimed" ]; do sleep 0.05; done
cd "$SWITCHYARD_CHECKOUT_DIR" && git init -q . && git fetch -q "$SWITCHYARD_CLONE_URL" &&
  git checkout -q "$SWITCHYARD_COMMIT"
"""


@pytest.fixture
def repository(tmp_path: Path) -> tuple[str, str]:
    """Its URL and commit."""
    folder = tmp_path / "repository"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for command in ("init -q", "add -A -f", "commit -q -m Begin"):
        subprocess.run(["git", *command.split()], cwd=folder, env=GIT_ENV, check=True, timeout=30)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, env=GIT_ENV, check=True, timeout=30,
        capture_output=True, text=True,
    )  # fmt: skip
    return folder.as_uri(), head.stdout.strip()


def start(cluster: Cluster, repository: tuple[str, str], agent: str = AGENT) -> RunningPod:
    """Without a control plane: shell stands for our own programs."""
    scripts = {"tools": TOOLS, "agent": agent, "clone": CLONE}
    return start_job(cluster, repository, (COMPOSE, DOCKERFILE), scripts=scripts)


def test_a_whole_pod_clones_builds_serves_and_runs_its_steps(
    cluster: Cluster, repository: tuple[str, str]
) -> None:
    pod = start(cluster, repository)
    status = pod.wait_end("Succeeded")
    assert pod.log("agent") == "host: my_db\na spec\nbuilt\napp\n3\ntest\n"
    names = [c["name"] for c in status["initContainerStatuses"]]
    assert names == ["tools", "agent", "clone", "kaniko", "my-db", "seed-test"]
    assert {c["state"]["terminated"]["exitCode"] for c in status["initContainerStatuses"]} == {0}
    built = pod.container("kaniko")["state"]["terminated"]["message"]
    assert f"Pushed {cluster.registry_host}/acme/{cluster.namespace}@sha256:" in built
    image_id = pod.container("test")["imageID"]
    assert image_id.startswith(f"{cluster.registry_host}/acme/{cluster.namespace}@sha256:")
    wait_until(lambda: only_job(cluster)["status"].get("succeeded") == 1)
    order = [m.rpartition(" ")[2] for r, m in pod.events() if r == "Started"]
    assert order == [*names, "test"]
    stopped = [m.rpartition(" ")[2] for r, m in pod.events() if r == "Killing"]
    assert stopped == ["my-db", "agent"]


def test_a_build_that_fails_ends_the_pod_and_the_agent_last(
    cluster: Cluster, repository: tuple[str, str]
) -> None:
    cluster.faults({"kind": "crash", "container": "kaniko", "exit_code": 9})
    pod = start(cluster, repository)
    status = pod.wait_end("Failed")
    assert pod.exit_code("kaniko") == 9 and pod.exit_code("agent") == 0
    assert pod.reason("test") == "PodInitializing"
    assert status.get("reason") is None
    wait_until(lambda: only_job(cluster)["status"].get("failed") == 1)


def test_memory_that_runs_out_in_a_step_is_seen_by_the_wrapper_and_the_kubelet(
    cluster: Cluster, repository: tuple[str, str]
) -> None:
    with_sleep = AGENT.replace("exit 3", "sleep 600 &\necho sleeps\nwait $!\nexit 3").replace(
        'cat "$SWITCHYARD_OUT_DIR/1.log"', 'cat "$SWITCHYARD_OUT_DIR/1.oom"'
    )
    pod = start(cluster, repository, agent=with_sleep)
    log = pod.folder / "volumes" / "out" / "1.log"
    wait_until(lambda: log.exists() and "sleeps" in log.read_text(), 60)
    order = {"namespace": cluster.namespace, "pod": pod.name, "container": "test", "child": True}
    assert cluster.order("oom", **order).status_code == 202
    pod.wait_end("Succeeded")  # the wrapper lives on, and so does its exit code
    assert pod.reason("test") == "OOMKilled"
    assert pod.log("agent") == "1\n3\ntest\n"
