"""The logs of services come to their streams once, whole and free of secrets, over real HTTP from
the sandbox's node."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.utils import timezone

from dispatch import encryption, redaction
from dispatch.models import Assignment, LogChunk, TaskSecret
from dispatch.outcomes import Category
from kube import log_lines, service_logs
from kube.config import config
from kube.models import ServiceLog
from kube.service_logs import Follower, read_to_the_end
from kube.worker import KubernetesWorker
from tests.factories import make_assignment, make_suite_run
from tests.kube.service_pods import REST, WAIT, run, run_job, tell, wait_printed
from tests.sandbox.kubelet_cluster import Cluster, RunningPod, start_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("node")) as cluster:
        cluster.make_namespace()
        yield cluster


@pytest.fixture
def worker(node: Cluster) -> Iterator[KubernetesWorker]:
    defaults = config()
    made = KubernetesWorker(
        replace(
            defaults,
            kubeconfig=str(node.folder / "api" / "kubeconfig"),
            manifest=replace(defaults.manifest, namespace=node.namespace),
            relist=0.0,
            log_every=0.2,
        )
    )
    yield made
    node.clear()


@pytest.fixture
def assignment() -> Assignment:
    return make_assignment(make_suite_run(backend="kubernetes"))


@pytest.fixture
def pod(node: Cluster, worker: KubernetesWorker, assignment: Assignment) -> RunningPod:
    """One of the Assignment that has printed a line and goes on, as the worker sees it."""
    found = run(node, assignment, f"echo one; {REST}")
    wait_printed(found, "one")
    worker.pods.refresh()
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_logs, "CALL_SECONDS", 0.5)


def text(assignment: Assignment, name: str = "db") -> str:
    chunks = LogChunk.objects.filter(stream__assignment=assignment, stream__name=f"service-{name}")
    return b"".join(bytes(chunk.data) for chunk in chunks.order_by("start")).decode()


def follow(worker: KubernetesWorker, follower: Follower | None = None) -> None:
    worker.pods.refresh()
    (follower or Follower()).step(worker)


def wait_for(
    pod: RunningPod, worker: KubernetesWorker, assignment: Assignment, wanted: str
) -> None:
    def there() -> bool:
        follow(worker)
        return wanted in text(assignment)

    pod.wait(there)


def test_what_a_service_prints_comes_once_and_is_taken_up_after_a_restart_of_ours(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    script = f"echo one; echo two; {WAIT.format('go')}; echo three; {REST}"
    pod = run(node, assignment, script)
    wait_for(pod, worker, assignment, "two")
    follow(worker)
    tell(pod, "go")
    wait_for(pod, KubernetesWorker(worker.config), assignment, "three")
    follow(worker)
    assert text(assignment) == "one\ntwo\nthree\n"
    assert text(assignment, "agent") == "", "our own containers report by themselves"


def test_secrets_are_taken_out(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    ciphertext = encryption.encrypt_mapping({"API_KEY": "s3cr3t-value"})
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    pod = run(node, assignment, f"echo with s3cr3t-value; echo end; {REST}")
    wait_for(pod, worker, assignment, "end")
    assert text(assignment) == "with [REDACTED]\nend\n"


def test_a_service_that_is_started_again_is_read_on_from_its_run_before(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    first = f"echo first; {WAIT.format('go')}; echo last of it; touch /shared/again; exit 1"
    pod = run(node, assignment, f"if [ -e /shared/again ]; then echo anew; {REST}; fi; {first}")
    wait_for(pod, worker, assignment, "first")
    tell(pod, "go")
    pod.wait(lambda: pod.container("db").get("restartCount") == 1 and pod.runs("db"))
    wait_for(pod, worker, assignment, "anew")
    lines = text(assignment).splitlines()
    assert lines == ["first", "last of it", "[db was started again: restart 1]", "anew"]


def test_more_than_is_read_at_once_is_read_on(
    node: Cluster,
    worker: KubernetesWorker,
    assignment: Assignment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"
    pod = run(node, assignment, f"{count}; echo end; {REST}")
    wait_printed(pod, "end")
    monkeypatch.setattr(log_lines, "MOST_BYTES", 1000)
    follow(worker)
    assert 1000 <= len(text(assignment)) < 1100
    wait_for(pod, worker, assignment, "end")
    assert text(assignment) == "".join(f"{n}\n" for n in range(3000)) + "end\n"


def test_the_last_read_takes_what_is_there_before_the_job_goes(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    pod = run(node, assignment, f"echo one; printf half; {REST}")
    wait_printed(pod, "one")
    worker.pods.refresh()
    read_to_the_end(worker.cluster, worker.pods.all())
    assert text(assignment).startswith("one\n")


@pytest.mark.parametrize("answers", [True, False])
def test_a_job_is_deleted_once_its_services_logs_were_read_or_could_not_be(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, answers: bool
) -> None:
    pod = run_job(node, assignment, f"echo one; {REST}")
    wait_printed(pod, "one")
    worker.observe([assignment])
    assignment.close(Category.CANCELLED)
    if not answers:
        node.api.call("PUT", "/sandbox/faults", [{"kind": "500", "path": "/log[?]"}])
    worker.stop(assignment)
    node.api.call("PUT", "/sandbox/faults", [])
    assert text(assignment) == ("one\n" if answers else "")
    (sighting,) = worker.observe([assignment])
    assert not sighting.holds


def hang(node: Cluster) -> None:
    rule = {"kind": "hang", "seconds": 3, "path": "/log[?]"}
    node.api.call("PUT", "/sandbox/faults", [rule])


def asked(node: Cluster) -> int:
    """How many calls have met the fault; there is none from now on."""
    (found,) = node.api.call("GET", "/sandbox/faults").json()
    node.api.call("PUT", "/sandbox/faults", [])
    return int(found["fired"])


@pytest.mark.usefixtures("impatient")
def test_of_the_jobs_on_a_node_that_hangs_the_first_alone_waits_for_its_logs(
    node: Cluster, worker: KubernetesWorker
) -> None:
    rows = [make_assignment(make_suite_run(backend="kubernetes")) for _ in range(2)]
    for pod in [run_job(node, row, f"echo one; {REST}") for row in rows]:
        wait_printed(pod, "one")
    worker.observe(rows)
    hang(node)
    for row in rows:
        row.close(Category.CANCELLED)
        worker.stop(row)
    assert asked(node) == 1
    assert not any(sighting.holds for sighting in worker.observe(rows))


@pytest.mark.usefixtures("impatient")
def test_a_node_that_hung_is_asked_again_after_a_while(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, pod: RunningPod
) -> None:
    hang(node)
    read_to_the_end(worker.cluster, worker.pods.all())
    asked(node)
    read_to_the_end(worker.cluster, worker.pods.all())
    assert text(assignment) == ""
    resting = service_logs._last_reads[worker.cluster]._resting
    for name in resting:
        resting[name] -= service_logs.PAUSE_AFTER_FAILURE
    read_to_the_end(worker.cluster, worker.pods.all())
    assert text(assignment) == "one\n"


@pytest.mark.usefixtures("impatient")
def test_a_node_that_hangs_keeps_no_other_from_being_asked_but_several_do(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, pod: RunningPod
) -> None:
    (seen,) = worker.pods.all()
    hang(node)
    for number in range(service_logs.SEVERAL + 2):
        elsewhere = {**seen, "spec": {**seen["spec"], "nodeName": f"node-{number}"}}
        read_to_the_end(worker.cluster, [elsewhere])
    assert asked(node) == service_logs.SEVERAL


def test_what_is_released_is_not_read_and_how_far_it_was_is_forgotten(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    pod = run(node, assignment, f"echo one; {WAIT.format('go')}; echo two; {REST}")
    wait_for(pod, worker, assignment, "one")
    assert ServiceLog.objects.filter(assignment_id=assignment.pk).exists()
    assignment.close(Category.CANCELLED)
    Assignment.objects.filter(pk=assignment.pk).update(released_at=timezone.now())
    tell(pod, "go")
    wait_printed(pod, "two")
    follow(worker)
    assert text(assignment) == "one\n"
    assert not ServiceLog.objects.exists()


def test_a_pod_of_another_job_of_this_name_is_not_its(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    assignment.place(f"task-{assignment.task_id}-a1/the-uid-of-its-job")
    pod = run(node, assignment, f"echo one; {REST}")
    wait_printed(pod, "one")
    follow(worker)
    assert text(assignment) == ""


def test_a_log_is_asked_for_now_and_then_only_and_for_a_share_of_the_calls(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, pod: RunningPod
) -> None:
    worker.config = replace(worker.config, log_every=3600)
    rule = {"kind": "latency", "seconds": 0, "path": "/log[?]"}
    node.api.call("PUT", "/sandbox/faults", [rule])
    follower = Follower()
    for _ in range(5):
        follow(worker, follower)
    (found,) = node.api.call("GET", "/sandbox/faults").json()
    node.api.call("PUT", "/sandbox/faults", [])
    assert found["fired"] == 1
    assert text(assignment) == "one\n"


def test_a_node_that_does_not_answer_costs_one_call_and_no_error(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, pod: RunningPod
) -> None:
    node.api.call("PUT", "/sandbox/faults", [{"kind": "500", "path": "/log[?]"}])
    follower = Follower()
    for _ in range(3):
        follow(worker, follower)
    (found,) = node.api.call("GET", "/sandbox/faults").json()
    read_to_the_end(worker.cluster, worker.pods.all())
    node.api.call("PUT", "/sandbox/faults", [])
    assert found["fired"] == 1
    assert text(assignment) == ""
    wait_for(pod, worker, assignment, "one")


def test_two_controllers_that_read_at_once_keep_each_line_once(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment, pod: RunningPod
) -> None:
    (source,) = service_logs.sources(worker.pods.all())
    stale = ServiceLog.of(assignment.pk, "db")
    service_logs.read(worker.cluster, source)
    new = service_logs._new_lines(worker.cluster, source, stale, previous=False, last=False)
    assert not service_logs._keep(stale, source, new, 0)
    assert text(assignment) == "one\n"


def test_what_is_released_while_it_is_read_is_not_kept_with_its_secrets(
    node: Cluster, worker: KubernetesWorker, assignment: Assignment
) -> None:
    """They are deleted with the release, so nothing could be taken out any more."""
    ciphertext = encryption.encrypt_mapping({"API_KEY": "s3cr3t-value"})
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    pod = run(node, assignment, f"echo with s3cr3t-value; {REST}")
    wait_printed(pod, "s3cr3t-value")
    found: list[service_logs.Source] = []

    def seen() -> bool:
        worker.pods.refresh()
        found[:] = service_logs.sources(worker.pods.all())
        return bool(found)

    pod.wait(seen)
    assignment.close(Category.CANCELLED)
    assignment.release()
    assert not TaskSecret.objects.exists()
    redaction._redactors.clear()
    service_logs.read(worker.cluster, found[0])
    assert text(assignment) == ""
