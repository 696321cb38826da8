"""How a pod ends: who is asked first, who is killed when, and what is left."""

import time
from pathlib import Path

from tests.sandbox.kubelet_cluster import Cluster, Json, RunningPod, shell, sidecar
from tests.waiting import wait_until

SHARED: Json = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNT: Json = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
DEAF = "trap '' TERM; while :; do sleep 0.05; done"
STAYS = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def leaves(name: str, seconds: float = 0.0, code: int = 0) -> str:
    """Notes when it is asked to end, and leaves so much later."""
    note = f"date +%s.%N > /shared/{name}"
    return f"trap '{note}; sleep {seconds}; exit {code}' TERM; while :; do sleep 0.02; done"


def asked_at(folder: Path, *names: str) -> list[float]:
    return [float((folder / name).read_text()) for name in names]


def wait_up(pod: RunningPod) -> None:
    pod.wait_running()
    pod.wait(lambda: pod.condition("Ready").get("status") == "True")


def test_the_main_container_is_asked_first_then_the_sidecars_the_last_one_first(
    cluster: Cluster, tmp_path: Path
) -> None:
    mount: Json = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    pod = cluster.run(
        **SHARED,
        initContainers=[
            sidecar(leaves("agent"), "agent", **mount),
            sidecar(leaves("db", 0.2), "db", **mount),
        ],
        containers=[shell(leaves("main", 0.3, code=143), **mount)],
    )
    wait_up(pod)
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("main", "db", "agent"):  # the volume goes with the pod
        (kept / name).touch()
        (pod.folder / "volumes" / "shared" / name).symlink_to(kept / name)
    pod.delete()
    pod.wait_gone()
    main, db, agent = asked_at(kept, "main", "db", "agent")
    assert main + 0.3 <= db and db + 0.2 <= agent
    killed = [message for reason, message in pod.events() if reason == "Killing"]
    assert killed == [f"Stopping container {name}" for name in ("main", "db", "agent")]


def test_once_the_budget_is_used_up_all_are_asked_and_killed_two_seconds_later(
    cluster: Cluster, tmp_path: Path
) -> None:
    pod = cluster.run(
        **SHARED,
        initContainers=[sidecar(leaves("agent", 60), "agent", **MOUNT)],
        containers=[shell(DEAF)],
    )
    wait_up(pod)
    note = tmp_path / "agent"
    note.touch()
    (pod.folder / "volumes" / "shared" / "agent").symlink_to(note)
    began = time.time()
    pod.delete(grace=1)
    pod.wait(lambda: note.read_text())
    pod.wait_gone()
    told, over = asked_at(tmp_path, "agent")[0] - began, time.time() - began
    assert 0.8 < told < 2.5 and told + 1.5 < over < told + 5


def test_a_program_that_does_not_listen_is_not_ended_by_term(cluster: Cluster) -> None:
    """As process 1 of a container, which has no default actions."""
    pod = cluster.run(containers=[{"name": "main", "image": "busybox", "command": ["sleep", "60"]}])
    wait_up(pod)
    began = time.monotonic()
    pod.delete(grace=2)
    pod.wait_gone()
    assert time.monotonic() - began > 1.8


def test_a_deleted_pod_says_how_its_containers_ended_before_it_is_gone(cluster: Cluster) -> None:
    pod = cluster.run(
        initContainers=[sidecar("trap 'sleep 1; exit 0' TERM; while :; do sleep 0.02; done", "s")],
        containers=[shell("trap 'exit 143' TERM; while :; do sleep 0.02; done")],
    )
    wait_up(pod)
    pod.delete()
    pod.wait(lambda: pod.exit_code("main") == 143)
    assert pod.phase == "Running" and pod.reason("main") == "Error"
    pod.wait_gone()


def test_a_pod_that_is_deleted_while_it_comes_up_starts_nothing_more(cluster: Cluster) -> None:
    pod = cluster.run(
        initContainers=[sidecar(STAYS, "agent"), shell(STAYS, "clone")],
        containers=[shell("true")],
    )
    pod.wait_running("clone")
    pod.delete()
    pod.wait_gone()
    assert "Created container: main" not in [message for _, message in pod.events()]


def test_a_pod_that_waits_for_its_image_can_be_deleted(cluster: Cluster) -> None:
    pod = cluster.run(containers=[{"name": "main", "image": "nowhere.example/x:1"}])
    pod.wait(lambda: pod.reason("main") in ("ErrImagePull", "ImagePullBackOff"))
    pod.delete()
    pod.wait_gone()


def test_a_pod_ends_at_its_own_deadline(cluster: Cluster) -> None:
    pod = cluster.run(activeDeadlineSeconds=1, containers=[shell(STAYS)])
    status = pod.wait_end("Failed")
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    assert pod.exit_code("main") == 0


def test_a_pod_is_evicted_when_a_volume_holds_more_than_it_may(cluster: Cluster) -> None:
    pod = cluster.run(
        volumes=[{"name": "shared", "emptyDir": {"sizeLimit": "1Mi"}}],
        containers=[shell(f"head -c 3000000 /dev/zero > /shared/x; {STAYS}", **MOUNT)],
    )
    status = pod.wait_end("Failed")
    assert status["reason"] == "Evicted"
    assert status["message"] == 'Usage of EmptyDir volume "shared" exceeds the limit "1Mi". '
    disruption = pod.condition("DisruptionTarget")
    assert (disruption["status"], disruption["reason"]) == ("True", "TerminationByKubelet")


def test_a_pod_is_evicted_when_a_container_writes_more_than_it_may(cluster: Cluster) -> None:
    limits: Json = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    pod = cluster.run(
        initContainers=[sidecar(STAYS, "agent")],
        containers=[shell(f'head -c 3000000 /dev/zero > "$TMPDIR/x"; {STAYS}', **limits)],
    )
    status = pod.wait_end("Failed")
    assert status["message"] == 'Container main exceeded its local ephemeral storage limit "1Mi". '


def test_the_operator_may_evict_a_pod(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell(STAYS)])
    wait_up(pod)
    order = {"namespace": cluster.namespace, "pod": "pod", "message": "The node was low. "}
    assert cluster.order("evict", **order).status_code == 202
    status = pod.wait_end("Failed")
    assert (status["reason"], status["message"]) == ("Evicted", "The node was low. ")
    assert cluster.order("evict", pod="nobody").status_code == 404


def test_a_container_may_be_out_of_memory_at_any_exit_code(cluster: Cluster) -> None:
    cluster.faults({"kind": "oom", "container": "builder", "exit_code": 0})
    pod = cluster.run(
        containers=[shell(DEAF, "builder"), shell(DEAF, "test")],
    )
    pod.wait(lambda: pod.exit_code("builder") == 0)
    assert pod.reason("builder") == "OOMKilled"
    order = {"namespace": cluster.namespace, "pod": "pod", "container": "test"}
    assert cluster.order("oom", **order).status_code == 202
    status = pod.wait_end("Failed")
    assert pod.exit_code("test") == 137
    assert [c["state"]["terminated"]["reason"] for c in status["containerStatuses"]] == [
        "OOMKilled"
    ] * 2


def test_a_pod_that_somebody_else_has_given_up_ends_and_stays_failed(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell(STAYS)])
    wait_up(pod)
    found = pod.get()
    found["status"] |= {"phase": "Failed", "reason": "NodeLost"}
    found["metadata"].pop("resourceVersion")
    assert cluster.api.call("PUT", f"{pod.path}/status", found).status_code == 200
    pod.wait(lambda: pod.exit_code("main") == 0)
    wait_until(lambda: not pod.pids())
    assert (pod.phase, pod.status["reason"]) == ("Failed", "NodeLost")


def test_a_pod_that_the_api_server_has_lost_ends_and_leaves_nothing(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell(STAYS)])
    wait_up(pod)
    url = f"/sandbox/pods/{cluster.namespace}/pod/lose"
    assert cluster.api.call("PUT", url).status_code == 200
    wait_until(lambda: not pod.folder.exists())
    assert pod.pids() == []


def test_a_finished_pod_keeps_its_logs_and_nothing_else(cluster: Cluster) -> None:
    pod = cluster.run(**SHARED, containers=[shell("echo done", **MOUNT)])
    pod.wait_end("Succeeded")
    assert pod.log() == "done\n"
    assert not (pod.folder / "volumes").exists()
    assert not (pod.folder / "containers" / "main" / "root").exists()
