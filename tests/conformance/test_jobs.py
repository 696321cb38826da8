"""The life of a Job, as its conditions and its pod tell it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.conformance.cluster import (
    MERGE,
    Event,
    Json,
    Namespace,
    container,
    true_conditions,
)

TWO_SECONDS = timedelta(seconds=2)

RUNNING = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [
        {
            "name": "test",
            "image": "registry.example/test:1",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {}},
        }
    ],
}


def suspend(namespace: Namespace, value: bool) -> None:
    body = {"spec": {"suspend": value}}
    namespace.cluster.must("PATCH", namespace.of("jobs", "task"), body, kind=MERGE)


def ended(code: int, reason: str) -> Json:
    return {
        "name": "test",
        "image": "registry.example/test:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": code, "reason": reason}},
    }


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def version_when(
    namespace: Namespace, plural: str, since: str, met: Callable[[Event], bool]
) -> int:
    """Of the first change after a version of which this holds."""
    with namespace.cluster.watch(namespace.of(plural), resourceVersion=since) as events:
        return int(next(event.version for event in events if met(event)))


def wait_for(namespace: Namespace, *conditions: str) -> Json:
    namespace.cluster.wait(lambda: namespace.conditions("task") == list(conditions))
    return namespace.status("task")


def test_a_suspended_job_has_no_pod_until_it_is_resumed(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    status = wait_for(namespace, "Suspended")
    assert "startTime" not in status
    assert namespace.pods_of("task") == []
    suspend(namespace, False)
    namespace.cluster.wait(lambda: namespace.pods_of("task"))
    status = wait_for(namespace)
    assert status["active"] == 1
    assert "startTime" in status


def test_its_pod_belongs_to_it_and_is_found_by_its_name(namespace: Namespace) -> None:
    job = namespace.create_job()
    meta = namespace.bound_pod("task")["metadata"]
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Job", "task", True)
    assert owner["uid"] == job["metadata"]["uid"]
    assert meta["name"].startswith("task-")
    assert meta["labels"]["batch.kubernetes.io/controller-uid"] == owner["uid"]


def test_it_counts_the_pods_that_are_ready(namespace: Namespace) -> None:
    namespace.create_job()
    namespace.say(namespace.bound_pod("task"), **RUNNING)
    namespace.cluster.wait(lambda: namespace.status("task").get("ready") == 1)


def test_a_pod_that_succeeds_completes_it(namespace: Namespace) -> None:
    namespace.create_job()
    namespace.say(namespace.bound_pod("task"), phase="Succeeded")
    status = wait_for(namespace, "SuccessCriteriaMet", "Complete")
    assert status["succeeded"] == 1
    assert "active" not in status
    assert "completionTime" in status
    assert "Completed" in namespace.reasons("task")


def test_a_pod_that_fails_fails_it_and_is_not_replaced(namespace: Namespace) -> None:
    namespace.create_job()
    namespace.say(namespace.bound_pod("task"), phase="Failed")
    status = wait_for(namespace, "FailureTarget", "Failed")
    assert status["failed"] == 1
    assert {c["reason"] for c in status["conditions"]} == {"BackoffLimitExceeded"}
    assert len(namespace.pods_of("task")) == 1
    assert "BackoffLimitExceeded" in namespace.reasons("task")


def test_its_status_tells_no_causes_apart(namespace: Namespace) -> None:
    """Memory, eviction, deletion: the pod alone knows which it was."""
    ends: dict[str, Json] = {
        "memory": {"phase": "Failed", "containerStatuses": [ended(137, "OOMKilled")]},
        "eviction": {"phase": "Failed", "reason": "Evicted", "message": "disk"},
        "tests": {"phase": "Failed", "containerStatuses": [ended(1, "Error")]},
    }
    for name, said in ends.items():
        namespace.create_job(name)
        namespace.say(namespace.bound_pod(name), **said)
        namespace.cluster.wait(lambda: "Failed" in namespace.conditions(name))  # noqa: B023
        reasons = {condition["reason"] for condition in namespace.status(name)["conditions"]}
        assert reasons == {"BackoffLimitExceeded"}


def test_a_main_container_that_traps_term_leaves_a_succeeded_pod_in_a_failed_job(
    namespace: Namespace,
) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    namespace.say(pod, **RUNNING)
    namespace.cluster.must("DELETE", namespace.of("pods", pod["metadata"]["name"]))
    # A deleted pod is failed at once, whatever it says later.
    namespace.cluster.wait(lambda: "FailureTarget" in namespace.conditions("task"))
    namespace.say(pod, phase="Succeeded", containerStatuses=[ended(0, "Completed")])
    wait_for(namespace, "FailureTarget", "Failed")
    namespace.confirm(pod)


def test_at_its_deadline_it_deletes_the_pod_and_is_failed_when_that_is_gone(
    namespace: Namespace,
) -> None:
    namespace.create_job(activeDeadlineSeconds=2)
    pod = namespace.bound_pod("task")
    namespace.say(pod, **RUNNING)
    status = wait_for(namespace, "FailureTarget")
    assert status["conditions"][0]["reason"] == "DeadlineExceeded"
    (pod,) = namespace.pods_of("task")
    assert "deletionTimestamp" in pod["metadata"]
    namespace.cluster.wait(lambda: namespace.status("task").get("terminating") == 1)
    before = namespace.cluster.must("GET", namespace.of("jobs", "task"))
    assert true_conditions(before["status"]) == ["FailureTarget"]
    namespace.confirm(pod)
    wait_for(namespace, "FailureTarget", "Failed")
    assert namespace.pods_of("task") == []
    since = before["metadata"]["resourceVersion"]
    gone = version_when(namespace, "pods", since, lambda event: event.type == "DELETED")
    failed = version_when(
        namespace, "jobs", since, lambda event: "Failed" in true_conditions(event.object["status"])
    )
    assert gone < failed


def test_the_deadline_counts_from_resume(namespace: Namespace) -> None:
    namespace.create_job(suspend=True, activeDeadlineSeconds=2)
    namespace.create_job("made-later", activeDeadlineSeconds=2)
    namespace.cluster.wait(lambda: "FailureTarget" in namespace.conditions("made-later"))
    assert namespace.conditions("task") == ["Suspended"]
    suspend(namespace, False)
    namespace.cluster.wait(lambda: "FailureTarget" in namespace.conditions("task"))
    status = namespace.status("task")
    (failing,) = (c for c in status["conditions"] if c["type"] == "FailureTarget")
    assert time_of(failing["lastTransitionTime"]) - time_of(status["startTime"]) >= TWO_SECONDS


def test_the_deadline_counts_while_the_pod_cannot_be_scheduled(namespace: Namespace) -> None:
    nowhere = {"nodeSelector": {"conformance": "nowhere"}}
    namespace.create_job(activeDeadlineSeconds=1, pod=nowhere)
    wait_for(namespace, "FailureTarget", "Failed")
    assert namespace.pods_of("task") == []


def test_suspending_deletes_the_pod_without_counting_it(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    suspend(namespace, True)
    wait_for(namespace, "Suspended")
    namespace.cluster.wait(lambda: "deletionTimestamp" in namespace.pods_of("task")[0]["metadata"])
    namespace.confirm(pod)
    namespace.cluster.wait(lambda: not namespace.pods_of("task"))
    assert "failed" not in namespace.status("task")


def test_a_finished_job_goes_after_its_time_to_live(namespace: Namespace) -> None:
    namespace.create_job(ttlSecondsAfterFinished=1)
    namespace.say(namespace.bound_pod("task"), phase="Succeeded")
    path = namespace.of("jobs", "task")
    namespace.cluster.wait(lambda: namespace.cluster.call("GET", path).status == 404)
    namespace.cluster.wait(lambda: not namespace.pods_of("task"))


def test_a_job_that_is_deleted_takes_its_pod_along(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    body = {"propagationPolicy": "Background"}
    namespace.cluster.must("DELETE", namespace.of("jobs", "task"), body)
    namespace.cluster.wait(lambda: "deletionTimestamp" in namespace.pods_of("task")[0]["metadata"])
    namespace.confirm(pod)
    namespace.cluster.wait(lambda: not namespace.pods_of("task"))


def test_a_container_that_has_ended_cannot_run_again(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    namespace.say(pod, phase="Running", containerStatuses=[ended(0, "Completed")])
    path = namespace.of("pods", f"{pod['metadata']['name']}/status")
    body = {"status": {"containerStatuses": RUNNING["containerStatuses"]}}
    answer = namespace.cluster.call("PATCH", path, body, kind=MERGE)
    assert answer.status == 422
    assert "may not be transitioned to non-terminated state" in answer.message


def test_a_pod_lost_without_a_word_counts_as_failed(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    namespace.confirm(pod)
    status = wait_for(namespace, "FailureTarget", "Failed")
    assert status["failed"] == 1


def test_it_shows_the_whole_pod_of_a_task(namespace: Namespace) -> None:
    """Init containers, sidecars with probes, volumes and all: stored as they were sent."""
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 180}
    mounts = [{"name": "ctl", "mountPath": "/saturn/ctl", "subPath": "ctl"}]
    pod: Json = {
        "enableServiceLinks": False,
        "hostname": "task",
        "terminationGracePeriodSeconds": 30,
        "volumes": [
            {"name": "ctl", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "token", "secret": {"secretName": "task", "defaultMode": 0o400}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
        "initContainers": [
            container("tools", volumeMounts=mounts),
            container("agent", restartPolicy="Always", startupProbe=probe),
        ],
        "containers": [
            container(
                imagePullPolicy="Always",
                command=["/saturn/bin/busybox", "sh", "/saturn/bin/wrapper"],
                volumeMounts=[{"name": "shm", "mountPath": "/dev/shm"}],
                envFrom=[{"secretRef": {"name": "task"}}],
            )
        ],
    }
    namespace.cluster.must(
        "POST", namespace.of("jobs"), namespace.job("task", pod=pod), fieldValidation="Strict"
    )
    spec = namespace.bound_pod("task")["spec"]
    assert spec["hostname"] == "task"
    assert [c["name"] for c in spec["initContainers"]] == ["tools", "agent"]
    assert spec["volumes"][1]["secret"]["defaultMode"] == 0o400
    assert spec["enableServiceLinks"] is False
