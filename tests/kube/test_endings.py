"""The end of a container is read as its cause, and the agent may tell it first."""

from typing import Any

import pytest

from dispatch.outcomes import Category
from kube.causes import builder_end
from kube.reading import Grace, Reading
from kube.status import read
from tests.kube.pods import NOW, agentless, container, job, pod, running, terminated

Json = dict[str, Any]


def reading(found: Json) -> Reading:
    return read(job(), [found], [], NOW, Grace())


def end(name: str, code: int, **facts: Any) -> Reading:
    """Of a pod whose agent has gone."""
    return reading(agentless(pod(container(name, **terminated(code, **facts)))))


TRIED = "error building image: unable to complete operation after 3 attempts, last error"
BUILDS = [
    ("INFO x\nerror building image: failed to execute command: exit 1", "build_failed"),
    ("error: parsing dockerfile: unknown instruction", "build_failed"),
    ("error building image: could not parse reference: ruby:", "build_failed"),
    ("failed to get files used from context: when specifying multiple sources", "build_failed"),
    ('error building image: failed to process "${B:?needed}": B: needed', "build_failed"),
    ("error checking push permissions -- make sure", "registry_push"),
    ("error checking push permissions: POST x: NAME_UNKNOWN: no such repository", "registry_push"),
    ("error pushing image: failed to push to destination x: DENIED: no", "registry_push"),
    (f"{TRIED}: GET http://x/v2/y/manifests/1: MANIFEST_UNKNOWN: y", "base_image_not_found"),
    (f"{TRIED}: GET https://x/v2/y/manifests/1: UNAUTHORIZED: y", "base_image_not_found"),
    (f"{TRIED}: GET https://x/v2/y: DENIED: your login has expired", "registry_push"),
    (f"{TRIED}: GET https://x/v2/y: TOOMANYREQUESTS: later", "registry_push"),
    (f"{TRIED}: Get https://x/v2/: dial tcp: lookup x: no such host", "registry_push"),
    ("", "unknown"),
]


@pytest.mark.parametrize("message,category", BUILDS)
def test_a_builder_is_read_by_its_last_line(message: str, category: str) -> None:
    assert end("kaniko", 1, message=message).ended == category
    assert builder_end(message)[0] == category


@pytest.mark.parametrize("code", [137, 255, 0])
@pytest.mark.parametrize("name,category", [("kaniko", "build_oom"), ("test", "test_oom")])
def test_out_of_memory_is_told_by_its_reason_at_any_exit_code(
    name: str, category: str, code: int
) -> None:
    assert end(name, code, reason="OOMKilled").ended == category


def test_a_build_that_came_through_although_a_step_ran_out_of_memory_goes_on() -> None:
    built = container("kaniko", **terminated(0, reason="OOMKilled", at=60))
    on = [container(name, **running()) for name in ("db", "redis", "worker", "test")]
    assert reading(pod(built, *on)).ended is None


def test_a_service_that_others_wait_for_names_itself_and_what_it_said() -> None:
    found = end("migrate", 3, message="PG::UndefinedTable: relation does not exist")
    assert found.ended == Category.SERVICE_FAILED
    assert "migrate" in found.detail and "PG::UndefinedTable" in found.detail
    assert "exit code 3" in found.detail


def test_such_a_service_that_ran_out_of_memory_is_the_customers_too() -> None:
    found = end("migrate", 137, reason="OOMKilled")
    assert found.ended == Category.SERVICE_FAILED and "migrate" in found.detail


def test_such_a_service_that_cannot_be_started_is_the_customers() -> None:
    text = 'exec: "migrate-db": executable file not found in $PATH'
    found = end("migrate", 128, reason="StartError", message=text)
    assert found.ended == Category.SERVICE_FAILED and "migrate-db" in found.detail


@pytest.mark.parametrize("name", ["test", "kaniko", "clone", "seed-db"])
def test_what_we_put_there_and_cannot_be_started_is_ours(name: str) -> None:
    assert end(name, 128, reason="StartError", message="no such file").ended == "config_error"


@pytest.mark.parametrize("name,of", [("seed-db", "db"), ("seed-test", "test")])
def test_volumes_that_cannot_be_filled_are_ours(name: str, of: str) -> None:
    found = end(name, 1, message="cp: permission denied")
    assert found.ended == Category.CONFIG_ERROR and f"of {of} " in found.detail
    full = end(name, 1, message="cp: write error: No space left on device")
    assert full.ended == Category.DISK_FULL


@pytest.mark.parametrize("code", [1, 2])
def test_tools_that_are_not_put_into_place_are_ours(code: int) -> None:
    assert end("tools", code, message="SWITCHYARD_BIN_DIR").ended == Category.CONFIG_ERROR


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_failed_clone_is_no_verdict(code: int) -> None:
    found = end("clone", code, message="fatal: could not read from remote")
    assert found.ended == Category.NO_VERDICT and "fatal" in found.detail


@pytest.mark.parametrize("code", [143, 137, 126])
def test_tests_that_were_ended_bring_no_verdict(code: int) -> None:
    assert end("test", code).ended == Category.NO_VERDICT


def test_a_container_that_a_node_has_lost_is_the_nodes() -> None:
    lost = end("test", 137, reason="ContainerStatusUnknown", message="could not be located")
    assert lost.ended == Category.NODE_LOST


ENDS = [
    ("clone", {"message": "fatal: repository not found"}),
    ("kaniko", {"message": "failed to execute command: exit status 1"}),
    ("migrate", {}),
    ("test", {}),
]


@pytest.mark.parametrize("name,facts", ENDS)
def test_the_agent_has_the_grace_for_its_last_words(name: str, facts: Json) -> None:
    def after(seconds: float) -> Json:
        return pod(container(name, **terminated(1, at=seconds, **facts)))

    young = reading(after(29))
    assert young.ended is None and "agent" in young.pending
    assert reading(after(31)).ended is not None
    assert reading(agentless(after(1))).ended == reading(after(31)).ended


def test_a_pod_with_a_longer_grace_gives_the_agent_all_of_it() -> None:
    slow = pod(container("clone", **terminated(1, at=89)))
    slow["spec"]["terminationGracePeriodSeconds"] = 90
    assert reading(slow).ended is None
    slow["spec"]["terminationGracePeriodSeconds"] = 88
    assert reading(slow).ended == Category.NO_VERDICT


@pytest.mark.parametrize("name,facts", ENDS)
def test_a_pod_that_is_over_waits_for_nobody(name: str, facts: Json) -> None:
    over = pod(container(name, **terminated(1, at=1, **facts)), phase="Failed")
    assert reading(over).ended is not None
