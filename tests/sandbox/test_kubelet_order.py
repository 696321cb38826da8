"""In which order a pod's containers come up, and what becomes of it when one fails."""

from tests.sandbox.kubelet_cluster import Cluster, Json, shell, sidecar

SHARED: Json = {
    "volumes": [{"name": "shared", "emptyDir": {}}],
}
MOUNT: Json = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def test_init_containers_run_one_after_the_other_before_the_main_one(cluster: Cluster) -> None:
    pod = cluster.run(
        **SHARED,
        initContainers=[
            shell("sleep 0.3; echo first >> /shared/order", "first", **MOUNT),
            shell("echo second >> /shared/order", "second", **MOUNT),
        ],
        containers=[shell("cat /shared/order", **MOUNT)],
    )
    status = pod.wait_end("Succeeded")
    assert pod.log() == "first\nsecond\n"
    assert pod.exit_code("main") == 0
    assert [c["restartCount"] for c in status["initContainerStatuses"]] == [0, 0]
    assert status["startTime"] and status["podIP"]


def test_a_sidecar_starts_the_next_once_its_startup_probe_has_succeeded(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "-e", "/shared/up"]}, "periodSeconds": 1}
    pod = cluster.run(
        **SHARED,
        initContainers=[
            sidecar(FOREVER, "gate", startupProbe=probe, **MOUNT),
            shell("echo after >> /shared/order", "after", **MOUNT),
        ],
        containers=[shell("cat /shared/order", **MOUNT)],
    )
    pod.wait_event("Unhealthy", "Startup probe failed")
    assert pod.container("gate")["started"] is False
    assert pod.reason("after") == "PodInitializing"
    assert pod.condition("Initialized")["message"] == (
        "containers with incomplete status: [gate after]"
    )
    (pod.folder / "volumes" / "shared" / "up").touch()
    pod.wait_end("Succeeded")
    assert pod.log() == "after\n"
    assert pod.exit_code("gate") == 0


def test_a_failing_init_container_fails_the_pod_and_ends_its_sidecars_at_once(
    cluster: Cluster,
) -> None:
    pod = cluster.run(
        initContainers=[
            sidecar("trap 'echo told; exit 0' TERM; while :; do sleep 0.05; done", "agent"),
            shell("echo broken > /dev/termination-log; exit 7", "clone"),
            shell("true", "never"),
        ],
        containers=[shell("true")],
    )
    pod.wait_end("Failed")
    ended = pod.container("clone")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (7, "Error", "broken\n")
    assert pod.log("agent") == "told\n"
    assert pod.reason("never") == pod.reason("main") == "PodInitializing"
    assert "reason" not in pod.status
    assert pod.condition("Ready")["reason"] == "PodFailed"


def test_the_more_containers_a_pod_has_the_less_each_may_say_at_its_end(cluster: Cluster) -> None:
    says = "yes 12345 | tr -d '\\n' | head -c 5000 >/dev/termination-log; exit 1"
    for others, most in ((0, 4096), (5, 2048)):
        idle = [shell("true", f"idle-{number}") for number in range(others)]
        pod = cluster.run(f"saying-{most}", initContainers=idle, containers=[shell(says)])
        pod.wait_end("Failed")
        message = pod.container("main")["state"]["terminated"]["message"]
        assert len(message) == most and message.startswith("12345")


def test_a_failing_sidecar_is_started_again_for_ever_with_growing_pauses(cluster: Cluster) -> None:
    pod = cluster.run(
        restartPolicy="OnFailure",
        initContainers=[sidecar("echo run; sleep 0.05; exit 3", "service"), shell(FOREVER, "b")],
        containers=[shell("true")],
    )
    pod.wait(lambda: pod.container("service").get("restartCount", 0) >= 2)
    pod.wait(lambda: pod.reason("service") == "CrashLoopBackOff")
    service = pod.container("service")
    assert service["lastState"]["terminated"]["exitCode"] == 3
    assert service["state"]["waiting"]["message"].endswith(
        f"restarting failed container=service pod=pod_{cluster.namespace}({pod.uid})"
    )
    assert pod.phase == "Pending"
    assert any(reason == "BackOff" for reason, _ in pod.events())


def test_where_nothing_else_is_started_again_its_last_end_is_shown_meanwhile(
    cluster: Cluster,
) -> None:
    pod = cluster.run(
        initContainers=[sidecar("sleep 0.05; exit 3", "service"), shell(FOREVER, "b")],
        containers=[shell("true")],
    )
    pod.wait(lambda: pod.container("service").get("restartCount", 0) >= 2)
    pod.wait(lambda: pod.exit_code("service") == 3)
    assert pod.container("service")["lastState"] == {}


def test_the_pod_is_running_until_its_sidecars_have_ended(cluster: Cluster) -> None:
    pod = cluster.run(
        initContainers=[sidecar("trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done", "s")],
        containers=[shell("exit 4")],
    )
    pod.wait(lambda: pod.exit_code("main") == 4)
    assert pod.phase == "Running"
    pod.wait_end("Failed")
    assert pod.exit_code("s") == 0


def test_a_running_pod_says_that_it_is_ready(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell(FOREVER)])
    pod.wait_running()
    pod.wait(lambda: pod.condition("Ready").get("status") == "True")
    for kind in ("PodReadyToStartContainers", "Initialized", "ContainersReady", "PodScheduled"):
        assert pod.condition(kind)["status"] == "True"
    main = pod.container("main")
    assert main["ready"] and main["started"]
    assert main["containerID"].startswith("containerd://")
    assert main["imageID"].startswith("docker.io/library/busybox@sha256:")
    reasons = [reason for reason, _ in pod.events()]
    assert [r for r in reasons if r != "Scheduled"][-2:] == ["Created", "Started"]


def test_a_command_that_is_not_there_ends_as_a_start_error(cluster: Cluster) -> None:
    container = {"name": "main", "image": "busybox:1", "command": ["no-such-program"]}
    pod = cluster.run(containers=[container])
    pod.wait_end("Failed")
    ended = pod.container("main")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]


def test_what_a_container_leaves_running_ends_with_it(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell("(setsid env -i /bin/sleep 600 &) ; exit 5")])
    pod.wait_end("Failed")
    assert pod.exit_code("main") == 5
    assert pod.pids() == []


def test_the_end_of_the_log_is_the_message_where_the_pod_asks_for_it(cluster: Cluster) -> None:
    pod = cluster.run(
        containers=[
            shell("echo last words; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
        ]
    )
    pod.wait_end("Failed")
    assert pod.container("main")["state"]["terminated"]["message"] == "last words\n"


def test_containers_are_started_again_where_the_policy_says_so(cluster: Cluster) -> None:
    pod = cluster.run(
        restartPolicy="OnFailure",
        **SHARED,
        containers=[shell("test -e /shared/x || { touch /shared/x; exit 1; }", **MOUNT)],
    )
    pod.wait_end("Succeeded")
    assert pod.container("main")["restartCount"] == 1


def test_a_service_whose_end_others_wait_for_ends_by_itself(cluster: Cluster) -> None:
    pod = cluster.run(
        initContainers=[{"name": "migrate", "image": "ghcr.io/acme/migrate:2"}],
        containers=[shell("true")],
    )
    pod.wait_end("Succeeded")
    assert pod.exit_code("migrate") == 0
