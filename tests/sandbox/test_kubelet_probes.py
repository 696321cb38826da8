"""Probes of real programs, and of services that stand in for them."""

import socket
from typing import Any

import pytest

from tests.sandbox.kubelet_cluster import Cluster, shell

STAYS = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
MOUNT: dict[str, Any] = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
SHARED: dict[str, Any] = {"volumes": [{"name": "shared", "emptyDir": {}}]}
SERVER = """
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer((os.environ["IP"], 0), Handler)
open("/shared/port.draft", "w").write(str(server.server_port))
os.rename("/shared/port.draft", "/shared/port")
server.serve_forever()
"""


def test_a_pod_is_ready_while_its_readiness_probe_succeeds(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "-e", "/shared/ok"]}, "periodSeconds": 1}
    pod = cluster.run(**SHARED, containers=[shell(STAYS, readinessProbe=probe, **MOUNT)])
    pod.wait_event("Unhealthy", "Readiness probe failed")
    assert pod.condition("Ready")["message"] == "containers with unready status: [main]"
    flag = pod.folder / "volumes" / "shared" / "ok"
    flag.touch()
    pod.wait(lambda: pod.condition("Ready")["status"] == "True")
    flag.unlink()
    pod.wait(lambda: pod.condition("Ready")["status"] == "False")
    assert pod.container("main")["restartCount"] == 0


def test_a_sidecar_whose_liveness_probe_fails_is_started_again(cluster: Cluster) -> None:
    probe = {
        "exec": {"command": ["sh", "-c", "echo not well; exit 1"]},
        "periodSeconds": 1,
        "failureThreshold": 2,
        "terminationGracePeriodSeconds": 3,
    }
    pod = cluster.run(
        initContainers=[{**shell(STAYS, "agent", livenessProbe=probe), "restartPolicy": "Always"}],
        containers=[shell(STAYS)],
    )
    pod.wait_event("Unhealthy", "Liveness probe failed: not well")
    pod.wait_event("Killing", "Container agent failed liveness probe, will be restarted")
    pod.wait(lambda: pod.container("agent")["restartCount"] >= 1)
    assert pod.runs("main")


def test_a_startup_probe_that_never_succeeds_ends_the_container(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 3}
    pod = cluster.run(containers=[shell(STAYS, startupProbe=probe)])
    pod.wait_end("Succeeded")  # it left with 0 when it was asked to
    assert any(reason == "Killing" and "startup probe" in text for reason, text in pod.events())


def test_a_probe_command_that_takes_too_long_has_failed(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["sleep", "30"]}, "periodSeconds": 1, "timeoutSeconds": 1}
    pod = cluster.run(containers=[shell(STAYS, readinessProbe=probe)])
    pod.wait_event("Unhealthy", "timed out after 1s")


@pytest.mark.parametrize("action", ["httpGet", "tcpSocket"])
def test_a_server_is_asked_at_the_pods_address(cluster: Cluster, action: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = {"path": "/well", "port": "web"} if action == "httpGet" else {"port": port}
    script = SERVER.replace('"], 0)', f'"], {port})')
    container = {
        "name": "main",
        "image": "busybox",
        "command": ["python3", "-c", script],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "web", "containerPort": port}],
        "readinessProbe": {action: more, "periodSeconds": 1},
        **MOUNT,
    }
    pod = cluster.run(**SHARED, containers=[container])
    pod.wait_event("Unhealthy", "connection refused")
    pod.wait(lambda: pod.condition("Ready").get("status") == "True")


def test_a_service_obeys_its_probe_once_it_has_started_up(cluster: Cluster) -> None:
    cluster.faults({"kind": "slow_service", "container": "db", "seconds": 100})
    command = ["pg_isready", "-U", "postgres"]
    probe = {"exec": {"command": command}, "periodSeconds": 1, "failureThreshold": 600}
    service = {"name": "db", "image": "postgres:16", "startupProbe": probe}
    pod = cluster.run(
        initContainers=[{**service, "restartPolicy": "Always"}],
        containers=[shell("true")],
    )
    pod.wait_event("Unhealthy", "the stand-in has not started up yet")
    pod.wait_end("Succeeded")
    assert pod.log("db") == "stand-in for postgres:16\nstopping\n"


def test_a_service_may_be_told_never_to_get_well(cluster: Cluster) -> None:
    cluster.faults({"kind": "never_ready", "container": "db"})
    probe = {"exec": {"command": ["pg_isready"]}, "periodSeconds": 1, "failureThreshold": 2}
    pod = cluster.run(
        initContainers=[
            {"name": "db", "image": "postgres", "startupProbe": probe, "restartPolicy": "Always"}
        ],
        containers=[shell("true")],
    )
    pod.wait(lambda: pod.container("db").get("restartCount", 0) >= 1)
    assert pod.phase == "Pending"


def test_a_service_may_be_told_to_crash_or_to_ignore_term(cluster: Cluster) -> None:
    cluster.faults(
        {"kind": "crash", "container": "db", "exit_code": 2, "count": 1},
        {"kind": "ignore_term", "container": "redis"},
    )
    pod = cluster.run(
        terminationGracePeriodSeconds=1,
        initContainers=[
            {"name": "db", "image": "postgres", "restartPolicy": "Always"},
            {"name": "redis", "image": "redis", "restartPolicy": "Always"},
        ],
        containers=[shell("sleep 0.3")],
    )
    pod.wait_end("Succeeded")
    assert pod.container("db")["lastState"]["terminated"]["exitCode"] == 2
    assert pod.exit_code("redis") == 137
