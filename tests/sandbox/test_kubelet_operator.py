"""What the operator of the node sees, and the command line."""

import pytest
import requests

from sandbox.kubernetes.kubelet.options import make_parser, read_settings
from tests.sandbox.kubelet_cluster import Cluster, run_module, shell

STAYS = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def test_the_node_registers_and_says_what_it_has(cluster: Cluster) -> None:
    node = cluster.api.get("/api/v1/nodes/node-1")
    assert node["status"]["allocatable"]["pods"] == "110"
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    assert port == cluster.node.port
    ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1"
    assert cluster.api.get(path)["spec"]["holderIdentity"] == "node-1"


def test_the_operator_sees_processes_and_what_is_not_enforced(cluster: Cluster) -> None:
    container = shell(
        STAYS,
        resources={"limits": {"memory": "64Mi"}},
        securityContext={"runAsUser": 10001, "capabilities": {"drop": ["ALL"]}},
    )
    pod = cluster.run(containers=[container])
    pod.wait_running()
    state = requests.get(f"{cluster.node.url}/sandbox/state", timeout=10).json()
    found = next(p for p in state["pods"] if p["uid"] == pod.uid)
    assert set(pod.pids()) & set(found["pids"])
    (main,) = found["containers"]
    assert (main["name"], main["kind"], main["runs_as"]) == ("main", "main", "busybox")
    assert main["not_enforced"] == {
        "user": "10001",
        "capabilities": {"drop": ["ALL"]},
        "read_only_root": False,
        "limits": {"memory": "64Mi"},
        "own_hosts_file": False,
    }
    listed = requests.get(f"{cluster.node.url}/pods", timeout=10).json()["items"]
    assert pod.uid in [item["metadata"]["uid"] for item in listed]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/healthz", None, 405),
        ("PUT", "/sandbox/away", {"seconds": -1}, 422),
        ("PUT", "/sandbox/oom", {"pod": "nobody"}, 404),
        ("PUT", "/sandbox/evict", [], 400),
        ("GET", "/containerLogs/default/nobody/main", None, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    cluster: Cluster, method: str, path: str, body: object, status: int
) -> None:
    answer = requests.request(method, cluster.node.url + path, json=body, timeout=10)
    assert answer.status_code == status


def test_settings_are_read_from_the_command_line() -> None:
    line = (
        "--state x --api http://a --token t --speed 20 --env A=1=2 --label pool=worker"
        " --taint dedicated=worker:NoSchedule --image ^mine=service --registry r.test=http://r"
        " --service-seconds 1:2"
    )
    settings = read_settings(make_parser().parse_args(line.split()))
    assert settings.env == {"A": "1=2"} and settings.labels == {"pool": "worker"}
    assert settings.taints == ({"key": "dedicated", "value": "worker", "effect": "NoSchedule"},)
    assert settings.images == (("^mine", "service"),)
    assert settings.registries == {"r.test": "http://r"}
    assert settings.scaled(10) == 0.5
    assert 0.05 <= settings.draw(settings.service_seconds, "x") <= 0.1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--api and --token are required: a node needs an API server"),
        (["--speed", "0"], '"0" must be a number above 0'),
        (["--taint", "x"], '"x": write KEY=VALUE:EFFECT'),
        (["--service-seconds", "soon"], "is no range of seconds: write lo:hi"),
        (["--env", "A"], '"A": write NAME=VALUE'),
    ],
)
def test_a_wrong_command_line_names_the_remedy(arguments: list[str], complaint: str) -> None:
    done = run_module("sandbox.kubernetes.kubelet", "--state", "/nonexistent", *arguments)
    assert done.returncode == 2 and complaint in done.stderr
