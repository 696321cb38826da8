"""The Job of an Assignment: what holds of it whatever the compose file says."""

from typing import Any
from uuid import UUID

import pytest

from kube.manifest.job import manifests, selector, source_of, suffix_of
from kube.manifest.request import ImageSource, Login
from tests.kube.making import (
    MAIN,
    container,
    make_manifests,
    make_plan,
    make_request,
    make_settings,
    with_main,
    with_service,
)
from tests.kube.structure import containers, faults

BUILDER = UUID("77777777-8888-9999-aaaa-bbbbbbbbbbbb")
LOGIN = Login(username="assignment", password="pass")


def pod_of(**settings: Any) -> dict[str, Any]:
    found = manifests(make_plan(MAIN), make_request(), make_settings(**settings))
    pod: dict[str, Any] = found.job["spec"]["template"]["spec"]
    return pod


def test_it_is_named_after_task_and_attempt() -> None:
    found = make_manifests(MAIN, attempt=2)
    name = "task-11111111-2222-3333-4444-555555555555-a2"
    assert found.job["metadata"]["name"] == found.config_map["metadata"]["name"] == name
    assert found.secrets[0]["metadata"]["name"] == name


def test_it_waits_until_what_belongs_to_it_is_there() -> None:
    assert make_manifests(MAIN).job["spec"]["suspend"] is True


def test_kubernetes_never_makes_it_again() -> None:
    spec = make_manifests(MAIN).job["spec"]
    assert spec["backoffLimit"] == 0 and spec["template"]["spec"]["restartPolicy"] == "Never"


def test_its_deadline_is_queue_timeout_and_grace() -> None:
    found = manifests(
        make_plan(MAIN),
        make_request(timeout_seconds=100),
        make_settings(queue_allowance=50, grace=7),
    )
    assert found.job["spec"]["activeDeadlineSeconds"] == 157
    agent = {item["name"]: item.get("value") for item in container(found, "agent")["env"]}
    assert agent["SWITCHYARD_DEADLINE_SECONDS"] == "157"
    assert agent["SWITCHYARD_TIMEOUT_SECONDS"] == "100"
    assert agent["SWITCHYARD_GRACE_SECONDS"] == "7"


@pytest.mark.parametrize(("wanted", "grace"), [("10s", 30), ("25s", 35), ("1m", 70), ("10m", 120)])
def test_a_service_may_take_its_time_to_stop(wanted: str, grace: int) -> None:
    found = make_manifests(with_service(f"stop_grace_period: {wanted}"))
    assert found.job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace


def test_labels_find_it_and_its_pod() -> None:
    job = make_manifests(MAIN).job
    labels = job["metadata"]["labels"]
    assert job["spec"]["template"]["metadata"]["labels"] == labels
    wanted = dict(pair.split("=") for pair in selector(make_settings()).split(","))
    assert wanted.items() <= labels.items()
    assert labels["switchyard/assignment"] == "66666666-7777-8888-9999-aaaaaaaaaaaa"


def test_the_tasks_labels_may_be_anything() -> None:
    annotations = make_manifests(MAIN, labels={"a:b/c": "ü x" * 80}).job["metadata"]["annotations"]
    assert "ü x" in annotations["switchyard/labels"]


def test_containers_start_in_this_order() -> None:
    compose = with_main(
        "depends_on: [b]\nvolumes: [/v]", "  b: {image: b, depends_on: [a]}\n  a: {image: a}\n"
    )
    names = [item["name"] for item in containers(make_manifests(compose))]
    assert names == ["tools", "agent", "clone", "kaniko", "a", "b", "seed-test", "test"]


def test_sidecars_run_beside_the_tests_and_others_end_before() -> None:
    compose = with_main(
        "depends_on: {m: {condition: service_completed_successfully}, s: }",
        "  m: {image: m}\n  s: {image: s}\n",
    )
    policies = {
        item["name"]: item.get("restartPolicy") for item in containers(make_manifests(compose))
    }
    assert [name for name, policy in policies.items() if policy == "Always"] == ["agent", "s"]
    assert set(policies.values()) == {"Always", None}


def test_an_image_that_is_there_is_not_built() -> None:
    reference = f"registry.example.com:5000/acme/shop@sha256:{'0' * 64}"
    source = ImageSource(reference=reference, built_by=BUILDER)
    found = make_manifests(MAIN, source=source, push_login=LOGIN)
    assert source_of(found.job) == source
    assert container(found, "test")["image"] == reference
    assert "kaniko" not in [item["name"] for item in containers(found)]
    variables = {item["name"]: item.get("value") for item in container(found, "agent")["env"]}
    assert variables["SWITCHYARD_BUILD"] == "0"
    assert "push-login" not in found.secrets[0]["data"]


def test_every_container_has_requests_and_limits() -> None:
    for item in containers(make_manifests(with_service("volumes: [/v]"))):
        kinds = {"cpu", "memory", "ephemeral-storage"}
        assert set(item["resources"]["requests"]) == set(item["resources"]["limits"]) == kinds


def test_nothing_is_privileged_and_only_the_builder_adds_rights() -> None:
    for item in containers(make_manifests(with_service("volumes: [/v]"), push_login=LOGIN)):
        context = item.get("securityContext", {})
        assert "privileged" not in context
        assert bool(context.get("capabilities", {}).get("add")) is (item["name"] == "kaniko")
        if item["name"] in ("tools", "agent", "clone", "kaniko"):
            assert context["capabilities"]["drop"] == ["ALL"]


def test_the_tests_are_whoever_their_image_says() -> None:
    assert "securityContext" not in container(make_manifests(with_main("init: true")), "test")


def test_a_numeric_user_who_is_not_root_runs_agent_and_tools() -> None:
    for name in ("agent", "tools"):
        context = container(make_manifests(MAIN), name)["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0


def test_the_token_is_in_agent_and_clone_alone() -> None:
    found = make_manifests(with_service("volumes: [/v]"), pull_login=LOGIN, push_login=LOGIN)
    pod = found.job["spec"]["template"]["spec"]
    holding = {
        volume["name"]
        for volume in pod["volumes"]
        if "token" in [item["key"] for item in volume.get("secret", {}).get("items", [])]
    }
    who = {
        item["name"]
        for item in containers(found)
        if holding & {mount["name"] for mount in item["volumeMounts"]}
    }
    assert who == {"agent", "clone"}
    clone = [item for item in pod["volumes"] if item["name"] == "clone-secret"][0]
    assert [item["key"] for item in clone["secret"]["items"]] == ["token"]


def test_each_login_is_where_it_is_needed() -> None:
    found = make_manifests(with_service("init: true"), pull_login=LOGIN, push_login=LOGIN)
    mounted = {
        item["name"]: [m["name"] for m in item["volumeMounts"] if m["name"].endswith("-login")]
        for item in containers(found)
    }
    assert {name: names for name, names in mounted.items() if names} == {
        "agent": ["pull-login"],
        "kaniko": ["push-login"],
    }
    pod = found.job["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": f"{found.job['metadata']['name']}-pull"}]


def test_the_pod_sees_nothing_of_the_cluster() -> None:
    pod = pod_of()
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(pod)


def test_a_lost_node_is_left_after_the_set_time() -> None:
    tolerations = pod_of(lost_node_toleration=9)["tolerations"]
    assert [item["tolerationSeconds"] for item in tolerations] == [9, 9]


def test_settings_decide_where_it_runs() -> None:
    pod = pod_of(
        node_selector={"pool": "tasks"},
        taint="switchyard.example.com/tasks",
        runtime_class="gvisor",
        priority_class="tasks",
        pull_secrets=("agent-image",),
        dns_policy="Default",
        host_aliases={"registry.example.com": "10.0.0.1"},
    )
    assert pod["nodeSelector"] == {"pool": "tasks"}
    assert pod["tolerations"][-1] == {
        "key": "switchyard.example.com/tasks",
        "operator": "Exists",
        "effect": "NoSchedule",
    }
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("gvisor", "tasks")
    assert pod["imagePullSecrets"] == [{"name": "agent-image"}]
    assert pod["dnsPolicy"] == "Default"
    assert pod["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["registry.example.com"]}]


def test_a_larger_class_has_more_for_builder_and_tests() -> None:
    small, large = (make_manifests(MAIN, size=size) for size in (0, 1))
    for name in ("kaniko", "test"):
        limits = [container(item, name)["resources"]["limits"]["memory"] for item in (small, large)]
        assert limits == ["4Gi", "8Gi"]


def test_a_class_that_is_not_there_is_a_bug_of_ours() -> None:
    with pytest.raises(IndexError):
        make_manifests(MAIN, size=2)


def test_what_belongs_to_the_job_names_it_as_its_owner() -> None:
    found = make_manifests(MAIN, variables={"A": "x"}, pull_login=LOGIN)
    dependents = found.dependents("the-uid")
    assert [item["kind"] for item in dependents] == ["Secret", "Secret", "Secret", "ConfigMap"]
    for item in dependents:
        (owner,) = item["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Job", "the-uid")
        assert owner["name"] == found.job["metadata"]["name"]
    assert "ownerReferences" not in found.config_map["metadata"]


def test_what_belongs_to_the_job_has_names_that_are_that_jobs_alone() -> None:
    keys = with_service("environment: {A: '${A}'}")
    found = make_manifests(keys, variables={"A": "x"}, pull_login=LOGIN, suffix="0a1b2c3d")
    assert faults(found) == [], "the pod names what there is"
    assert suffix_of(found.job) == "0a1b2c3d"
    for item in found.dependents("the-uid"):
        assert item["metadata"]["name"].startswith(f"{found.job['metadata']['name']}-0a1b2c3d")


def test_the_same_request_makes_the_same_manifests() -> None:
    keys = with_service("environment: {A: '${X}'}")
    assert make_manifests(keys, variables={"X": "x"}) == make_manifests(keys, variables={"X": "x"})


def test_a_request_shows_no_secret_when_it_is_printed() -> None:
    shown = repr(make_request(token="t0k3n", variables={"A": "s3cr3t"}, push_login=LOGIN))
    assert not any(part in shown for part in ("t0k3n", "s3cr3t", "pass'"))
