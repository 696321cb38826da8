"""Creating and reading: names, unknown fields, what is refused and how."""

import pytest

from tests.conformance.cluster import Cluster, Json, Namespace, container


def test_it_answers_409_to_a_name_that_is_taken(namespace: Namespace) -> None:
    first = namespace.create_job(suspend=True)
    again = namespace.cluster.call("POST", namespace.of("jobs"), namespace.job("task"))
    assert (again.status, again.reason) == (409, "AlreadyExists")
    assert again.message == 'jobs.batch "task" already exists'
    there = namespace.cluster.must("GET", namespace.of("jobs", "task"))
    assert there["metadata"]["uid"] == first["metadata"]["uid"]


def test_it_answers_404_with_the_name_of_what_is_missing(namespace: Namespace) -> None:
    answer = namespace.cluster.call("GET", namespace.of("jobs", "nothing"))
    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.message == 'jobs.batch "nothing" not found'
    assert answer.body["details"] == {"name": "nothing", "group": "batch", "kind": "jobs"}


def test_it_answers_404_for_a_namespace_that_is_not_there(namespace: Namespace) -> None:
    path = "/apis/batch/v1/namespaces/no-such-namespace/jobs"
    answer = namespace.cluster.call("POST", path, namespace.job("task"))
    assert (answer.status, answer.message) == (404, 'namespaces "no-such-namespace" not found')


def test_it_makes_a_name_from_a_prefix(namespace: Namespace) -> None:
    body = {"metadata": {"generateName": "made-"}}
    made = [namespace.cluster.must("POST", namespace.of("secrets"), body) for _ in range(2)]
    names = {secret["metadata"]["name"] for secret in made}
    assert len(names) == 2
    assert all(name.startswith("made-") and len(name) == 10 for name in names)


def test_strict_refuses_a_field_that_it_does_not_know(namespace: Namespace) -> None:
    job = namespace.job("task", pod={"containers": [container(imagePullpolicy="Always")]}, stop=1)
    path = namespace.of("jobs")
    answer = namespace.cluster.call("POST", path, job, fieldValidation="Strict")
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert 'unknown field "spec.stop"' in answer.message
    assert 'unknown field "spec.template.spec.containers[0].imagePullpolicy"' in answer.message
    assert namespace.cluster.call("GET", namespace.of("jobs", "task")).status == 404


def test_without_strict_an_unknown_field_is_dropped_with_a_warning(namespace: Namespace) -> None:
    job = namespace.job("task", stop=1, suspend=True)
    answer = namespace.cluster.call("POST", namespace.of("jobs"), job)
    assert answer.status == 201
    assert answer.warnings == ('299 - "unknown field \\"spec.stop\\""',)
    assert "stop" not in answer.body["spec"]


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (
            {"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
            'nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os"'
            " instead",
        ),
        (
            {"nodeSelector": {"failure-domain.beta.kubernetes.io/zone": "here"}},
            "nodeSelector[failure-domain.beta.kubernetes.io/zone]: deprecated since v1.17;"
            ' use "topology.kubernetes.io/zone" instead',
        ),
        (
            {"containers": [container(env=[{"name": "A", "value": value} for value in "xy"])]},
            'containers[0].env[1]: hides previous definition of "A", which may be dropped when'
            " using apply",
        ),
    ],
)
def test_what_is_old_or_odd_is_taken_with_a_warning(
    namespace: Namespace, pod: Json, said: str
) -> None:
    job = namespace.job("task", pod=pod, suspend=True)
    path = namespace.of("jobs")
    answer = namespace.cluster.call("POST", path, job, fieldValidation="Strict")
    assert answer.status == 201
    escaped = said.replace('"', '\\"')
    assert answer.warnings == (f'299 - "spec.template.spec.{escaped}"',)


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        ({"containers": [container("saturn_test_app")]}, "containers[0].name"),
        ({"hostname": "saturn_test_app"}, "hostname"),
        (
            {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["saturn_test_app"]}]},
            "hostAliases[0].hostnames[0]",
        ),
        ({"containers": [container(), container()]}, "containers[1].name"),
        ({"containers": [{"name": "test"}]}, "containers[0].image"),
        ({"initContainers": [container()]}, "initContainers[0].name"),
        (
            {"containers": [container(volumeMounts=[{"name": "no", "mountPath": "/x"}])]},
            "containers[0].volumeMounts[0].name",
        ),
        (
            {"containers": [container(env=[{"name": "A", "valueFrom": {}}])]},
            "containers[0].env[0].valueFrom",
        ),
        (
            {"initContainers": [container("a", startupProbe={"exec": {"command": ["true"]}})]},
            "initContainers[0].startupProbe",
        ),
        ({"volumes": [{"name": "Bad_Name", "emptyDir": {}}]}, "volumes[0].name"),
        (
            {
                "containers": [
                    container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
                ]
            },
            "containers[0].resources.requests",
        ),
    ],
)
def test_it_refuses_a_pod_that_could_not_run(namespace: Namespace, pod: Json, field: str) -> None:
    path, job = namespace.of("jobs"), namespace.job("task", pod=pod)
    answer = namespace.cluster.call("POST", path, job, fieldValidation="Strict")
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert f"spec.template.spec.{field}" in answer.fields


def test_it_refuses_two_mounts_in_one_place(namespace: Namespace) -> None:
    mounts = [{"name": "a", "mountPath": "/x"}, {"name": "a", "mountPath": "/x", "subPath": "y"}]
    volumes = [{"name": "a", "emptyDir": {}}]
    pod = {"containers": [container(volumeMounts=mounts)], "volumes": volumes}
    answer = namespace.cluster.call("POST", namespace.of("jobs"), namespace.job("task", pod=pod))
    assert answer.status == 422
    assert 'volumeMounts[1].mountPath: Invalid value: "/x": must be unique' in answer.message


def test_it_takes_sidecars_with_probes_among_the_init_containers(namespace: Namespace) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 180}
    sidecar = container("agent", restartPolicy="Always", startupProbe=probe)
    job = namespace.job("task", pod={"initContainers": [sidecar]}, suspend=True)
    made = namespace.cluster.must("POST", namespace.of("jobs"), job, fieldValidation="Strict")
    (stored,) = made["spec"]["template"]["spec"]["initContainers"]
    assert stored["restartPolicy"] == "Always"
    assert stored["startupProbe"]["failureThreshold"] == 180


def test_it_refuses_a_job_whose_pod_would_always_restart(namespace: Namespace) -> None:
    job = namespace.job("task", pod={"restartPolicy": "Always"})
    answer = namespace.cluster.call("POST", namespace.of("jobs"), job)
    assert answer.status == 422
    assert answer.fields == ["spec.template.spec.restartPolicy"]


def test_it_refuses_a_value_of_the_wrong_type(namespace: Namespace) -> None:
    job = namespace.job("task", activeDeadlineSeconds="soon")
    answer = namespace.cluster.call("POST", namespace.of("jobs"), job)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "cannot unmarshal string" in answer.message
    assert "activeDeadlineSeconds" in answer.message


def test_it_fills_in_what_a_job_leaves_out(namespace: Namespace) -> None:
    made = namespace.create_job(suspend=True)
    spec = made["spec"]
    assert (spec["parallelism"], spec["completions"]) == (1, 1)
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    uid = made["metadata"]["uid"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == uid
    assert (labels["job-name"], labels["batch.kubernetes.io/job-name"]) == ("task", "task")
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_it_writes_quantities_in_one_way(namespace: Namespace) -> None:
    limits = {"cpu": "1000m", "memory": "1024Mi"}
    resources = {"limits": limits, "requests": {"cpu": 0.5}}
    pod = {"containers": [container(resources=resources)]}
    made = namespace.create_job(suspend=True, pod=pod)
    stored = made["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert stored["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert stored["requests"] == {"cpu": "500m"}


def test_a_dry_run_stores_nothing(namespace: Namespace) -> None:
    job = namespace.job("task")
    answer = namespace.cluster.call("POST", namespace.of("jobs"), job, dryRun="All")
    assert (answer.status, answer.body["spec"]["completions"]) == (201, 1)
    assert namespace.cluster.call("GET", namespace.of("jobs", "task")).status == 404


def test_a_secret_takes_plain_strings_and_gives_base64(namespace: Namespace) -> None:
    body: Json = {"metadata": {"name": "s"}, "stringData": {"token": "secret"}}
    made = namespace.cluster.must("POST", namespace.of("secrets"), body)
    assert made["data"] == {"token": "c2VjcmV0"}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_a_secret_refuses_keys_that_are_no_file_names(namespace: Namespace) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"a/b": "x"}}
    answer = namespace.cluster.call("POST", namespace.of("secrets"), body)
    assert (answer.status, answer.fields) == (422, ["data[a/b]"])


def test_it_refuses_a_token_that_it_does_not_know(cluster: Cluster) -> None:
    headers = {"Authorization": "Bearer not-a-token"}
    answer = cluster.session.get(f"{cluster.url}/api/v1/nodes", headers=headers, timeout=30)
    assert answer.status_code == 401


def test_a_new_namespace_gets_its_service_account_and_root_certificate(
    namespace: Namespace,
) -> None:
    path = namespace.of("configmaps", "kube-root-ca.crt")
    namespace.cluster.wait(lambda: namespace.cluster.call("GET", path).status == 200)


def test_a_body_of_an_unknown_type_is_415(namespace: Namespace) -> None:
    answer = namespace.cluster.call("POST", namespace.of("jobs"), "name=task", kind="text/plain")
    assert answer.status == 415
