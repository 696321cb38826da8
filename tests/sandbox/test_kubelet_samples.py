"""Our own programs carry out the samples in pods, against a control plane that only records what
it is told: each ends as its repository demands."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from kube.reading import Grace, Reading
from kube.status import read
from sandbox.samples import RECIPES, Sample, create_samples
from tests.sandbox.kubelet_cluster import Cluster, RunningPod
from tests.sandbox.whole_pods import only_job, start_sample
from tests.worker_image.agent_plane import AgentPlane, work_order

# Which of them ends by the agent's report; the cluster tells how the others have.
REPORTED = [
    name
    for name, recipe in RECIPES.items()
    if "kubernetes" in recipe.backends and recipe.category != "service_failed"
]
IMPATIENT = Grace(pull=1, no_pod=1, unschedulable=1, config=1, reported=1)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return create_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def plane() -> Iterator[AgentPlane]:
    with AgentPlane() as found:
        yield found


def start(cluster: Cluster, plane: AgentPlane, sample: Sample) -> RunningPod:
    plane.order = work_order(sample.clone_url, sample.commit)
    return start_sample(cluster, sample, plane, variables={"SAMPLE_SECONDS": "0"})


def category(plane: AgentPlane) -> str:
    """As the control plane would read the reports."""
    report, events = plane.only("finish").json, plane.events()
    for failure in ("build_failed", "pre_script_failed"):
        if failure in events:
            assert report["exit_code"] is None and not plane.has("results")
            return failure
    failures = plane.only("results").json["summary"]["failure_count"]
    assert (report["exit_code"] == 0) == (failures == 0)
    return "failed" if failures else "passed"


@pytest.mark.parametrize("name", REPORTED)
def test_a_sample_ends_in_a_pod_as_its_repository_demands(
    cluster: Cluster, plane: AgentPlane, samples: dict[str, Sample], name: str
) -> None:
    pod = start(cluster, plane, samples[name])
    pod.wait_end("Failed" if name == "unbuildable" else "Succeeded")
    assert plane.only("claim").json["instance"] == pod.uid
    assert category(plane) == samples[name].category
    if name == "unbuildable":
        assert "requirements-that-nobody-wrote.txt" in plane.text("build")


def test_a_service_is_up_before_the_tests_and_ends_after_them(
    cluster: Cluster, plane: AgentPlane, samples: dict[str, Sample]
) -> None:
    pod = start(cluster, plane, samples["service"])
    pod.wait_end("Succeeded")
    told = [reason for reason, message in pod.events() if message.endswith(" database")]
    assert "Started" in told and "Killing" in told
    started = [m.rpartition(" ")[2] for r, m in pod.events() if r == "Started"]
    assert started[-2:] == ["database", "test"]


def test_a_service_that_keeps_crashing_is_named_and_no_test_runs(
    cluster: Cluster, plane: AgentPlane, samples: dict[str, Sample]
) -> None:
    pod = start(cluster, plane, samples["unserved"])

    def reading() -> Reading:
        return read(only_job(cluster), [pod.get()], [], datetime.now(UTC), IMPATIENT)

    pod.wait(lambda: reading().ended)
    assert reading().ended == samples["unserved"].category
    assert "The service ledger keeps crashing: exit code 3" in reading().detail
    assert "The ledger has no books" in reading().detail
    assert pod.reason("test") == "PodInitializing"
    assert "build_finished" in plane.events() and not plane.has("finish")
