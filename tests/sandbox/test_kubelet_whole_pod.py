"""The pod of the manifest builder, whole, on the sandbox's node.

First a few lines of shell do what the contract (kube/README.md) says of the agent's programs, then
those programs themselves, against a control plane that only records what it is told.
"""

import subprocess
from pathlib import Path

import pytest

from kube.manifest.job import manifests
from sandbox import samples
from sandbox.samples import create_samples
from tests.kube.making import make_plan, make_request, make_settings
from tests.sandbox.kubelet_cluster import Cluster, Json, RunningPod
from tests.waiting import wait_until
from tests.worker_image.agent_plane import ASSIGNMENT_ID, TOKEN, AgentPlane, work_order
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


def start(
    cluster: Cluster,
    repository: tuple[str, str],
    *,
    agent: str = AGENT,
    plane: AgentPlane | None = None,
    texts: tuple[str, str] = (COMPOSE, DOCKERFILE),
) -> RunningPod:
    """Makes the Job and what belongs to it. Without a control plane, shell stands for our own
    programs."""
    url, commit = repository
    wanted = make_request(
        clone_url=url,
        commit=commit,
        image=f"{cluster.registry_host}/acme/{cluster.namespace}:key",
        cache_repository=f"{cluster.registry_host}/acme/shop/cache",
        assignment_id=ASSIGNMENT_ID,
        token=TOKEN,
    )
    settings = make_settings(
        namespace=cluster.namespace,
        registry_insecure=True,
        control_plane_url=plane.url if plane else "http://127.0.0.1:9",
    )
    found = manifests(make_plan(*texts), wanted, settings)
    job = found.job
    job["spec"]["suspend"] = False
    ours = {} if plane else {"tools": TOOLS, "agent": agent, "clone": CLONE}
    for container in job["spec"]["template"]["spec"]["initContainers"]:
        if script := ours.get(container["name"]):
            container["command"] = ["sh", "-c", script]
    made = cluster.api.post(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs", job)
    for item in found.dependents(made["metadata"]["uid"]):
        cluster.api.post(f"{cluster.path}/{item['kind'].lower()}s", item)
    return find_pod(cluster)


def find_pod(cluster: Cluster) -> RunningPod:
    def pods() -> list[Json]:
        return list(cluster.api.get(f"{cluster.path}/pods")["items"])

    wait_until(pods)
    about = pods()[0]["metadata"]
    return RunningPod(cluster=cluster, name=about["name"], uid=about["uid"])


def job_of(cluster: Cluster) -> Json:
    found = cluster.api.get(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs")["items"]
    return dict(found[0])


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
    wait_until(lambda: job_of(cluster)["status"].get("succeeded") == 1)
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
    wait_until(lambda: job_of(cluster)["status"].get("failed") == 1)


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


@pytest.mark.parametrize(
    ("name", "exit_code", "phase"),
    [("passing", 0, "Succeeded"), ("failing", 1, "Succeeded"), ("unbuildable", None, "Failed")],
)
def test_our_own_programs_carry_out_a_sample(
    cluster: Cluster, tmp_path: Path, name: str, exit_code: int | None, phase: str
) -> None:
    sample = create_samples(tmp_path)[name]
    broken = name == "unbuildable"
    dockerfile = samples.BROKEN_DOCKERFILE if broken else samples.DOCKERFILE
    plane = AgentPlane(order=work_order(sample.clone_url, sample.commit))
    plane.start()
    try:
        pod = start(
            cluster,
            (sample.clone_url, sample.commit),
            plane=plane,
            texts=(samples.COMPOSE_FILE, dockerfile),
        )
        pod.wait_end(phase)
        assert plane.only("claim").json["instance"] == pod.uid
        assert plane.only("finish").json["exit_code"] == exit_code
        assert ("tests_finished" in plane.events()) is not broken
        if broken:
            assert "requirements-that-nobody-wrote.txt" in plane.text("build")
    finally:
        plane.stop()
