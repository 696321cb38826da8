"""Quotas: what is refused at once, and what a Job tries again and again."""

from tests.conformance.cluster import Json, Namespace, container


def limit(namespace: Namespace, **hard: str) -> None:
    names = {name.replace("__", "/").replace("_", "."): value for name, value in hard.items()}
    quota = {"metadata": {"name": "limits"}, "spec": {"hard": names}}
    path = namespace.of("resourcequotas")
    namespace.cluster.must("POST", path, quota)

    def is_counted() -> bool:
        found = namespace.cluster.must("GET", namespace.of("resourcequotas", "limits"))
        return bool(found.get("status", {}).get("used"))

    namespace.cluster.wait(is_counted)


def asking(cpu: str) -> Json:
    return {"containers": [container(resources={"requests": {"cpu": cpu}})]}


def test_a_count_of_jobs_answers_403(namespace: Namespace) -> None:
    limit(namespace, **{"count__jobs_batch": "1"})
    namespace.create_job(suspend=True)
    answer = namespace.cluster.call("POST", namespace.of("jobs"), namespace.job("second"))
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.message == (
        'jobs.batch "second" is forbidden: exceeded quota: limits, requested: count/jobs.batch=1,'
        " used: count/jobs.batch=1, limited: count/jobs.batch=1"
    )


def test_a_count_of_secrets_answers_403(namespace: Namespace) -> None:
    limit(namespace, secrets="0")
    answer = namespace.cluster.call("POST", namespace.of("secrets"), {"metadata": {"name": "s"}})
    assert answer.status == 403
    assert "exceeded quota: limits, requested: secrets=1" in answer.message


def test_a_job_whose_pod_is_over_quota_is_accepted_and_says_so_in_an_event(
    namespace: Namespace,
) -> None:
    limit(namespace, requests_cpu="1")
    namespace.create_job(pod=asking("2"))
    namespace.cluster.wait(lambda: "FailedCreate" in namespace.reasons("task"))
    event = next(e for e in namespace.events("task") if e["reason"] == "FailedCreate")
    assert "exceeded quota: limits" in event["message"]
    assert (
        "requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1"
        in (event["message"])
    )
    assert namespace.pods_of("task") == []
    assert namespace.conditions("task") == []


def test_events_are_found_by_what_they_are_about_and_by_their_reason(
    namespace: Namespace,
) -> None:
    limit(namespace, requests_cpu="1")
    uid = namespace.create_job(pod=asking("2"))["metadata"]["uid"]
    namespace.cluster.wait(lambda: "FailedCreate" in namespace.reasons("task"))

    def found(fields: str) -> set[tuple[str, str]]:
        events = namespace.cluster.must("GET", namespace.of("events"), fieldSelector=fields)
        return {(event["reason"], event["involvedObject"]["uid"]) for event in events["items"]}

    assert found("involvedObject.kind=Job,reason=FailedCreate") == {("FailedCreate", uid)}
    assert ("FailedCreate", uid) in found(f"involvedObject.uid={uid}")
    assert found("involvedObject.kind=Pod,reason=FailedCreate") == set()


def test_its_deadline_runs_even_so(namespace: Namespace) -> None:
    limit(namespace, requests_cpu="1")
    namespace.create_job(pod=asking("2"), activeDeadlineSeconds=1)
    namespace.cluster.wait(lambda: "Failed" in namespace.conditions("task"))


def test_a_pod_that_has_ended_uses_no_quota(namespace: Namespace) -> None:
    limit(namespace, requests_cpu="1")
    namespace.create_job("first", pod=asking("1"))
    namespace.say(namespace.bound_pod("first"), phase="Succeeded")

    def used() -> str:
        found = namespace.cluster.must("GET", namespace.of("resourcequotas", "limits"))
        return str(found["status"]["used"]["requests.cpu"])

    namespace.cluster.wait(lambda: used() == "0")
    namespace.create_job("second", pod=asking("1"))
    assert namespace.bound_pod("second")


def test_where_cpu_is_limited_every_container_must_ask(namespace: Namespace) -> None:
    limit(namespace, requests_cpu="1")
    body = {"metadata": {"name": "p"}, "spec": namespace.pod_spec()}
    answer = namespace.cluster.call("POST", namespace.of("pods"), body)
    assert answer.status == 403
    assert "failed quota: limits: must specify requests.cpu for: test" in answer.message
