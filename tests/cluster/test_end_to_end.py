"""The way of a Task on a real cluster, from Rails' call until nothing of it is left."""

import urllib.error
import urllib.request

import pytest

from tests.cluster.elsewhere import cluster_kubeconfig
from tests.cluster.plane import Plane
from tests.cluster.repositories import Project, compose_with
from tests.conformance.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

SERVICES = """\
    depends_on:
      web_page: {condition: service_healthy}
    environment:
      PAGE: http://web_page:8080/index.html
"""
WEB_PAGE = """\
  web_page:
    image: {busybox}
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        mkdir /www && echo served >/www/index.html
        httpd -p 8080 -h /www && echo it serves
        while :; do sleep 1 & wait; done
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/index.html"]
      interval: 1s
"""
# Writes a line, then waits until somebody has seen it: the second half runs when it is told to.
TEST = """\
#!/usr/bin/env python3
import os, pathlib, time, urllib.request

print("the first line", flush=True)
said = urllib.request.urlopen(os.environ["PAGE"], timeout=10).read().decode().strip()
built = pathlib.Path("/app/built").read_text().strip()
time.sleep(float(os.environ["PAUSE"]))
print("the last line", flush=True)
pathlib.Path(os.environ["SWITCHYARD_RESULTS"]).with_name("junit.xml").write_text(f'''\\
<testsuite name="s" tests="2" failures="0" errors="0" time="0.1">
<testcase classname="page" name="{said}" time="0.1"/>
<testcase classname="image" name="{built}" time="0.1"/>
</testsuite>
''')
"""


def test_a_task_is_cloned_built_tested_beside_its_service_and_leaves_nothing(plane: Plane) -> None:
    project = Project(
        name="whole",
        dockerfile="FROM {base}\nWORKDIR /app\nCOPY . .\nRUN echo baked > built\n",
        test=TEST,
        compose=compose_with(SERVICES, WEB_PAGE),
    )
    task = plane.run(project, env_vars={"PAUSE": "4"})
    early = plane.wait_log(task, "test", b"the first line")
    assert b"the last line" not in early
    assert plane.task(task)["state"] == "running"
    ended = plane.wait_end(task)
    assert (ended["state"], ended["category"]) == ("passed", "passed"), plane.story(task)
    assert b"the last line" in plane.log(task, "test")
    found = plane.results(task)
    names = {example["description"] for example in found["examples"]}
    assert names == {"page served", "image baked"} and found["summary"]["example_count"] == 2
    plane.wait_log(task, "service-web-page", b"it serves\n")
    assert plane.secret_told(task, plane.git_token) == []
    plane.wait_gone(task)


def test_nobody_clones_without_the_token_that_rails_gives(plane: Plane) -> None:
    repository = plane.repository(Project(name="guarded", dockerfile="FROM {busybox}\n"))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{repository.clone_url}/info/refs?service=git-upload-pack")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/apis/batch/v1/namespaces/{namespace}/jobs", 200),
        ("GET", "/api/v1/namespaces/{namespace}/pods", 200),
        ("GET", "/api/v1/nodes", 200),
        ("GET", "/api/v1/namespaces/{namespace}/secrets", 403),
        ("POST", "/api/v1/namespaces/{namespace}/pods", 403),
        ("GET", "/apis/batch/v1/namespaces/default/jobs", 403),
        ("GET", "/api/v1/namespaces", 403),
    ],
)
def test_the_controller_may_do_what_its_role_says_and_no_more(
    plane: Plane, method: str, path: str, status: int
) -> None:
    account = Cluster.of(plane.cluster.kubeconfig)
    body = {"metadata": {"name": "x"}} if method == "POST" else None
    answer = account.call(method, path.format(namespace=plane.cluster.namespace), body)
    assert answer.status == status, answer


def test_its_namespace_enforces_pod_security_baseline(plane: Plane) -> None:
    place = f"/api/v1/namespaces/{plane.cluster.namespace}/pods"
    container = {
        "name": "x",
        "image": plane.busybox,
        "securityContext": {"privileged": True},
        "resources": {"requests": {"ephemeral-storage": "1Mi"}},
    }
    pod = {"metadata": {"name": "privileged"}, "spec": {"containers": [container]}}
    answer = Cluster.of(cluster_kubeconfig()).call("POST", place, pod)
    assert answer.status == 403 and "violates PodSecurity" in answer.message
